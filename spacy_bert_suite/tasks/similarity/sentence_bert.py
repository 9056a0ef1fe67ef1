"""Reading the modules of a Sentence-BERT folder: pooling, dense layers, normalization."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import torch
from transformers.utils import cached_file

from ...backbone.weights.loading import EMBEDDED, embedded_folder, looks_like_path, read_state_dict
from ...errors import CodedFileNotFoundError, CodedValueError, Errors

# Reimers and Gurevych 2019, and Muennighoff 2022 for the weighted mean.
POOLING_MODES = {
    "cls_token": "cls",
    "mean_tokens": "mean",
    "max_tokens": "max",
    "mean_sqrt_len_tokens": "mean_sqrt_len",
    "weightedmean_tokens": "weighted_mean",
}
# Of `pooling_mode`, which newer versions of sentence-transformers write.
SPELLINGS = {
    **POOLING_MODES,
    **{name: name for name in POOLING_MODES.values()},
    "weightedmean": "weighted_mean",
}
ACTIVATIONS = ("Tanh", "Identity", "ReLU", "GELU", "Sigmoid")
TRANSFORMER_CONFIG = "sentence_bert_config.json"
CAPITALS = " ".join(ascii_uppercase + "ÄÉÑØŽΑΒΓАБВ")


@dataclass
class DenseLayer:
    """A linear layer with an activation; its weights, if they were trained."""

    width: int
    bias: bool
    activation: str
    weights: dict[str, torch.Tensor] | None = None


@dataclass
class SentenceModules:
    """pooling (str): Names of pooling modes, joined by "+" where their vectors are.
    lowers (bool): Whether texts are to be in lower case.
    prompt (str): What sentence-transformers puts before every text, if it is not told otherwise.
    """

    pooling: str
    dense: list[DenseLayer] = field(default_factory=list)
    lowers: bool = False
    prompt: str = ""


def read_sentence_modules(name: str, *, download: bool = False) -> SentenceModules | None:
    """Read modules.json of a source, and the configs and weights that it names.

    name (str): "embedded", a folder, or a hub id.
    download (bool): Whether files of a hub id may be fetched.
    RETURNS (SentenceModules | None): None if the source is no Sentence-BERT folder.
    RAISES (ValueError): If there is a module or an option that is not known.
    """
    files = _Files(name, download)
    modules = files.modules()
    if modules is None:
        return None
    found = SentenceModules("mean", prompt=_read_prompt(files))
    kinds = []
    for kind, path in modules:
        if kind == "Transformer":
            config = files.read(_join(path, TRANSFORMER_CONFIG)) or {}
            found.lowers = bool(config.get("do_lower_case"))
        elif kind == "Pooling":
            found.pooling = _read_pooling(files.read(_join(path, "config.json")) or {}, name)
        elif kind == "Dense" and "Normalize" in kinds:
            raise CodedValueError(Errors.B060.format(name=name, module="Dense after Normalize"))
        elif kind == "Dense":
            found.dense.append(_read_dense(files, path, name))
        elif kind != "Normalize":  # see `is_normalised`
            raise CodedValueError(Errors.B060.format(name=name, module=kind))
        kinds.append(kind)
    return found


def is_normalised(name: str, *, download: bool = False) -> bool:
    """RETURNS (bool): Whether vectors are brought to length one, as those of a source that is no
    Sentence-BERT folder always are.
    """
    modules = _Files(name, download).modules()
    return modules is None or any(kind == "Normalize" for kind, _ in modules)


def check_case(modules: SentenceModules, tokenizer: Any, name: str) -> None:
    """RAISES (ValueError): If texts are to be in lower case, and the tokenizer keeps capitals."""
    pieces = tokenizer.tokenize(CAPITALS)
    if modules.lowers and pieces != tokenizer.tokenize(CAPITALS.lower()):
        raise CodedValueError(
            Errors.B060.format(name=name, module="Transformer with do_lower_case")
        )


def _read_prompt(files: "_Files") -> str:
    config = files.read("config_sentence_transformers.json") or {}
    prompts = config.get("prompts")
    prompt = prompts.get(config.get("default_prompt_name")) if isinstance(prompts, dict) else None
    return prompt if isinstance(prompt, str) else ""


def _read_pooling(config: dict[str, Any], name: str) -> str:
    modes = config.get("pooling_mode")
    if modes is not None:
        modes = [str(mode) for mode in (modes if isinstance(modes, list) else [modes])]
    else:
        prefix = "pooling_mode_"
        modes = [key.removeprefix(prefix) for key, on in config.items() if on is True]
        modes = [POOLING_MODES.get(mode, mode) for mode in modes if mode != "include_prompt"]
    unknown = [mode for mode in modes if mode not in SPELLINGS]
    if unknown or not modes:
        raise CodedValueError(Errors.B060.format(name=name, module=f"Pooling {unknown}"))
    return "+".join(SPELLINGS[mode] for mode in modes)


def _read_dense(files: "_Files", path: str, name: str) -> DenseLayer:
    config = files.read(_join(path, "config.json")) or {}
    activation = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    activation = activation.rsplit(".", 1)[-1].removesuffix("()")
    if activation not in ACTIVATIONS:
        raise CodedValueError(Errors.B060.format(name=name, module=f"Dense with {activation}"))
    for weights in ("model.safetensors", "pytorch_model.bin"):
        file_ = files.find(_join(path, weights))
        if file_ is not None:
            state = read_state_dict(file_)
            state = {key.removeprefix("linear."): value for key, value in state.items()}
            return DenseLayer(len(state["weight"]), "bias" in state, activation, state)
    raise CodedFileNotFoundError(
        Errors.B004.format(path=_join(name, path), missing="model.safetensors")
    )


class _Files:
    """Files of a folder or of the hub's cache."""

    def __init__(self, name: str, download: bool):
        self.name = name
        self.download = download
        self.folder = embedded_folder() if name == EMBEDDED else Path(name).expanduser()
        self.is_local = name == EMBEDDED or looks_like_path(name)

    def modules(self) -> list[tuple[str, str]] | None:
        """RETURNS (list[tuple[str, str]] | None): Kind and folder of each; None if the source is
        no Sentence-BERT folder.
        """
        modules = self.read("modules.json", list)
        if modules is None:
            return None
        if not all(isinstance(module, dict) for module in modules):
            raise self.unreadable("modules.json", "it is no list of modules")
        kinds = [str(module.get("type")).rsplit(".", 1)[-1] for module in modules]
        return list(zip(kinds, (str(module.get("path", "")) for module in modules)))

    def find(self, path: str) -> Path | None:
        if self.is_local:
            found: Any = self.folder / path
            return found if found.is_file() else None
        found = cached_file(
            self.name,
            path,
            local_files_only=not self.download,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
            _raise_exceptions_for_gated_repo=False,
        )
        return None if found is None else Path(found)

    def read(self, path: str, kind: type = dict) -> Any:
        found = self.find(path)
        if found is None:
            return None
        try:
            content = json.loads(found.read_text(encoding="utf8"))
        except ValueError as error:
            raise self.unreadable(path, error) from error
        if not isinstance(content, kind):
            raise self.unreadable(path, f"it holds a {type(content).__name__}")
        return content

    def unreadable(self, path: str, reason: object) -> ValueError:
        return CodedValueError(Errors.B006.format(part=path, path=self.name, reason=reason))


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
