"""The metadata of a segment by field, so that a condition is tested once per distinct value."""

from dataclasses import dataclass
from typing import Any

import numpy

from ..filters import Scalar, fits
from .segment import Segment

Key = tuple[bool, Scalar]  # True and 1 are equal and have one hash, but they are not the same


@dataclass(frozen=True)
class Column:
    """One field.

    values (list[Scalar]): What occurs, each once.
    rows (ndarray): Rows sorted by the value that they have; a row whose value is a list stands
        here once for each of its values. int64
    starts (ndarray): Where the rows of each value begin, and the end of the last.
    """

    values: list[Scalar]
    rows: numpy.ndarray
    starts: numpy.ndarray

    def rows_that_fit(self, condition: Any) -> numpy.ndarray:
        parts = [
            self.rows[self.starts[i] : self.starts[i + 1]]
            for i, value in enumerate(self.values)
            if fits(value, condition)
        ]
        return numpy.concatenate(parts) if parts else self.rows[:0]


def read_columns(segment: Segment) -> dict[str, Column]:
    """RETURNS (dict[str, Column]): All metadata of a segment; a row without a field has None."""
    places: dict[str, tuple[list[int], list[int], dict[Key, int]]] = {}
    for row in range(segment.n_rows):
        for field, value in segment.record(row).metadata.items():
            rows, codes, numbers = places.setdefault(field, ([], [], {}))
            for single in value if isinstance(value, list) else [value]:
                key = (isinstance(single, bool), single)
                rows.append(row)
                codes.append(numbers.setdefault(key, len(numbers)))
    return {field: _column(segment.n_rows, *columns) for field, columns in places.items()}


def _column(n_rows: int, rows: list[int], codes: list[int], numbers: dict[Key, int]) -> Column:
    absent = numpy.setdiff1d(numpy.arange(n_rows), rows)
    none = numbers.setdefault((False, None), len(numbers))
    all_rows = numpy.concatenate([numpy.array(rows, dtype="int64"), absent])
    all_codes = numpy.concatenate([numpy.array(codes, dtype="int64"), absent * 0 + none])
    order = numpy.argsort(all_codes, kind="stable")
    starts = numpy.searchsorted(all_codes[order], numpy.arange(len(numbers) + 1))
    return Column([value for _, value in numbers], all_rows[order], starts)


def select(columns: dict[str, Column], n_rows: int, where: dict[str, Any]) -> numpy.ndarray:
    """RETURNS (ndarray): Which rows fulfil all conditions, bool."""
    selected = numpy.ones(n_rows, dtype=bool)
    for field, condition in where.items():
        fitting = numpy.zeros(n_rows, dtype=bool)
        if field in columns:
            fitting[columns[field].rows_that_fit(condition)] = True
        else:
            fitting[:] = fits(None, condition)
        selected &= fitting
    return selected
