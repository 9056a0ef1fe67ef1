"""What losses share where several processes train together, each on its part of a batch.

A loss is a mean over what a component finds in the batch: words, docs, pairs. Each process gives
its part of the mean over the whole batch, so that the gradients of all, added up, are those of one
process with the whole batch. In a single process all of this changes nothing.

Every process calls these functions in the same order, also one whose part has nothing to learn
from: the others would wait for it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.distributed as dist


class GatheredRows(NamedTuple):
    """rows (Tensor): Of all processes, in their order. Gradients go to those of this process.
    values (list[list]): What belongs to the rows, in the same order.
    share (float): Factor on a loss that each process computes as a whole from all rows.
    """

    rows: torch.Tensor
    values: list[list]
    share: float


def in_group() -> bool:
    """RETURNS (bool): Whether this process trains together with others."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def totals_of(*counts: int) -> list[int]:
    """RETURNS (list[int]): The counts of all processes, added up."""
    if not in_group():
        return list(counts)
    totals = torch.tensor(counts, dtype=torch.int64)
    dist.all_reduce(totals)
    return totals.tolist()


def part_of_mean(mean: torch.Tensor, n: int) -> torch.Tensor:
    """RETURNS (Tensor): Part of the mean of all processes, from this one's mean over n items."""
    (total,) = totals_of(n)
    return mean * (n / max(1, total))


def gather(rows: torch.Tensor, values: Sequence[list]) -> GatheredRows:
    """For losses that compare all examples of a batch with one another.

    rows (Tensor): *Shape:* ``(n, width)``; of a process without any the width does not matter.
    values (Sequence[list]): Plain values that belong to the rows.
    """
    if not in_group():
        return GatheredRows(rows, list(values), 1.0)
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, (tuple(rows.shape), list(values)))
    shapes = [shape for shape, _ in found]
    everything = _Gather.apply(rows, shapes)
    joined: list[list] = [sum(parts, []) for parts in zip(*(values for _, values in found))]
    return GatheredRows(everything, joined, 1 / max(1, count_parts(shapes)))


def count_parts(shapes: Sequence[tuple[int, ...]]) -> int:
    """RETURNS (int): Processes that have any rows."""
    return sum(shape[0] > 0 for shape in shapes)


class _Gather(torch.autograd.Function):
    """Each process that has rows computes the whole loss and takes 1 / n_parts of it; the rows of
    this process enter into all of these, so their gradient is n_parts times what comes back.
    """

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, shapes: list[tuple[int, ...]]) -> torch.Tensor:
        rank = dist.get_rank()
        width = max(shape[1] for shape in shapes)
        padded = rows.new_zeros(max(shape[0] for shape in shapes), width)
        if len(rows):
            padded[: len(rows)] = rows
        received = [torch.empty_like(padded) for _ in shapes]
        dist.all_gather(received, padded)
        n_before = sum(shape[0] for shape in shapes[:rank])
        ctx.part = slice(n_before, n_before + len(rows))
        ctx.n_parts = count_parts(shapes)
        return torch.cat([part[: shape[0]] for part, shape in zip(received, shapes)])

    @staticmethod
    def backward(ctx: Any, dRows: torch.Tensor) -> tuple[torch.Tensor, None]:  # type: ignore[override]
        return dRows[ctx.part] * ctx.n_parts, None
