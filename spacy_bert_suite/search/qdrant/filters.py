"""Conditions on metadata in the form of a Qdrant server."""

import re
from collections.abc import Mapping
from typing import Any

from ...errors import CodedValueError, Errors
from .client import import_models

DATE = re.compile(r"\d{4}-\d\d-\d\d")


def to_filter(where: dict[str, Any]):
    """RETURNS (Filter | None): Conditions on metadata in the server's form.
    RAISES (ValueError): If the server has none for them.
    """
    if not where:
        return None
    return import_models().Filter(must=[_checked(field, c) for field, c in where.items()])


def _checked(field: str, condition: Any):
    try:
        if not field or '"' in field or not is_unicode(field, condition):
            raise ValueError(field)
        return _condition(f'metadata."{field}"', condition)
    except ValueError as error:  # also those of pydantic
        raise CodedValueError(Errors.B135.format(condition={field: condition})) from error


def _condition(key: str, condition: Any):
    models = import_models()
    if isinstance(condition, Mapping):
        dates = [limit for limit in condition.values() if isinstance(limit, str)]
        if not all(map(DATE.match, dates)):  # "2020" would be a number of seconds
            raise ValueError(dates)
        range_ = models.DatetimeRange if dates else models.Range
        return models.FieldCondition(key=key, range=range_(**condition))
    values = condition if isinstance(condition, list) else [condition]
    return models.Filter(should=[_equals(key, value) for value in values] or [_never()])


def _equals(key: str, value: Any):
    models = import_models()
    if value is None:
        return models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
    if isinstance(value, (bool, str)):
        return models.FieldCondition(key=key, match=models.MatchValue(value=value))
    return models.FieldCondition(key=key, range=models.Range(gte=value, lte=value))


def is_unicode(*values: Any) -> bool:
    """RETURNS (bool): Whether no string in them has half a character, which no server reads."""
    for value in values:
        if isinstance(value, Mapping):
            value = [*value, *value.values()]
        if isinstance(value, list) and not is_unicode(*value):
            return False
        if isinstance(value, str) and value.encode("utf8", "ignore").decode() != value:
            return False
    return True


def any_of(key: str, values: list[str]):
    models = import_models()
    return models.FieldCondition(key=key, match=models.MatchAny(any=values))


def _never():
    return import_models().HasIdCondition(has_id=[])
