"""Many inputs through a model, a batch at a time: sorted by size, results in the inputs' order."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy

Item = TypeVar("Item")
Result = TypeVar("Result")


def batches_by_size(
    sizes: Sequence[int], *, at_once: int | None = None, budget: int | None = None
) -> Iterator[list[int]]:
    """Cut items into batches of about one size. The largest come first: what does not fit into
    memory fails at once.

    sizes (Sequence[int]): Of the items, in any unit.
    at_once (int | None): Most items in a batch; None for any number.
    budget (int | None): Most size of a batch in all, unless it is of a single item; None for any.
    YIELDS (list[int]): Places of the items of a batch. Equal ones stay in their order.
    """
    batch: list[int] = []
    total = 0
    for place in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        is_full = at_once is not None and len(batch) >= at_once
        is_heavy = budget is not None and total + sizes[place] > budget
        if batch and (is_full or is_heavy):
            yield batch
            batch, total = [], 0
        batch.append(place)
        total += sizes[place]
    if batch:
        yield batch


def run_in_batches(
    run: Callable[[list[Item]], Sequence[Result]],
    items: Sequence[Item],
    size: Callable[[Item], int],
    *,
    at_once: int | None = None,
    budget: int | None = None,
) -> list[Result]:
    """Run a function on many items; see `batches_by_size`.

    run (Callable): Takes a batch and gives a result for each item.
    size (Callable): Of an item.
    RETURNS (list): The results, in the order of the items.
    """
    results: list[Any] = [None] * len(items)
    sizes = [size(item) for item in items]
    for batch in batches_by_size(sizes, at_once=at_once, budget=budget):
        found = run([items[place] for place in batch])
        for place, result in zip(batch, found, strict=True):
            results[place] = result
    return results


def rows_in_batches(
    run: Callable[[list[Item]], numpy.ndarray],
    items: Sequence[Item],
    size: Callable[[Item], int],
    *,
    width: int,
    at_once: int | None = None,
    budget: int | None = None,
) -> numpy.ndarray:
    """As `run_in_batches`, with a row of an array for each item: of many items there is only ever
    one copy of the rows.

    run (Callable): Takes a batch and gives its rows, (n_items, width).
    RETURNS (ndarray): *Shape:* ``(n_items, width)``, float32
    """
    rows = numpy.zeros((len(items), width), dtype="float32")
    sizes = [size(item) for item in items]
    for batch in batches_by_size(sizes, at_once=at_once, budget=budget):
        rows[batch] = run([items[place] for place in batch])
    return rows
