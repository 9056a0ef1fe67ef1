"""Semantic search over Docs, sentences or plain texts."""

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .index import SemanticIndex
    from .record import Hit

PUBLIC = {"Hit": "record", "SemanticIndex": "index"}
__all__ = ["Hit", "SemanticIndex"]
__getattr__, __dir__ = lazy_names(__name__, PUBLIC)
