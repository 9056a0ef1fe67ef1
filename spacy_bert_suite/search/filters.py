"""Conditions on metadata: equality, membership and ranges."""

from collections.abc import Mapping
from typing import Any

import numpy

from ..errors import CodedValueError, Errors

# {"lang": "en", "topic": ["art", "law"], "year": {"gte": 1990, "lt": 2000}}: all must hold.
Where = Mapping[str, Any]
Scalar = str | int | float | bool | None
SCALARS = (str, int, float, bool, type(None))
COMPARISONS = {
    "gt": lambda value, limit: value > limit,
    "gte": lambda value, limit: value >= limit,
    "lt": lambda value, limit: value < limit,
    "lte": lambda value, limit: value <= limit,
}


def check_where(where: Where) -> dict[str, Any]:
    """Check conditions on metadata.

    where (Mapping[str, Any]): For every field a value that it must equal, a list of values of
        which it must be one, or a range as {"gte": ..., "lt": ...}. If the metadata holds a list,
        one of its values must fit.
    RETURNS (dict[str, Any]): The same; sets and tuples of values as lists.
    RAISES (ValueError): If a condition has another form.
    """
    if not isinstance(where, Mapping):
        raise CodedValueError(Errors.B119.format(condition=where))
    checked = {
        field: plain(list(c) if isinstance(c, (tuple, set, frozenset)) else c)
        for field, c in where.items()
    }
    for field, condition in checked.items():
        if not isinstance(field, str) or not _is_condition(condition):
            raise CodedValueError(Errors.B119.format(condition={field: condition}))
    return checked


def plain(value: Any) -> Any:
    """RETURNS (Any): Numbers, booleans and strings of numpy as those of Python, in a list or dict
    too; all else as it is.
    """
    if isinstance(value, list):
        return [plain(single) for single in value]
    if isinstance(value, Mapping):
        return {name: plain(single) for name, single in value.items()}
    return value.item() if isinstance(value, numpy.generic) else value


def _is_condition(condition: Any) -> bool:
    if isinstance(condition, Mapping):
        return is_range(condition)
    values = condition if isinstance(condition, list) else [condition]
    return all(isinstance(value, SCALARS) for value in values)


def is_range(condition: Any) -> bool:
    return (
        isinstance(condition, Mapping)
        and bool(condition)
        and set(condition) <= set(COMPARISONS)
        and (all(map(_is_number, condition.values())) or _all_strings(condition.values()))
    )


def fits(value: Scalar, condition: Any) -> bool:
    """RETURNS (bool): Whether one value fits one condition. True is not 1, and a string is never
    in a range of numbers.
    """
    if isinstance(condition, Mapping):
        return all(
            _comparable(value, limit) and COMPARISONS[name](value, limit)
            for name, limit in condition.items()
        )
    options: list[Any] = condition if isinstance(condition, list) else [condition]
    return any(isinstance(value, bool) == isinstance(o, bool) and value == o for o in options)


def _comparable(value: Any, limit: Any) -> bool:
    both_numbers = _is_number(value) and _is_number(limit)
    return both_numbers or (isinstance(value, str) and isinstance(limit, str))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _all_strings(values: Any) -> bool:
    return all(isinstance(value, str) for value in values)
