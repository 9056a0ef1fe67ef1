"""Viterbi decoding of tag scores, and the probability of each entity.

The tags of a doc form a linear chain with potentials exp(emission + transition), restricted
to valid BILUO sequences. Without a CRF the transitions are zero, and the chain is the
product of the words' softmax distributions given that the whole sequence is valid.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy

from .biluo import (
    NEVER,
    blank_scores,
    free_best_before,
    free_sum_after,
    free_sum_before,
    valid_first,
    valid_transitions,
)

TINY = 1e-300  # keeps a division defined where every path has underflowed
MOST_CELLS = 1 << 23  # numbers in one array: 64 MB

BestBefore = Callable[[numpy.ndarray], tuple[numpy.ndarray, numpy.ndarray]]
Sum = Callable[[numpy.ndarray], numpy.ndarray]


class Entity(NamedTuple):
    start: int  # token
    end: int  # token after the last
    label: str
    score: float  # probability, in [0, 1]


def find_entities(
    emissions: numpy.ndarray,
    transitions: numpy.ndarray,
    offsets: numpy.ndarray,
    is_blank: numpy.ndarray,
    labels: Sequence[str],
) -> list[list[Entity]]:
    """Decode a batch of docs.

    emissions (ndarray): Scores of tags for each word, (n_words, n_tags).
    transitions (ndarray): Scores of pairs of tags, (n_tags, n_tags).
    offsets (ndarray): Word offsets of the docs, (n_docs + 1,).
    is_blank (ndarray): Words that are blank, (n_words,).
    labels (Sequence[str]): In the order of the tags.
    RETURNS (list[list[Entity]]): The entities of the best path of each doc. The score of one
        is its probability given the text: that of all valid sequences which have it, by the
        forward-backward algorithm (Rabiner 1989).
    """
    scores = emissions.astype("float64")
    scores[is_blank] = blank_scores(len(labels))
    entities: list[list[Entity]] = [[] for _ in range(len(offsets) - 1)]
    most_words = min(1 << 16, MOST_CELLS // scores.shape[1])
    for docs in _group_by_length(numpy.diff(offsets), most_words):
        chain = Chain(scores, transitions, offsets, docs, len(labels))
        for doc, found in zip(docs, chain.entities(labels)):
            entities[doc] = found
    return entities


class Chain:
    """Some docs of a batch, padded to one length with the end tag.

    scores (ndarray): Of the tags of all words in the batch, (n_words, n_tags) float64.
    transitions (ndarray): Scores of pairs of tags, (n_tags, n_tags).
    offsets (ndarray): Word offsets of all docs in the batch, (n_docs_in_batch + 1,).
    docs (ndarray): Which docs, (n_docs,); none is empty.
    n_labels (int): Number of labels; n_tags is 1 + 4 * n_labels.
    """

    def __init__(
        self,
        scores: numpy.ndarray,
        transitions: numpy.ndarray,
        offsets: numpy.ndarray,
        docs: numpy.ndarray,
        n_labels: int,
    ):
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
        self.is_free = not transitions.any()  # every valid step scores the same

    def entities(self, labels: Sequence[str]) -> list[list[Entity]]:
        tags = self.best_path()
        part = numpy.where((tags == 0) | (tags == len(self.first) - 1), -1, (tags - 1) % 4)
        is_start = numpy.isin(part, [0, 3])  # B, U
        is_end = numpy.isin(part, [2, 3])  # L, U
        docs, starts = numpy.nonzero(is_start)
        _, ends = numpy.nonzero(is_end)
        found: list[list[Entity]] = [[] for _ in range(self.n_docs)]
        if len(docs):
            probabilities = self.probabilities(docs, starts, ends, tags)
            for doc, start, end, p in zip(docs, starts, ends, probabilities):
                label = labels[(tags[doc, start] - 1) // 4]
                found[doc].append(Entity(int(start), int(end) + 1, label, float(p)))
        return found

    def best_path(self) -> numpy.ndarray:
        """RETURNS (ndarray): The most probable valid tags, (n_docs, n_steps) (Viterbi 1967)."""
        tags = self.scores.argmax(axis=2)
        if not self.is_free:
            best_before = self._make_best_before()
            for docs in self._chunks():
                tags[docs] = self._viterbi(self.scores[docs], best_before)
            return tags
        # The best of all sequences is the best valid one, where it is valid.
        doubtful = ~self._is_valid(tags)
        if doubtful.any():
            tags[doubtful] = self._viterbi(self.scores[doubtful], free_best_before)
        return tags

    def _chunks(self) -> list[slice]:
        size = max(1, MOST_CELLS // self.valid.size)
        return [slice(start, start + size) for start in range(0, self.n_docs, size)]

    def _make_best_before(self) -> BestBefore:
        steps = numpy.where(self.valid, self.transitions, NEVER)

        def best_before(best: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
            candidates = best[:, :, None] + steps  # (n_docs, from, to)
            return candidates.max(axis=1), candidates.argmax(axis=1)

        return best_before

    def _is_valid(self, tags: numpy.ndarray) -> numpy.ndarray:
        steps = self.valid[tags[:, :-1], tags[:, 1:]].all(axis=1)
        return steps & self.first[tags[:, 0]]

    def _viterbi(self, scores: numpy.ndarray, best_before: BestBefore) -> numpy.ndarray:
        n_docs, n_steps, n_tags = scores.shape
        best = scores[:, 0] + numpy.where(self.first, 0.0, NEVER)
        back = numpy.zeros((n_steps, n_docs, n_tags), dtype="int16")
        for t in range(1, n_steps):
            best, back[t] = best_before(best)
            best = best + scores[:, t]
        tags = numpy.zeros((n_docs, n_steps), dtype="int64")
        tags[:, -1] = best.argmax(axis=1)
        for t in range(n_steps - 1, 0, -1):
            tags[:, t - 1] = back[t, numpy.arange(n_docs), tags[:, t]]
        return tags

    def probabilities(
        self, docs: numpy.ndarray, starts: numpy.ndarray, ends: numpy.ndarray, tags: numpy.ndarray
    ) -> numpy.ndarray:
        """Sum over all valid sequences that have the tags of a span.

        docs (ndarray): The doc of each span, among those of the chain, (n_spans,).
        starts, ends (ndarray): First and last word of each span, (n_spans,).
        tags (ndarray): Of all words, (n_docs, n_steps).
        RETURNS (ndarray): Probability of each span, (n_spans,).
        """
        potentials = numpy.exp(self.scores - self.scores.max(axis=2, keepdims=True))
        sum_before, sum_after = self._sums()
        forward, scale = self._forward(potentials, sum_before)
        backward = self._backward(potentials, sum_after, scale)
        # alpha(start) * product of what follows inside the span * beta(end), all rescaled
        p = forward[docs, starts, tags[docs, starts]] * backward[docs, ends, tags[docs, ends]]
        for i, (doc, start, end) in enumerate(zip(docs, starts, ends)):
            for t in range(start + 1, end + 1):
                tag = tags[doc, t]
                step = numpy.exp(self.transitions[tags[doc, t - 1], tag])
                p[i] *= step * potentials[doc, t, tag] / scale[doc, t]
        return numpy.clip(p, 0.0, 1.0)

    def _sums(self) -> tuple[Sum, Sum]:
        """Sums over all that may stand before a tag, and over all that may stand after it."""
        if self.is_free:
            return free_sum_before, free_sum_after
        steps = numpy.where(self.valid, numpy.exp(self.transitions), 0.0)
        return (lambda x: x @ steps), (lambda x: x @ steps.T)

    def _forward(
        self, potentials: numpy.ndarray, sum_before: Sum
    ) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Forward variables that sum to one at every step, and the scale of each step."""
        forward = numpy.zeros_like(potentials)
        scale = numpy.ones(potentials.shape[:2])
        for t in range(potentials.shape[1]):
            into = self.first * 1.0 if t == 0 else sum_before(forward[:, t - 1])
            alpha = into * potentials[:, t]
            scale[:, t] = alpha.sum(axis=1) + TINY
            forward[:, t] = alpha / scale[:, t, None]
        return forward, scale

    def _backward(
        self, potentials: numpy.ndarray, sum_after: Sum, scale: numpy.ndarray
    ) -> numpy.ndarray:
        """Backward variables in the same scales."""
        backward = numpy.ones_like(potentials)
        for t in range(potentials.shape[1] - 2, -1, -1):
            after = backward[:, t + 1] * potentials[:, t + 1] / scale[:, t + 1, None]
            backward[:, t] = sum_after(after)
        return backward


def _group_by_length(lengths: numpy.ndarray, most_words: int) -> list[numpy.ndarray]:
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
