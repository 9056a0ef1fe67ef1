"""A fine-tuned checkpoint on disk: its config, and the tensors of its head."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from safetensors import SafetensorError, safe_open

from ..backbone.weights.loading import (
    EMBEDDED,
    embedded_folder,
    expanded,
    looks_like_path,
    transformer_folder,
)
from ..errors import CodedFileNotFoundError, CodedOSError, CodedValueError, Errors

FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]  # never a pickle
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER = "adapter_config.json"  # of peft
OURS = "spacy_bert_suite"  # key in config.json for what transformers has no place for


@dataclass(frozen=True)
class Source:
    """A checkpoint.

    name (str): As it was asked for.
    root (Path): Its folder.
    folder (Path): Where its transformer is: inside `root` for some Sentence-BERT folders.
    config (Dict): What config.json holds.
    """

    name: str
    root: Path
    folder: Path
    config: dict[str, Any]

    @property
    def architecture(self) -> str:
        """RETURNS (str): Such as "BertForTokenClassification"; "" if the folder does not tell."""
        names = self.config.get("architectures")
        names = [names] if isinstance(names, str) else names
        return str(names[0]) if isinstance(names, list) and names else ""

    @property
    def model_type(self) -> str:
        return str(self.config.get("model_type", ""))

    @property
    def is_sentence_bert(self) -> bool:
        """RETURNS (bool): Whether it is for vectors; a cross-encoder may have modules.json too."""
        has_modules = (self.root / "modules.json").is_file()
        return has_modules and not self.architecture.endswith("ForSequenceClassification")

    @property
    def extra(self) -> dict[str, Any]:
        """RETURNS (Dict): What `export_checkpoint` has put beside transformers' own keys."""
        extra = self.config.get(OURS)
        return extra if isinstance(extra, dict) else {}

    @property
    def component(self) -> str:
        """RETURNS (str): The factory of the component that was exported to it, or ""."""
        return str(self.extra.get("component", ""))

    def linear(self, layer: str) -> dict[str, torch.Tensor]:
        """RETURNS (dict[str, Tensor]): "weight" and "bias" of a linear layer, float32.
        RAISES (ValueError): If the weights have no such layer.
        """
        names = [f"{layer}.weight", f"{layer}.bias"]
        found = read_tensors(self.folder, names)
        missing = [name for name in names if name not in found]
        if missing:
            architecture = self.architecture or "the architecture asked for"
            raise CodedValueError(
                Errors.B221.format(path=self.name, architecture=architecture, missing=missing[0])
            )
        return {name.rsplit(".", 1)[1]: tensor.float() for name, tensor in found.items()}


def open_source(name: str, revision: str | None = None) -> Source:
    """Find a checkpoint.

    name (str): A folder, a hub id, or "embedded".
    revision (str | None): Branch, tag or commit of a hub id.
    RETURNS (Source): The checkpoint, downloaded if it is not here yet.
    RAISES: FileNotFoundError, OSError or ValueError, if there is none or it has no safetensors.
    """
    root = _find(str(name), revision)
    folder = transformer_folder(root)
    if not (folder / "config.json").is_file() and (folder / ADAPTER).is_file():
        raise CodedValueError(Errors.B237.format(path=name))
    config = read_json(folder / "config.json")
    if "quantization_config" in config:
        raise CodedValueError(Errors.B238.format(path=name))
    if not (folder / WEIGHTS).is_file() and not (folder / INDEX).is_file():
        if any(folder.glob("pytorch_model*.bin*")):
            raise CodedValueError(Errors.B220.format(path=name))
        raise CodedFileNotFoundError(Errors.B004.format(path=folder, missing=WEIGHTS))
    return Source(str(name), root, folder, config)


def _find(name: str, revision: str | None) -> Path:
    if name == EMBEDDED:
        return embedded_folder()
    path = expanded(name)
    if looks_like_path(name):
        if not path.is_dir():
            raise CodedFileNotFoundError(Errors.B200.format(path=name))
        return path
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=FILES))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CodedOSError(Errors.B005.format(name=name, reason=reason)) from error


def read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CodedFileNotFoundError(Errors.B004.format(path=path.parent, missing=path.name))
    try:
        content = json.loads(path.read_text(encoding="utf8"))
    except ValueError as error:
        raise CodedValueError(
            Errors.B006.format(part=path.name, path=path, reason=error)
        ) from error
    if not isinstance(content, dict):
        reason = "it is no JSON object"
        raise CodedValueError(Errors.B006.format(part=path.name, path=path, reason=reason))
    return content


def read_tensors(folder: Path, names: list[str]) -> dict[str, torch.Tensor]:
    """RETURNS (dict[str, Tensor]): Those of the tensors that the folder has; no others are read."""
    found: dict[str, torch.Tensor] = {}
    for path in _weight_files(folder, names):
        try:
            with safe_open(path, framework="pt") as tensors:
                present = set(tensors.keys())
                found.update({n: tensors.get_tensor(n) for n in names if n in present})
        except (SafetensorError, OSError) as error:
            message = Errors.B006.format(part="weights", path=path, reason=error)
            raise CodedValueError(message) from error
    return found


def _weight_files(folder: Path, names: list[str]) -> list[Path]:
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    weight_map = read_json(folder / INDEX).get("weight_map")
    if not isinstance(weight_map, dict):
        message = Errors.B006.format(part=INDEX, path=folder, reason="it has no weight_map")
        raise CodedValueError(message)
    return [folder / file for file in sorted({weight_map[n] for n in names if n in weight_map})]
