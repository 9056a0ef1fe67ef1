"""Fine-tuned Hugging Face folders to pipelines, and components to Hugging Face folders."""

from typing import TYPE_CHECKING

from ..core.lazy import lazy_names

if TYPE_CHECKING:
    from .exporting import export_checkpoint
    from .importing import import_checkpoint

PUBLIC = {"export_checkpoint": "exporting", "import_checkpoint": "importing"}
__all__ = ["export_checkpoint", "import_checkpoint"]
__getattr__, __dir__ = lazy_names(__name__, PUBLIC)
