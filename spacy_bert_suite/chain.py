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
    """RETURNS (ndarray): Whether the row's tag may stand before the column's. After the tags
    comes one more, the end, which follows every complete entity and itself; it also fills
    up shorter docs in a batch. (n_tags + 1, n_tags + 1)
    """
    part = numpy.concatenate([["O"], numpy.tile(list("BILU"), n_labels), ["O"]])
    label = numpy.concatenate([[-1], numpy.repeat(numpy.arange(n_labels), 4), [-1]])
    is_open = numpy.isin(part, [BEGIN, INSIDE])[:, None]
    continues = numpy.isin(part, [INSIDE, LAST])
    valid = numpy.where(is_open, continues & (label[:, None] == label), ~continues)
    valid[-1] = False
    valid[-1, -1] = True
    return valid


def valid_first(n_labels: int) -> numpy.ndarray:
    """RETURNS (ndarray): Whether a tag may be first, (n_tags + 1,)."""
    return numpy.concatenate([[True], numpy.tile([True, False, False, True], n_labels), [False]])


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
    """Some docs of a batch, padded to one length with the end tag."""

    def __init__(self, scores, transitions, offsets, docs, n_labels: int):
        lengths = numpy.diff(offsets)[docs]
        n_tags = scores.shape[1]
        self.scores = numpy.full((len(docs), int(lengths.max()) + 1, n_tags + 1), NEVER)
        self.scores[:, :, -1] = 0.0
        for i, doc in enumerate(docs):
            self.scores[i, : lengths[i], :-1] = scores[offsets[doc] : offsets[doc + 1]]
            self.scores[i, : lengths[i], -1] = NEVER
        self.n_docs = len(docs)
        self.valid = valid_transitions(n_labels)
        self.first = valid_first(n_labels)
        self.transitions = numpy.pad(transitions.astype("float64"), (0, 1))

    def entities(self, labels: Sequence[str]) -> List[List[Entity]]:
        tags = self.best_path()
        part = numpy.where((tags == 0) | (tags == len(self.first) - 1), -1, (tags - 1) % 4)
        is_start = numpy.isin(part, [0, 3])  # B, U
        is_end = numpy.isin(part, [2, 3])  # L, U
        docs, starts = numpy.nonzero(is_start)
        _, ends = numpy.nonzero(is_end)
        found: List[List[Entity]] = [[] for _ in range(self.n_docs)]
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
        return steps & self.first[tags[:, 0]]

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
        tags[:, -1] = best.argmax(axis=1)
        for t in range(n_steps - 1, 0, -1):
            tags[:, t - 1] = back[t, numpy.arange(n_docs), tags[:, t]]
        return tags

    def probabilities(self, docs, starts, ends, tags) -> numpy.ndarray:
        """RETURNS (ndarray): Probability of each span of tags, over all valid sequences."""
        potentials = numpy.exp(self.scores - self.scores.max(axis=2, keepdims=True))
        steps = numpy.where(self.valid, numpy.exp(self.transitions), 0.0)
        forward, scale = self._forward(potentials, steps)
        backward = self._backward(potentials, steps, scale)
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

    def _backward(self, potentials, steps, scale) -> numpy.ndarray:
        """Backward variables in the same scales."""
        backward = numpy.ones_like(potentials)
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
    first = torch.from_numpy(valid_first(n_labels)).to(device)
    pad = torch.nn.functional.pad
    steps = torch.where(valid, pad(transitions, (0, 1, 0, 1)), NEVER)
    parts = pad(emissions, (0, 1), value=NEVER).split([len(tags) for tags in gold])
    chosen = [i for i, tags in enumerate(gold) if (tags != MISSING).any()]
    end = emissions.new_full((1, emissions.shape[1] + 1), NEVER)
    end[0, -1] = 0.0
    n_steps = 1 + max(len(gold[i]) for i in chosen)
    free = torch.stack(
        [torch.cat([parts[i], end.expand(n_steps - len(gold[i]), -1)]) for i in chosen]
    )
    tags = torch.full(free.shape[:2], MISSING)
    for row, i in enumerate(chosen):
        tags[row, : len(gold[i])] = torch.from_numpy(gold[i])
    tags = tags.to(device)
    agrees = torch.nn.functional.one_hot(tags.clamp(min=0), free.shape[2]).bool()
    forced = torch.where(agrees | (tags == MISSING)[..., None], free, NEVER)
    likelihood = _log_partition(forced, steps, first) - _log_partition(free, steps, first)
    return -likelihood.sum() / sum(len(gold[i]) for i in chosen)


def _log_partition(scores: torch.Tensor, steps: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """RETURNS (Tensor): Log of the summed potentials of all valid sequences, (n_docs,)."""
    alpha = scores[:, 0] + torch.where(first, 0.0, NEVER)
    for t in range(1, scores.shape[1]):
        alpha = torch.logsumexp(alpha[:, :, None] + steps, dim=1) + scores[:, t]
    return torch.logsumexp(alpha, dim=1)


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
