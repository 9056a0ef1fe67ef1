"""A Qdrant server as the store of an index: the only files that know `qdrant_client`."""

from ...core.lazy import lazy_names

PUBLIC = {"ServerBackend": "backend"}
__all__ = [*PUBLIC]
__getattr__, __dir__ = lazy_names(__name__, PUBLIC)
