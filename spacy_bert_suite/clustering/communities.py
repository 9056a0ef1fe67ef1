"""Community detection: groups of items around one that has many near neighbours."""

import numpy

from ..core.validation import check
from ..vectors.threshold_pairs import Pairs, concatenate, pairs_above

MOST_PAIRS = 50_000_000  # about 3 GB while they are sorted


def find_communities(
    vectors: numpy.ndarray, threshold: float, min_size: int, device: str = "cpu"
) -> numpy.ndarray:
    """Let every item with enough neighbours gather them; the largest group is taken first, and
    what it took is lost to the others (as `community_detection` of sentence-transformers does).

    vectors (ndarray): (n, width), none of length zero.
    RETURNS (ndarray): Labels, -1 for items of no community. (n,)
    RAISES (ValueError): If the threshold lets too many pairs pass.
    """
    n = len(vectors)
    rows, starts = _neighbours(_pairs(vectors, threshold, device), n)
    counts = numpy.diff(starts)
    labels = numpy.full(n, -1, dtype="int64")
    n_found = 0
    for centre in numpy.argsort(-counts, kind="stable"):
        if counts[centre] < min_size:
            break
        members = rows[starts[centre] : starts[centre + 1]]
        members = members[labels[members] < 0]
        if len(members) >= min_size:
            labels[members] = n_found
            n_found += 1
    return labels


def _pairs(vectors: numpy.ndarray, threshold: float, device: str) -> Pairs:
    parts: list[Pairs] = []
    n_pairs = 0
    for pairs in pairs_above(vectors, lambda: threshold, device):
        parts.append(pairs)
        n_pairs += len(pairs[0])
        if n_pairs > MOST_PAIRS:
            check("threshold", threshold, False, f"higher: more than {MOST_PAIRS} pairs reach it")
    return concatenate(parts)


def _neighbours(pairs: Pairs, n: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (tuple[ndarray, ndarray]): The neighbours of all rows, each among its own, and where
    those of a row begin. (n_neighbours,), (n + 1,)
    """
    _, i, j = pairs
    own = numpy.arange(n)
    order = numpy.argsort(numpy.concatenate([own, i, j]), kind="stable")
    counts = 1 + numpy.bincount(i, minlength=n) + numpy.bincount(j, minlength=n)
    return numpy.concatenate([own, j, i])[order], numpy.concatenate([[0], counts.cumsum()])
