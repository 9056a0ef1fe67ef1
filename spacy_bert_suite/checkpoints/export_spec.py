"""ExportSpec: a component as a Hugging Face model, and how its folder is written."""

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers

from ..backbone.weights.loading import Checkpoint, save_folder
from ..core.torch_shim import get_shim
from ..errors import CodedValueError, Errors
from .families import Family, find_family
from .source import OURS


@dataclass
class ExportSpec:
    """A Hugging Face model.

    auto (str): Class in transformers that opens it.
    tensors (dict[str, Tensor]): The head, by names in the whole model.
    labels (list[str]): Names of the outputs; none for what has no labels.
    settings (Dict): Further keys of config.json that transformers knows.
    extra (Dict): Those that only this package reads.
    """

    auto: str
    tensors: dict[str, torch.Tensor]
    labels: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


def write_model(spec: ExportSpec, source: Checkpoint, name: str, path: Path) -> None:
    """Write a folder that transformers opens by itself.

    source (Checkpoint): Encoder and tokenizer.
    name (str): The component, for error messages.
    """
    encoder = source.encoder
    config = copy.deepcopy(encoder.config)
    config.update({"problem_type": None, **spec.settings, OURS: spec.extra})
    if spec.labels:
        config.num_labels = len(spec.labels)
        config.id2label = dict(enumerate(spec.labels))
        config.label2id = {label: i for i, label in enumerate(spec.labels)}
    model = _make_model(spec.auto, config)
    prefix = f"{model.base_model_prefix}."
    backbone = {prefix + key: value for key, value in encoder.state_dict().items()}
    state = {**backbone, **spec.tensors}
    state = {key: value.detach().cpu() for key, value in state.items()}
    report = model.load_state_dict(state, strict=False)
    # A pooler that this class has no use for stays behind.
    others = [key for key in report.unexpected_keys if not key.startswith(f"{prefix}pooler.")]
    if report.missing_keys or others:
        reason = f"{spec.auto} has no place for {', '.join([*report.missing_keys, *others])}"
        raise CodedValueError(Errors.B228.format(name=name, reason=reason))
    save_folder(Checkpoint(model, source.tokenizer), path)


def _make_model(auto: str, config: Any) -> Any:
    """The weights are replaced at once: what is drawn for them is put back."""
    state = torch.get_rng_state()
    try:
        return getattr(transformers, auto).from_config(config).eval()
    finally:
        torch.set_rng_state(state)


def names_of(linear: Any, layer: str) -> dict[str, torch.Tensor]:
    """RETURNS (dict[str, Tensor]): The tensors of a linear layer under the name `layer`."""
    return {f"{layer}.weight": linear.weight, f"{layer}.bias": linear.bias}


def refuse(name: str, reason: str, instead: str | None) -> ValueError:
    """RETURNS (ValueError): A component has no exact counterpart in transformers.

    instead (str | None): What config would have one.
    """
    if instead is None:
        return CodedValueError(Errors.B228.format(name=name, reason=reason))
    return CodedValueError(Errors.B229.format(name=name, reason=reason, instead=instead))


def check_pooler(pipe: Any, module: Any, encoder: Any) -> Family:
    """Check that a classifier reads [CLS] behind a dense layer, as those of transformers do.

    RETURNS (Family): That of the encoder.
    RAISES (ValueError): If it does not, or with another activation.
    """
    family = find_family(encoder.config.model_type, pipe.name, encoder.config)
    if module.pooling != "pooler":
        reason = (
            f'pooling = "{module.pooling}", and transformers classifies [CLS] behind a dense layer'
        )
        raise refuse(pipe.name, reason, 'pooling = "pooler"')
    activation = get_shim(pipe.model).cfg["activation"]
    if activation != family.activation:
        reason = f'activation = "{activation}", and {encoder.config.model_type} has another'
        raise refuse(pipe.name, reason, f'activation = "{family.activation}"')
    return family
