"""Conditions on metadata as they are written on the command line: FIELD=VALUE, FIELD>=VALUE."""

import json
import re
from collections.abc import Iterable
from typing import Any

from ..errors import CodedValueError, Errors

COMPARISONS = {">=": "gte", "<=": "lte", ">": "gt", "<": "lt"}
CONDITION = re.compile("(.+?)(>=|<=|=|>|<)(.*)", re.DOTALL)


def parse_where(conditions: Iterable[str]) -> dict[str, Any]:
    """Read FIELD=VALUE and FIELD>=VALUE; a value that is a number is one, but for quotes. Several
    values for one field: any of them.
    """
    where: dict[str, Any] = {}
    for condition in conditions:
        found = CONDITION.fullmatch(condition)
        if not found:
            raise CodedValueError(Errors.B119.format(condition=condition))
        field, sign, text = found.groups()
        given = where.setdefault(field, [] if sign == "=" else {})
        if isinstance(given, list) != (sign == "="):
            raise CodedValueError(Errors.B133.format(field=field))
        if sign == "=":
            given.extend(values_of(text))
        else:
            given[COMPARISONS[sign]] = values_of(text)[0]
    return where


def values_of(text: str) -> list[Any]:
    """What a value on the command line can mean: 1990 is a number or a text, "1990" a text, with
    its quotes or without.
    """
    try:
        value = json.loads(text)
    except ValueError:
        return [text]
    return [value, text] if isinstance(value, (bool, int, float, str)) else [text]
