"""Tags in a row: BILUO constraints, the best path, and the probability of a span.

The tags of a doc form a linear chain with potentials exp(emission + transition), restricted
to valid BILUO sequences. Without a CRF the transitions are zero, and the chain is the
product of the words' softmax distributions given that the whole sequence is valid.
"""

from typing import List, NamedTuple, Sequence, Tuple

import numpy
import torch

BEGIN, INSIDE, LAST, UNIT = "BILU"
MISSING = -1
TINY = 1e-300  # keeps a division defined where every path has underflowed
NEVER = -1e4  # a score that no other can make up for, and still a finite number


class Entity(NamedTuple):
    start: int  # token
    end: int  # token after the last
    label: str
    score: float  # probability, in [0, 1]


def make_tags(labels: Sequence[str]) -> List[str]:
    """RETURNS (List[str]): "O", then B-, I-, L- and U- of every label."""
    return ["O"] + [f"{part}-{label}" for label in labels for part in "BILU"]


def valid_transitions(n_labels: int) -> numpy.ndarray:
    """RETURNS (ndarray): Whether the row's tag may stand before the column's, (n_tags, n_tags)."""
    n_tags = 1 + 4 * n_labels
    part = numpy.concatenate([["O"], numpy.tile(list("BILU"), n_labels)])
    label = numpy.concatenate([[-1], numpy.repeat(numpy.arange(n_labels), 4)])
    is_open = numpy.isin(part, [BEGIN, INSIDE])
    continues = numpy.isin(part, [INSIDE, LAST])
    same = label[:, None] == label[None, :]
    valid = numpy.where(is_open[:, None], continues[None, :] & same, ~continues[None, :])
    return valid.reshape(n_tags, n_tags)


