"""Comparison of a checkpoint with the backbones of a pipeline: weights, settings, tokenizer."""

import json
from typing import Any

import torch
from spacy.language import Language
from transformers import PretrainedConfig

from ..backbone.component import Bert
from ..backbone.weights.loading import Checkpoint
from ..core.device import resolve_device, resolve_precision
from ..core.torch_shim import get_shim
from .plan import Plan

NOT_IN_TEXTS = ("truncation", "padding")  # of a tokenizer: windows are made without


def find_same(
    nlp: Language, checkpoint: Checkpoint, plan: Plan, wanted: dict[str, Any]
) -> str | None:
    """Find a backbone that gives the very same states.

    wanted (Dict): Settings of the new backbone: window, precision and device.
    RETURNS (str | None): The component; None if there is none.
    """
    for name, pipe in nlp.components:
        if isinstance(pipe, Bert):
            pipe.flush_pending_step()
            backbone = get_shim(pipe.model)
            if (
                backbone.module is not None
                and runs_alike(backbone, wanted)
                and (not plan.sources or backbone.name in plan.sources)
                and are_same(backbone, checkpoint, plan.by_pooler)
            ):
                return name
    return None


def runs_alike(backbone: Any, wanted: dict[str, Any]) -> bool:
    device = resolve_device(wanted["device"])
    precision = resolve_precision(wanted["precision"], device)
    module = backbone.module
    return (
        backbone.window == wanted["window"]
        and backbone.settings.layers == "last"
        and (module.device, module.dtype) == (device, precision)
    )


def are_same(backbone: Any, checkpoint: Checkpoint, with_pooler: bool) -> bool:
    """RETURNS (bool): Whether weights, what is computed with them, and the tokenizer are equal."""
    own, other = backbone.module.transformer, checkpoint.encoder
    if settings_of(own.config) != settings_of(other.config):
        return False
    states = [tensors_of(encoder, with_pooler) for encoder in (own, other)]
    return (
        states[0].keys() == states[1].keys()
        and all(torch.equal(value.cpu(), states[1][key]) for key, value in states[0].items())
        and pieces_of(backbone.tokenizer) == pieces_of(checkpoint.tokenizer)
    )


def settings_of(config: PretrainedConfig) -> dict[str, Any]:
    """RETURNS (Dict): What the class of a config adds to that of all models, but for what only
    concerns training: attention heads, activations and so on. Names of labels are not of it.
    """
    common = PretrainedConfig().to_dict()
    own = type(config)().to_dict()
    return {
        "model_type": config.model_type,
        **{
            key: getattr(config, key, None)
            for key in own
            if key not in common and "dropout" not in key and key != "use_cache"
        },
    }


def tensors_of(encoder: torch.nn.Module, with_pooler: bool) -> dict[str, torch.Tensor]:
    state = encoder.state_dict()
    return {key: value for key, value in state.items() if with_pooler or "pooler" not in key}


def pieces_of(tokenizer: Any) -> dict[str, Any]:
    """RETURNS (Dict): How texts become wordpieces."""
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    return {key: value for key, value in content.items() if key not in NOT_IN_TEXTS}
