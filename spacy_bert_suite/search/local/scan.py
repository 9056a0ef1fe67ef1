"""Exact search in segments: a scan of the memory-mapped matrix, with rescoring for int8."""

from collections.abc import Iterator, Sequence

import numpy
import torch

from ...core.forks import one_thread_in_forks
from ...vectors.knn import nearest
from .segment import Segment

OVERSAMPLING = 4  # candidates of int8 codes for each result that is wanted
CHUNK = 1 << 13  # rows gathered, or made float32, at a time
MOST_VALUES = 1 << 24  # of vectors, rescored at a time: 64 MiB

Found = tuple[numpy.ndarray, numpy.ndarray]  # scores and keys or rows, (n_queries, n_found)


def scan(queries: numpy.ndarray, segment: Segment, k: int, selected: numpy.ndarray | None) -> Found:
    """Find the nearest rows of a segment.

    queries (ndarray): (n_queries, width) float32.
    k (int): Rows for each.
    selected (ndarray | None): Which rows count, bool; None for all.
    RETURNS (tuple[ndarray, ndarray]): Cosines, high to low, and rows. (n_queries, at most k)
    """
    one_thread_in_forks()
    if segment.codes is None or segment.scales is None:
        return _scan(queries, segment.vectors, k, selected)
    n_candidates = min(segment.n_rows, k * OVERSAMPLING + 16)
    _, rows = _scan(queries * segment.scales, segment.codes, n_candidates, selected)
    scores = rescore(queries, segment, rows)
    return best(scores, rows, k)


def _scan(
    queries: numpy.ndarray, vectors: numpy.ndarray, k: int, selected: numpy.ndarray | None
) -> Found:
    everything = selected is None or bool(selected.all())
    if everything and vectors.dtype == numpy.float32:
        return nearest(queries, vectors, k)
    rows = None if selected is None or everything else numpy.flatnonzero(selected)
    found = nothing(len(queries))
    for start in range(0, len(vectors) if rows is None else len(rows), CHUNK):
        if rows is None:
            chunk: numpy.ndarray = numpy.arange(start, min(start + CHUNK, len(vectors)))
            part = vectors[start : start + CHUNK]
        else:
            chunk = rows[start : start + CHUNK]
            part = vectors[chunk]
        scores, places = nearest(queries, to_float(part), k)
        found = merge([found, (scores, chunk[places])], k)
    return found


def to_float(vectors: numpy.ndarray) -> numpy.ndarray:
    """By torch, which is several times as fast as numpy with halves."""
    return torch.from_numpy(vectors).to(torch.float32).numpy()


def rescore(queries: numpy.ndarray, segment: Segment, rows: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (ndarray): Cosines of every query with its rows. (n_queries, n_found) float32"""
    scores = numpy.zeros(rows.shape, dtype="float32")
    for part in _parts(rows.shape, max(1, MOST_VALUES // queries.shape[1])):
        vectors = segment.vectors[rows[part]].astype("float32")
        scores[part] = numpy.einsum("qw,qfw->qf", queries[part[0]], vectors)
    return scores


def _parts(shape: tuple[int, ...], size: int) -> Iterator[tuple[slice, slice]]:
    """YIELDS (tuple[slice, slice]): Where a table is cut into parts of at most so many cells:
    between its rows and, where a single one has more, in them.
    """
    n_columns = max(1, min(size, shape[1]))
    n_rows = size // n_columns
    for row in range(0, shape[0], n_rows):
        for column in range(0, shape[1], n_columns):
            yield slice(row, row + n_rows), slice(column, column + n_columns)


def nothing(n_queries: int) -> Found:
    return numpy.zeros((n_queries, 0), dtype="float32"), numpy.zeros((n_queries, 0), dtype="int64")


def merge(parts: Sequence[Found], k: int) -> Found:
    """Join results of several places; equal scores in the order of the keys."""
    scores = numpy.concatenate([scores for scores, _ in parts], axis=1)
    keys = numpy.concatenate([keys for _, keys in parts], axis=1)
    return best(scores, keys, k)


def best(scores: numpy.ndarray, keys: numpy.ndarray, k: int) -> Found:
    order = numpy.lexsort((keys, -scores), axis=1)[:, :k]
    return numpy.take_along_axis(scores, order, 1), numpy.take_along_axis(keys, order, 1)
