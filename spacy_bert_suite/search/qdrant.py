"""What a server of Qdrant understands: the only module that imports `qdrant_client`."""

from collections.abc import Mapping
from typing import Any, Dict, List, Tuple

from ..errors import Errors


def to_filter(where: Dict[str, Any]):
    """RETURNS (Optional[Filter]): Conditions on metadata in the server's form."""
    if not where:
        return None
    models = import_models()
    return models.Filter(must=[_condition(f'metadata."{f}"', c) for f, c in where.items()])


def _condition(key: str, condition: Any):
    models = import_models()
    if isinstance(condition, Mapping):
        strings = any(isinstance(limit, str) for limit in condition.values())
        range_ = models.DatetimeRange if strings else models.Range
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


def any_of(key: str, values: List[str]):
    models = import_models()
    return models.FieldCondition(key=key, match=models.MatchAny(any=values))


def _never():
    return import_models().HasIdCondition(has_id=[])


def import_models():
    return _import()[0]


def import_client() -> Tuple[Any, Any]:
    client, unreachable = _import()[1:]
    return client, unreachable


def _import() -> Tuple[Any, Any, Any]:
    try:
        from qdrant_client import QdrantClient, models
        from qdrant_client.http.exceptions import ApiException
    except ImportError as error:
        message = Errors.B122.format(library="qdrant-client", what="An index on a server")
        raise ImportError(message) from error
    return models, QdrantClient, ApiException
