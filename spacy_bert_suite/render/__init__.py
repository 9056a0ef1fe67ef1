"""Annotated docs for people: an HTML page, a table for the console, a heat map."""

from ..core.lazy import lazy_names

PUBLIC = {"render_page": "html", "similarity_svg": "heatmap", "table": "console"}
__all__ = [*PUBLIC]
__getattr__, __dir__ = lazy_names(__name__, PUBLIC)
