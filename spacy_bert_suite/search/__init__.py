"""Semantic search over Docs, sentences or plain texts."""

from .index import SemanticIndex
from .record import Hit

__all__ = ["Hit", "SemanticIndex"]
