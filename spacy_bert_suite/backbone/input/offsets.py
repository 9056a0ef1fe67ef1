"""Arithmetic of ranges in packed arrays: offsets from lengths, indices from starts and ends."""

from collections.abc import Sequence

import numpy


def ranges(starts: numpy.ndarray, lengths: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (ndarray): starts[0], starts[0] + 1, ... (lengths[0] of them), starts[1], ..."""
    total = int(lengths.sum())
    before = numpy.cumsum(lengths) - lengths
    return numpy.arange(total, dtype="int64") + numpy.repeat(starts - before, lengths)


def offsets_of(lengths: Sequence[int] | numpy.ndarray) -> numpy.ndarray:
    """RETURNS (ndarray): 0, and the running total of the lengths: (n + 1,) int64."""
    return numpy.concatenate([[0], numpy.cumsum(lengths)]).astype("int64")
