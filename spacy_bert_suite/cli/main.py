"""All commands; no command imports this module."""

from . import (
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
COMMANDS = (
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
)  # each adds its commands to the group when it is imported
