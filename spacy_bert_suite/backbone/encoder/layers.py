"""Layers of an encoder: which weights they hold, which of them learn or keep activations."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel

from ...errors import CodedValueError, Errors
from .adapters import is_adapter


def layer_of(name: str) -> int | None:
    """RETURNS (int | None): Number of the layer that a parameter belongs to, 0 for the lowest;
    None if it is below them (embeddings) or beside them (the pooler).
    """
    parts = name.split(".")
    return int(parts[parts.index("layer") + 1]) if "layer" in parts else None


def encoder_layers(transformer: PreTrainedModel, key: str) -> torch.nn.ModuleList:
    """RETURNS (ModuleList): The encoder's layers, bottom first; `key` asked for them."""
    for block in ("encoder", "transformer"):
        layers = getattr(getattr(transformer, block, None), "layer", None)
        if isinstance(layers, torch.nn.ModuleList):
            return layers
    architecture = type(transformer).__name__
    raise CodedValueError(Errors.B024.format(key=key, architecture=architecture))


def layers_above(transformer: PreTrainedModel, name: str) -> int:
    """RETURNS (int): How many layers lie above the one that a parameter belongs to."""
    n_layers, layer = len(encoder_layers(transformer, "layerwise_lr_decay")), layer_of(name)
    return n_layers if layer is None else n_layers - 1 - layer


def check_frozen(transformer: PreTrainedModel, n_frozen: int) -> None:
    """RAISES (ValueError): If there are not so many layers."""
    n_layers = len(encoder_layers(transformer, "freeze_layers"))
    if n_frozen > n_layers:
        expected = f"between 0 and {n_layers}, the number of layers"
        message = Errors.B020.format(key="freeze_layers", value=n_frozen, expected=expected)
        raise CodedValueError(message)


def open_layers(
    transformer: PreTrainedModel, n_open: int, n_frozen: int, only_adapters: bool
) -> None:
    """Let the highest layers learn, and no others.

    n_open (int): How many; the embeddings are the lowest of them.
    n_frozen (int): The embeddings and so many of the lowest layers stay closed; 0 for none.
    only_adapters (bool): Of open layers only the adapters learn.
    """
    n_layers = len(encoder_layers(transformer, "gradual unfreezing"))
    lowest = max(n_layers + 1 - n_open, n_frozen + 1 if n_frozen else 0)
    for name, parameter in transformer.named_parameters():
        if not name.startswith("pooler") and (not only_adapters or is_adapter(name)):
            layer = layer_of(name)
            place = 0 if layer is None else layer + 1  # 0: embeddings, what projects them
            parameter.requires_grad_(place >= lowest)


def enable_activation_checkpointing(encoder: Any, contexts: Callable[[], Any]) -> None:
    """Compute activations twice instead of keeping them; transformers 5 has renamed the method.

    contexts (Callable): Gives the context managers of the first and the second computation.
    """
    name = "activation_checkpointing_enable"
    enable = getattr(encoder, name, None) or encoder.gradient_checkpointing_enable
    enable({"use_reentrant": False, "context_fn": contexts})
