"""What depends on the size of the weights and of the machine."""

from collections.abc import Mapping
from typing import Any

from ...backbone.weights.shape import Shape
from .task import Rate

SIZES = ("small", "base", "large")  # of weights: as MiniLM, BERT-base and BERT-large
MACHINES = ("small", "large")
NARROW, WIDE = 512, 1024  # widths: up to which weights are small, from which large
WINDOW, STRIDE = 256, 192
HINTS = {"large": "large", "mini": "small", "small": "small", "tiny": "small"}

# Several heads on one backbone, each with a share of the updates: they learn faster than it.
SEVERAL = {"small": Rate(1e-3, 0.2), "base": Rate(5e-4, 0.1), "large": Rate(2e-4, 0.1)}

# Settings of the model that all tasks share, and of training, by the size of the weights. A small
# machine holds fewer activations at a time, for the same updates.
LARGE_MODEL: dict[str, Any] = {"layerwise_lr_decay": 0.95}
MODEL: Mapping[str, Mapping[str, dict[str, Any]]] = {
    "small": {
        "small": {},
        "base": {"max_batch_pieces": 2048},
        "large": {"max_batch_pieces": 2048, "activation_checkpointing": True, **LARGE_MODEL},
    },
    "large": {"small": {}, "base": {}, "large": LARGE_MODEL},
}
PARTS = {
    "small": {"small": 1, "base": 2, "large": 4},
    "large": {"small": 1, "base": 1, "large": 2},
}  # of a batch: `accumulate_gradient`


def size_of(name: str, shape: Shape | None) -> str:
    """Sort weights by what rate suits them.

    name (str): "embedded", a folder, or a hub id.
    shape (Shape | None): What is known of them; else the name of a hub id has to tell.
    RETURNS (str): small, base or large.
    """
    if shape is None:
        words = name.lower().replace("/", "-").replace("_", "-").split("-")
        return next((size for hint, size in HINTS.items() if hint in words), "base")
    if shape.width <= NARROW:
        return "small"
    return "large" if shape.width >= WIDE else "base"


def window_of(wanted: tuple[int, int] | None, shape: Shape | None) -> tuple[int, int]:
    """RETURNS (tuple[int, int]): Window and stride, within what the weights have positions for."""
    window, stride = wanted or (WINDOW, STRIDE)
    longest = shape.longest if shape else None
    return (longest, longest * 3 // 4) if longest and longest < window else (window, stride)
