"""What knows nothing of BERT: validation, text, files, devices, random generators, optimizers."""

from .lazy import lazy_names

PUBLIC = {"clean": "text", "part_of_mean": "collectives"}
__all__ = [*PUBLIC]
__getattr__, __dir__ = lazy_names(__name__, PUBLIC)
