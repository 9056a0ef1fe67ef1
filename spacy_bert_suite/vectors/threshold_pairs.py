"""All pairs of vectors whose cosine reaches a threshold, block by block, exactly.

A product in bfloat16 is several times faster where the chip has it. It is used to rule out: a pair
that comes near the threshold is computed again in float32. With vectors of length one the error is
bounded: 2 * 2^-8 for the rounding of both, 2^-8 for that of the result.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy
import torch

from ..core.device import has_fast_bf16
from ..core.forks import one_thread_in_forks
from .norms import lengths

BLOCK_SIZE = 1024  # vectors; their products fit a cache
N_PANEL = 8  # blocks that stay in memory while all others pass by
ROUNDING = 3.1 / 256
MOST_SINGLE = BLOCK_SIZE * BLOCK_SIZE // 64  # above it, the whole product is computed again
Pairs = tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]  # scores float32, i and j int64


@dataclass
class Block:
    """Rows of a matrix at length one."""

    start: int
    vectors: torch.Tensor  # (n_rows, width) float32
    coarse: torch.Tensor  # the same in the type of the first product


def pairs_above(
    vectors: numpy.ndarray, threshold: Callable[[], float], device: str = "cpu"
) -> Iterator[Pairs]:
    """Compare every vector with every other one. Vectors of length zero are left out.

    vectors (ndarray): (n, width), finite; may be memory-mapped.
    threshold (Callable[[], float]): The least cosine, asked anew for every block.
    device (str): Where torch multiplies.
    YIELDS (Pairs): Cosines, at most 1, and rows i < j; each pair once, in no certain order.
    """
    norms = lengths(vectors)
    one_thread_in_forks()
    place = torch.device(device)
    dtype = torch.bfloat16 if has_fast_bf16(place) else torch.float32

    def load(start: int) -> Block:
        part = slice(start, start + BLOCK_SIZE)
        scale = numpy.where(norms[part] == 0, 1, norms[part])[:, None]
        unit = torch.from_numpy((vectors[part] / scale).astype("float32")).to(place)
        return Block(start, unit, unit.to(dtype))

    starts = range(0, len(vectors), BLOCK_SIZE)
    for k in range(0, len(starts), N_PANEL):
        panel = [load(start) for start in starts[k : k + N_PANEL]]
        for other in map(load, starts[k:]):
            for block in panel:
                if block.start <= other.start:
                    scores, i, j = _compare(block, other, threshold())
                    if len(scores):
                        yield _without_zeros(scores, i, j, norms)


def _compare(first: Block, second: Block, threshold: float) -> Pairs:
    if first.coarse.dtype == torch.float32:
        return _compare_all(first, second, threshold)
    cosines = first.coarse @ second.coarse.T
    rows, columns = _reaching(cosines, threshold - ROUNDING)
    if len(rows) > MOST_SINGLE:
        return _compare_all(first, second, threshold)
    scores = (first.vectors[rows] * second.vectors[columns]).sum(dim=1)
    return _pairs(scores, rows, columns, first, second, threshold)


def _compare_all(first: Block, second: Block, threshold: float) -> Pairs:
    cosines = first.vectors @ second.vectors.T
    rows, columns = _reaching(cosines, threshold)
    return _pairs(cosines[rows, columns], rows, columns, first, second, threshold)


def _reaching(cosines: torch.Tensor, threshold: float) -> tuple[torch.Tensor, torch.Tensor]:
    """RETURNS (tuple[Tensor, Tensor]): Rows and columns; most rows have none, and a maximum is
    cheaper than a comparison of all.
    """
    rows = (cosines.amax(dim=1) >= threshold).nonzero().squeeze(1)
    found = (cosines[rows] >= threshold).nonzero()
    return rows[found[:, 0]], found[:, 1]


def _pairs(
    scores: torch.Tensor,
    rows: torch.Tensor,
    columns: torch.Tensor,
    first: Block,
    second: Block,
    threshold: float,
) -> Pairs:
    i, j = rows + first.start, columns + second.start
    kept = (scores >= threshold) & (i < j)
    return (
        scores[kept].clamp(-1, 1).cpu().numpy(),
        i[kept].cpu().numpy(),
        j[kept].cpu().numpy(),
    )


def _without_zeros(
    scores: numpy.ndarray, i: numpy.ndarray, j: numpy.ndarray, norms: numpy.ndarray
) -> Pairs:
    kept = (norms[i] > 0) & (norms[j] > 0)
    return scores[kept], i[kept], j[kept]


def concatenate(parts: list[Pairs]) -> Pairs:
    """RETURNS (Pairs): All in one."""
    if not parts:
        return numpy.zeros(0, "float32"), numpy.zeros(0, "int64"), numpy.zeros(0, "int64")
    scores, i, j = (numpy.concatenate(column) for column in zip(*parts))
    return scores, i, j
