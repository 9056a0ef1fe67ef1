"""BERT for spaCy: one backbone, many heads. Everything is registered by entry points."""

from .compat import patch_transformers

__version__ = "0.1.0"

patch_transformers()
