"""Callbacks of `spacy train`."""

from ...core.lazy import lazy_names

PUBLIC = {"make_gradual_unfreezing": "unfreezing"}
__all__ = [*PUBLIC]
__getattr__, __dir__ = lazy_names(__name__, PUBLIC)
