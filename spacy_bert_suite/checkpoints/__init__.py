"""Fine-tuned Hugging Face folders to pipelines, and components to Hugging Face folders."""

from .exporting import export_checkpoint
from .importing import import_checkpoint

__all__ = ["export_checkpoint", "import_checkpoint"]
