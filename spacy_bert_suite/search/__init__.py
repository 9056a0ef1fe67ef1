"""Semantic search over Docs, sentences or plain texts."""

from .index import SemanticIndex
from .records import Hit

__all__ = ["Hit", "SemanticIndex"]
