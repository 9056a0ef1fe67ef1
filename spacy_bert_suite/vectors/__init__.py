"""Numbers about Docs, without a model: hooks, neighbours, mining, isotropy."""

from ..core.lazy import lazy_names

PUBLIC = {"install_hooks": "hooks"}
__all__ = [*PUBLIC]
__getattr__, __dir__ = lazy_names(__name__, PUBLIC)
