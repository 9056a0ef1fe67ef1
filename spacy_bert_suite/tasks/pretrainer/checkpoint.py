"""Reading and writing `BertForPreTraining` folders of transformers."""

import copy
from pathlib import Path
from typing import Any

import torch
from transformers import BertForMaskedLM, BertForPreTraining

from ...backbone.shim import BackboneShim
from ...backbone.weights.loading import (
    EMBEDDED,
    Checkpoint,
    looks_like_path,
    quiet,
    save_folder,
    transformer_folder,
)

PREFIX = "cls."
DECODER = "cls.predictions.decoder."  # tied
PAIRS = "seq_relationship.weight"


def read_heads(name: str, module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Look for heads in the source of the backbone.

    name (str): "embedded", a folder, or the id of a model that is in the local cache.
    module (Module): The heads, for the names and shapes of their parameters.
    RETURNS (dict[str, Tensor]): What the checkpoint has of them, by name. None of it if it has no
        such heads.
    """
    if name == EMBEDDED:
        return {}
    source: str | Path = name
    if looks_like_path(name):
        source = Path(name).expanduser()
        if not source.is_dir():  # a pipeline that has moved: its weights came with it
            return {}
        source = transformer_folder(source)
    options: Any = {"local_files_only": True, "trust_remote_code": False}
    with quiet():
        try:
            model, report = BertForPreTraining.from_pretrained(
                source, output_loading_info=True, torch_dtype=torch.float32, **options
            )
        except OSError:
            return {}
    missing = {key.removeprefix(PREFIX) for key in report["missing_keys"]}
    state = {key.removeprefix(PREFIX): value for key, value in model.state_dict().items()}
    return {
        key: state[key]
        for key, parameter in module.state_dict().items()
        if key not in missing and key in state and state[key].shape == parameter.shape
    }


def write_folder(
    backbone: BackboneShim, heads: torch.nn.Module, path: Path, has_pairs: bool
) -> None:
    """Write config, weights and tokenizer: a folder for `BertForPreTraining`, or for
    `BertForMaskedLM` if nothing was learnt about pairs.
    """
    source = backbone.to_checkpoint()
    kind: Any = BertForPreTraining if has_pairs else BertForMaskedLM
    model = kind(copy.deepcopy(source.encoder.config))
    names = model.state_dict().keys()
    state = {f"bert.{key}": value for key, value in source.encoder.state_dict().items()}
    state.update({PREFIX + key: value for key, value in heads.state_dict().items()})
    state[DECODER + "weight"] = source.encoder.get_input_embeddings().weight
    state[DECODER + "bias"] = state[PREFIX + "predictions.bias"]
    model.load_state_dict({key: value for key, value in state.items() if key in names})
    model.tie_weights()
    save_folder(Checkpoint(model, source.tokenizer), path)


def looks_like_checkpoint(name: str) -> bool:
    """RETURNS (bool): Whether it is a folder of weights, and not of a spaCy pipeline."""
    path = Path(name).expanduser()
    return (path / "config.json").is_file() and not (path / "config.cfg").is_file()
