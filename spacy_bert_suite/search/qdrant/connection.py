"""Collections of a Qdrant server by their addresses: http://HOST:PORT/COLLECTION."""

from typing import Any
from urllib.parse import urlsplit

from ...errors import CodedValueError, Errors
from ..bm25 import Tokenize
from .backend import ServerBackend
from .client import import_client

SCHEMES = ("http://", "https://")


def is_url(path: Any) -> bool:
    """RETURNS (bool): Whether it is the address of a collection on a server, and no folder."""
    return str(path).startswith(SCHEMES)


def new_on_server(url: str, tokenize: Tokenize, **options: Any) -> ServerBackend:
    """RETURNS (ServerBackend): A collection that is made by the first `add`.
    RAISES (ValueError): If it is there already.
    """
    backend = open_url(url, tokenize, **options)
    if not backend.is_new:
        raise CodedValueError(Errors.B106.format(url=url))
    return backend


def open_url(url: str, tokenize: Tokenize, **options: Any) -> ServerBackend:
    """Open a collection on a server.

    url (str): http://HOST:PORT/COLLECTION
    tokenize (Callable[[str], list[str]]): Words of a text, for BM25.
    **options: Of `ServerBackend`, for a collection that is made.
    RETURNS (ServerBackend): The collection.
    RAISES (ValueError): If the address names no collection, the server does not answer, or the
        collection was made otherwise.
    """
    parts = urlsplit(url)
    collection = parts.path.strip("/")
    if not collection or "/" in collection:
        expected = "of the form http://HOST:PORT/COLLECTION"
        raise CodedValueError(Errors.B121.format(key="The address", value=url, expected=expected))
    client_class, unreachable = import_client()
    client = client_class(url=f"{parts.scheme}://{parts.netloc}", check_compatibility=False)
    try:
        return ServerBackend(client, collection, tokenize, **options)
    except unreachable as error:
        raise CodedValueError(Errors.B128.format(url=url, reason=error)) from error
