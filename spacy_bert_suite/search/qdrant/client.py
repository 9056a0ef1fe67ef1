"""The import of `qdrant_client`, here and nowhere else."""

from typing import Any

from ...errors import CodedImportError, Errors


def import_models():
    return _import()[0]


def import_client() -> tuple[Any, Any]:
    client, unreachable = _import()[1:]
    return client, unreachable


def _import() -> tuple[Any, Any, Any]:
    try:
        from qdrant_client import QdrantClient, models
        from qdrant_client.http.exceptions import ApiException
    except ImportError as error:
        message = Errors.B122.format(library="qdrant-client", what="An index on a server")
        raise CodedImportError(message) from error
    return models, QdrantClient, ApiException
