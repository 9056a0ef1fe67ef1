"""Which layer of the encoder a weight belongs to."""

import torch
from transformers import PreTrainedModel

from ...errors import CodedValueError, Errors


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
