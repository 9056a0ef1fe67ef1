"""Paraphrase mining: the most similar pairs of a collection."""

from typing import NamedTuple

import numpy

from ..core.validation import check, whole, whole_or_none
from .matrix import Items, as_matrix
from .threshold_pairs import Pairs, concatenate, pairs_above

LEAST_BUFFER = 1 << 18  # pairs


class ScoredPair(NamedTuple):
    """Two items of a collection and their cosine; i < j."""

    score: float
    i: int
    j: int


def paraphrase_mining(
    items: Items,
    *,
    n: int = 100_000,
    threshold: float = -1.0,
    k: int | None = None,
    device: str = "cpu",
) -> list[ScoredPair]:
    """Find the n pairs with the highest cosine. All pairs are compared, in blocks, and no more
    than a few times n of them are held.

    items (Items): Docs, spans or vectors. Vectors of length zero pair with none.
    n (int): How many pairs.
    threshold (float): Least cosine of a pair.
    k (int | None): Leave out a pair if neither is among the k nearest of the other. With a k, a
        text that was copied a thousand times does not fill the list with pairs of its copies.
    device (str): Where torch multiplies.
    RETURNS (list[ScoredPair]): From high to low; equal scores by i, then j.
    RAISES (ValueError): If there is no vector, a value is not finite, or a setting is wrong.
    """
    check("threshold", threshold, -1 <= threshold <= 1, "a cosine from -1 to 1")
    best = _BestPairs(whole("n", n, 1), threshold, whole_or_none("k", k, 1))
    for pairs in pairs_above(as_matrix(items), lambda: best.threshold, device):
        best.add(pairs)
    return best.finish()


class _BestPairs:
    """Collects pairs; when there are many, drops those that cannot be among the best."""

    def __init__(self, n: int, threshold: float, k: int | None) -> None:
        self.n, self.k = n, k
        self.threshold = threshold
        self._parts: list[Pairs] = []
        self._n_held = 0
        self._most_held = max(4 * n, LEAST_BUFFER)

    def add(self, pairs: Pairs) -> None:
        self._parts.append(pairs)
        self._n_held += len(pairs[0])
        if self._n_held > self._most_held:
            self._prune()

    def _prune(self) -> None:
        scores, i, j = _in_order(concatenate(self._parts))
        ends = _ends_in_reach(i, j, self.k)
        # A pair with two ends in reach may later have one; so many ends are at least n pairs.
        n_kept = int(numpy.searchsorted(ends.cumsum(), 2 * self.n)) + 1
        if n_kept <= len(scores):
            self.threshold = max(self.threshold, float(scores[n_kept - 1]))
        kept = numpy.flatnonzero(ends[:n_kept])
        self._parts = [(scores[kept], i[kept], j[kept])]
        self._n_held = len(kept)

    def finish(self) -> list[ScoredPair]:
        scores, i, j = _in_order(concatenate(self._parts))
        kept = numpy.flatnonzero(_ends_in_reach(i, j, self.k))[: self.n]
        return list(map(ScoredPair, scores[kept].tolist(), i[kept].tolist(), j[kept].tolist()))


def _in_order(pairs: Pairs) -> Pairs:
    """From high to low; equal scores by i, then j. Only these need the slow sort of three keys."""
    scores, i, j = pairs
    order = numpy.argsort(-scores)
    level = numpy.diff(scores[order]) == 0
    places = numpy.flatnonzero(numpy.append(level, False) | numpy.insert(level, 0, False))
    tied = order[places]
    order[places] = tied[numpy.lexsort((j[tied], i[tied], -scores[tied]))]
    return scores[order], i[order], j[order]


def _ends_in_reach(i: numpy.ndarray, j: numpy.ndarray, k: int | None) -> numpy.ndarray:
    """Of sorted pairs, count the ends (0, 1 or 2) that have the other among their k nearest."""
    if k is None or not len(i):
        return numpy.full(len(i), 2)
    ends = numpy.stack([i, j], axis=1).ravel()
    counts = numpy.bincount(ends)
    crowded = numpy.flatnonzero(counts[ends] > k)
    in_reach = numpy.ones(len(ends), dtype=bool)
    in_reach[crowded] = _ranks(ends[crowded]) < k
    return in_reach.reshape(-1, 2).sum(axis=1)


def _ranks(rows: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (ndarray): How often each row has stood before. (n,)"""
    n = len(rows)
    # By row, then by place: whole numbers without equals, which numpy sorts fastest.
    ordered, places = numpy.divmod(numpy.sort(rows * n + numpy.arange(n)), max(1, n))
    counts = numpy.bincount(ordered)
    ranks = numpy.empty_like(rows)
    ranks[places] = numpy.arange(n) - (counts.cumsum() - counts)[ordered]
    return ranks
