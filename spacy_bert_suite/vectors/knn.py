"""Exact nearest neighbours by dot product, in chunks of bounded memory."""

from collections.abc import Iterator

import numpy
import torch

from ..core.forks import one_thread_in_forks

CHUNK_SIZE = 512  # queries at a time
MOST_SCORES = 1 << 24  # scores at a time, 64 MiB
GROUPS = (32, 8)  # columns of which only the maximum is looked at first
ROW_MASK = (1 << 32) - 1


def nearest(
    queries: numpy.ndarray,
    vectors: numpy.ndarray,
    k: int,
    *,
    first_row: int | None = None,
    device: str = "cpu",
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Find the k vectors with the highest dot product for every query: the cosine, if all are of
    length one.

    queries (ndarray): (n_queries, width).
    vectors (ndarray): (n_vectors, width), float32 or float16; may be memory-mapped.
    k (int): Neighbours of each query; fewer are found where there are fewer vectors.
    first_row (int | None): The queries are vectors[first_row:first_row + n_queries]; none is
        its own neighbour.
    device (str): Where torch multiplies.
    RETURNS (tuple[ndarray, ndarray]): Scores, float32, from high to low, and rows of `vectors`,
        int64; equal scores in the order of the rows. (n_queries, k) both.
    """
    one_thread_in_forks()
    n_candidates = len(vectors) - (first_row is not None)
    k = max(0, min(k, n_candidates))
    scores = numpy.zeros((len(queries), k), dtype="float32")
    rows = numpy.zeros((len(queries), k), dtype="int64")
    for start in range(0, len(queries) if k else 0, CHUNK_SIZE):
        end = min(start + CHUNK_SIZE, len(queries))
        own_row = None if first_row is None else first_row + start
        chunk = to_tensor(queries[start:end], device)
        keys = _best_keys(chunk, vectors, k, own_row)
        scores[start:end] = _scores_of(keys).cpu().numpy()
        rows[start:end] = _rows_of(keys).cpu().numpy()
    return scores, rows


def _best_keys(
    queries: torch.Tensor, vectors: numpy.ndarray, k: int, own_row: int | None
) -> torch.Tensor:
    best = torch.empty((len(queries), 0), dtype=torch.int64, device=queries.device)
    for start, chunk in _chunks(vectors, len(queries)):
        scores = queries @ to_tensor(chunk, queries.device).T
        if own_row is not None:
            _hide_own(scores, own_row - start)
        scores, columns = _promising(scores, k)
        best = torch.cat([best, _keys(scores, columns + start)], dim=1)
        best = best.topk(min(k, best.shape[1]), dim=1).values
    return best  # (n_queries, k)


def _chunks(vectors: numpy.ndarray, n_queries: int) -> Iterator[tuple[int, numpy.ndarray]]:
    size = max(1, MOST_SCORES // max(1, n_queries))
    for start in range(0, len(vectors), size):
        yield start, vectors[start : start + size]


def _hide_own(scores: torch.Tensor, offset: int) -> None:
    """offset (int): Column of the first query's own vector, if it is in this chunk."""
    queries = torch.arange(len(scores), device=scores.device)
    columns = queries + offset
    inside = (columns >= 0) & (columns < scores.shape[1])
    scores[queries[inside], columns[inside]] = -torch.inf


def _promising(scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Of wide groups of columns, then of narrow ones, keep the k with the highest maximum: the k
    best scores are in these. Much faster than a topk over wide rows.

    RETURNS (tuple[Tensor, Tensor]): Scores and their columns, lower columns first.
    """
    padding = -scores.shape[1] % GROUPS[0]
    if padding:
        scores = torch.nn.functional.pad(scores, (0, padding), value=-torch.inf)
    columns = torch.arange(scores.shape[1], device=scores.device).unsqueeze(0)
    for size in GROUPS:
        if scores.shape[1] > k * size:
            kept = _best_groups(scores, k, size)
            scores = scores.gather(1, kept)
            columns = columns.expand(len(kept), -1).gather(1, kept)
    return scores, columns.expand_as(scores)


def _best_groups(scores: torch.Tensor, k: int, size: int) -> torch.Tensor:
    """RETURNS (Tensor): Columns of the best groups, ascending; of groups that are level, the
    first. (n_queries, k * size)
    """
    maxima = scores.view(len(scores), -1, size).amax(dim=2)
    numbers = torch.arange(maxima.shape[1], device=scores.device)
    keys = _keys(maxima, numbers).topk(k, dim=1, sorted=False).values
    starts = _rows_of(keys).sort(dim=1).values * size
    return (starts.unsqueeze(2) + torch.arange(size, device=scores.device)).flatten(1)


def _keys(scores: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """One whole number for a score and a row, greater where the score is higher, or is equal and
    the row comes first. So no two are equal, and what topk returns is certain.
    """
    bits = (scores + 0.0).view(torch.int32)  # -0.0 becomes 0.0
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    return (ordered.to(torch.int64) << 32) | (ROW_MASK - rows)


def _scores_of(keys: torch.Tensor) -> torch.Tensor:
    ordered = (keys >> 32).to(torch.int32)
    return torch.where(ordered < 0, ordered ^ 0x7FFFFFFF, ordered).view(torch.float32)


def _rows_of(keys: torch.Tensor) -> torch.Tensor:
    return ROW_MASK - (keys & ROW_MASK)


def to_tensor(array: numpy.ndarray, device) -> torch.Tensor:
    """RETURNS (Tensor): The array as float32, copied only where it must be."""
    array = numpy.asarray(array, dtype="float32")
    if not array.flags.writeable or any(step < 0 for step in array.strides):
        array = array.copy()
    return torch.from_numpy(array).to(device)
