"""EncoderSettings: the part of the backbone's config that the torch module needs."""

from dataclasses import dataclass

from .adapters import LoRA

LAYERS = ("last", "last4_concat", "last4_sum", "scalar_mix")


@dataclass(frozen=True)
class EncoderSettings:
    """The part of the backbone's config that concerns the torch module."""

    max_batch_pieces: int
    precision: str
    device: str
    layers: str
    activation_checkpointing: bool
    freeze_layers: int
    layerwise_lr_decay: float
    lr_scale: float = 1.0
    adapter: LoRA | None = None
