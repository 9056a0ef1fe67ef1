"""All commands; no command imports this module."""

from . import (  # noqa: F401  (each adds its commands to the group)
    annotate,
    checkpoints,
    compare,
    convert,
    evaluate,
    init_backbone,
    init_config,
    pretrain,
    qa,
    search,
    summarizer,
    train,
)
from .group import cli

__all__ = ["cli"]