def valid_edges(n_labels: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (Tuple[ndarray, ndarray]): Whether a tag may be first, and last, (n_tags,)."""
    first = numpy.concatenate([[True], numpy.tile([True, False, False, True], n_labels)])
    last = numpy.concatenate([[True], numpy.tile([False, False, True, True], n_labels)])
    return first, last


def find_entities(
    emissions: numpy.ndarray,
    transitions: numpy.ndarray,
    offsets: numpy.ndarray,
    is_space: numpy.ndarray,
    labels: Sequence[str],
) -> List[List[Entity]]:
    """Decode a batch of docs.

    emissions (ndarray): Scores of tags for each word, (n_words, n_tags).
    transitions (ndarray): Scores of pairs of tags, (n_tags, n_tags).
    offsets (ndarray): Word offsets of the docs, (n_docs + 1,).
    is_space (ndarray): Words that are white space: inside an entity or out, never at its edge.
    labels (Sequence[str]): In the order of the tags.
    RETURNS (List[List[Entity]]): The entities of the best path of each doc. The score of one
        is its probability given the text: that of all valid sequences which have it, by the
        forward-backward algorithm (Rabiner 1989).
    """
    scores = emissions.astype("float64")
    edge = numpy.tile([True, False, True, True], len(labels))
    outside = numpy.ix_(is_space, numpy.concatenate([[False], edge]))
    scores[numpy.ix_(is_space, numpy.concatenate([[True], ~edge]))] = 0.0
    scores[outside] = NEVER
    entities: List[List[Entity]] = [[] for _ in range(len(offsets) - 1)]
    for docs in _group_by_length(numpy.diff(offsets)):
        chain = Chain(scores, transitions, offsets, docs, len(labels))
        for doc, found in zip(docs, chain.entities(labels)):
            entities[doc] = found
    return entities


class Chain:
    """Some docs of a batch, padded to one length, in probability space."""

    def __init__(self, scores, transitions, offsets, docs, n_labels: int):
        lengths = numpy.diff(offsets)[docs]
        n_steps, n_tags = int(lengths.max()), scores.shape[1]
        # Padding emits "O" only, so that it changes neither the best path nor any probability.
        padded = numpy.full((len(docs), n_steps, n_tags), NEVER)
        padded[:, :, 0] = 0.0
        for i, doc in enumerate(docs):
            padded[i, : lengths[i]] = scores[offsets[doc] : offsets[doc + 1]]
        self.n_labels = n_labels
        self.lengths = lengths
        self.scores = padded
        self.valid = valid_transitions(n_labels)
        self.first, self.last = valid_edges(n_labels)
        self.transitions = transitions.astype("float64")

    def entities(self, labels: Sequence[str]) -> List[List[Entity]]:
        tags = self.best_path()
        is_start = (tags > 0) & numpy.isin((tags - 1) % 4, [0, 3])
        is_end = (tags > 0) & numpy.isin((tags - 1) % 4, [2, 3])
        docs, starts = numpy.nonzero(is_start)
        _, ends = numpy.nonzero(is_end)
        found: List[List[Entity]] = [[] for _ in self.lengths]
        if len(docs):
            probabilities = self.probabilities(docs, starts, ends, tags)
            for doc, start, end, p in zip(docs, starts, ends, probabilities):
                label = labels[(tags[doc, start] - 1) // 4]
                found[doc].append(Entity(int(start), int(end) + 1, label, float(p)))
        return found

    def best_path(self) -> numpy.ndarray:
        """RETURNS (ndarray): The most probable valid tags, (n_docs, n_steps) (Viterbi 1967)."""
        tags = self.scores.argmax(axis=2)
        if self.transitions.any():
            doubtful = numpy.arange(len(tags))
        else:  # the best of all sequences is the best valid one, where it is valid
            doubtful = numpy.flatnonzero(~self._is_valid(tags))
        if len(doubtful):
            tags[doubtful] = self._viterbi(self.scores[doubtful])
        return tags

    def _is_valid(self, tags: numpy.ndarray) -> numpy.ndarray:
        steps = self.valid[tags[:, :-1], tags[:, 1:]].all(axis=1)
        return steps & self.first[tags[:, 0]] & self.last[tags[:, -1]]

    def _viterbi(self, scores: numpy.ndarray) -> numpy.ndarray:
        n_docs, n_steps, n_tags = scores.shape
        steps = numpy.where(self.valid, self.transitions, NEVER)
        best = scores[:, 0] + numpy.where(self.first, 0.0, NEVER)
        back = numpy.zeros((n_steps, n_docs, n_tags), dtype="int16")
        for t in range(1, n_steps):
            candidates = best[:, :, None] + steps  # (n_docs, from, to)
            back[t] = candidates.argmax(axis=1)
            best = candidates.max(axis=1) + scores[:, t]
        tags = numpy.zeros((n_docs, n_steps), dtype="int64")
        tags[:, -1] = (best + numpy.where(self.last, 0.0, NEVER)).argmax(axis=1)
        for t in range(n_steps - 1, 0, -1):
            tags[:, t - 1] = back[t, numpy.arange(n_docs), tags[:, t]]
        return tags

    def probabilities(self, docs, starts, ends, tags) -> numpy.ndarray:
        """RETURNS (ndarray): Probability of each span of tags, over all valid sequences."""
        potentials = numpy.exp(self.scores - self.scores.max(axis=2, keepdims=True))
        steps = numpy.where(self.valid, numpy.exp(self.transitions), 0.0)
        forward, scale = self._forward(potentials, steps)
        # Only sequences that end well count.
        ending = (forward[:, -1] * self.last).sum(axis=1) + TINY
        backward = self._backward(potentials, steps, scale, self.last / ending[:, None])
        # alpha(start) * product of what follows inside the span * beta(end), all rescaled
        p = forward[docs, starts, tags[docs, starts]] * backward[docs, ends, tags[docs, ends]]
        for i, (doc, start, end) in enumerate(zip(docs, starts, ends)):
            for t in range(start + 1, end + 1):
                tag = tags[doc, t]
                p[i] *= steps[tags[doc, t - 1], tag] * potentials[doc, t, tag] / scale[doc, t]
        return numpy.clip(p, 0.0, 1.0)

    def _forward(self, potentials, steps) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Forward variables that sum to one at every step, and the scale of each step."""
        forward = numpy.zeros_like(potentials)
        scale = numpy.ones(potentials.shape[:2])
        for t in range(potentials.shape[1]):
            into = self.first * 1.0 if t == 0 else forward[:, t - 1] @ steps
            alpha = into * potentials[:, t]
            scale[:, t] = alpha.sum(axis=1) + TINY
            forward[:, t] = alpha / scale[:, t, None]
        return forward, scale

    def _backward(self, potentials, steps, scale, final) -> numpy.ndarray:
        """Backward variables in the same scales, from those of the last step."""
        backward = numpy.zeros_like(potentials)
        backward[:, -1] = final
        for t in range(potentials.shape[1] - 2, -1, -1):
            after = backward[:, t + 1] * potentials[:, t + 1] / scale[:, t + 1, None]
            backward[:, t] = after @ steps.T
        return backward


def crf_loss(
    emissions: torch.Tensor, transitions: torch.Tensor, gold: Sequence[numpy.ndarray]
) -> torch.Tensor:
    """Negative log-likelihood of the gold tags, averaged over words (Lafferty et al. 2001).

    emissions (Tensor): (n_words, n_tags), the docs of `gold` one after the other.
    gold (Sequence[ndarray]): Tags of each doc; MISSING leaves a word open, so that the loss
        is that of all sequences which agree with the rest.
    RETURNS (Tensor): A scalar.
    """
    n_labels = (emissions.shape[1] - 1) // 4
    device = emissions.device
    valid = torch.from_numpy(valid_transitions(n_labels)).to(device)
    first, last = (torch.from_numpy(edge).to(device) for edge in valid_edges(n_labels))
    steps = torch.where(valid, transitions, NEVER)
    lengths = [len(tags) for tags in gold]
    order = [i for i, tags in enumerate(gold) if (tags != MISSING).any()]
    parts = emissions.split(lengths)
    scores = torch.nn.utils.rnn.pad_sequence([parts[i] for i in order], batch_first=True)
    tags = torch.nn.utils.rnn.pad_sequence(
        [torch.from_numpy(gold[i]) for i in order], batch_first=True, padding_value=MISSING
    ).to(device)
    n_words = torch.tensor([lengths[i] for i in order], device=device)
    inside = torch.arange(scores.shape[1], device=device) < n_words[:, None]
    outside_only = torch.full_like(scores, NEVER)
    outside_only[..., 0] = 0.0
    free = torch.where(inside[..., None], scores, outside_only)
    agrees = torch.nn.functional.one_hot(tags.clamp(min=0), scores.shape[2]).bool()
    forced = torch.where(agrees | (tags == MISSING)[..., None], free, NEVER)
    total = _log_partition(free, steps, first, last)
    return (total - _log_partition(forced, steps, first, last)).sum() / n_words.sum()


def _log_partition(scores, steps, first, last) -> torch.Tensor:
    """RETURNS (Tensor): Log of the summed potentials of all valid sequences, (n_docs,)."""
    alpha = scores[:, 0] + torch.where(first, 0.0, NEVER)
    for t in range(1, scores.shape[1]):
        alpha = torch.logsumexp(alpha[:, :, None] + steps, dim=1) + scores[:, t]
    return torch.logsumexp(alpha + torch.where(last, 0.0, NEVER), dim=1)


def _group_by_length(lengths: numpy.ndarray, most_words: int = 1 << 16) -> List[numpy.ndarray]:
    """Docs of about the same length; empty ones are left out."""
    order = numpy.argsort(-lengths, kind="stable")
    order = order[: int((lengths > 0).sum())]
    groups = []
    start = 0
    for end in range(1, len(order) + 1):
        if end < len(order):
            longest = lengths[order[start]]
            fits = longest * (end + 1 - start) <= most_words
            if fits and (lengths[order[end]] >= longest // 2 or longest < 64):
                continue
        groups.append(order[start:end])
        start = end
    return groups
