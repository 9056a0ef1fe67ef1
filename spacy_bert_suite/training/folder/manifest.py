"""The manifest of a checkpoint: checksums of its files, and the run that it belongs to."""

import json
import platform
import warnings
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.integrity import digests_of, first_changed
from ...errors import CodedValueError, Errors, Warnings

if TYPE_CHECKING:
    from thinc.api import Config

MANIFEST = "manifest.json"
FORMAT = 1
PACKAGES = ("spacy", "thinc", "torch", "transformers", "numpy", "spacy_bert_suite")
# What may change from one part of a run to the next: when to stop, and what is only printed.
FREE = ("training.max_steps", "training.patience", "training.max_epochs", "training.logger")
MOVABLE = ("paths", "corpora", "initialize")


@dataclass
class Manifest:
    """config (Dict): Values of the whole config, by their dotted names.
    versions (Dict): Of Python and of the packages that compute.
    files (Dict): Size and sha256 of each file, by its path in the checkpoint.
    """

    config: dict[str, Any]
    versions: dict[str, str]
    files: dict[str, list]
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        (folder / MANIFEST).write_text(json.dumps(asdict(self), indent=1), encoding="utf8")


def make_manifest(config: "Config", folder: Path) -> Manifest:
    """RETURNS (Manifest): Of the files that are in the folder."""
    return Manifest(flatten(config), versions(), digests_of(folder))


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a checkpoint and look that all files are whole.

    RAISES (ValueError, OSError): If it is damaged, with the reason.
    """
    content = json.loads((folder / MANIFEST).read_text(encoding="utf8"))
    try:
        manifest = Manifest(**content)
        if manifest.format != FORMAT:
            raise ValueError(f"its format is {manifest.format}")
        changed = first_changed(folder, manifest.files)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"{MANIFEST} is of another form: {error}") from error
    if changed:
        raise ValueError(f"{changed} is missing or was changed")
    return manifest


def check_same_run(manifest: Manifest, config: "Config", folder: Path) -> None:
    """Look whether a run with this config may go on from a checkpoint.

    RAISES (ValueError): If the config is another one.
    """
    old, new = manifest.config, flatten(config)
    changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    moved = [key for key in changed if key.split(".")[0] in MOVABLE]
    others = [key for key in changed if not is_free(key, old, new) and key not in moved]
    if others:
        raise CodedValueError(Errors.B172.format(path=folder, changed=", ".join(others)))
    if moved:
        warnings.warn(Warnings.B931.format(changed=", ".join(moved)), stacklevel=2)
    found = versions()
    differing = [name for name, number in manifest.versions.items() if found.get(name) != number]
    if differing:
        names = ", ".join(f"{name} {manifest.versions[name]}" for name in differing)
        warnings.warn(Warnings.B932.format(versions=names), stacklevel=2)


def is_free(key: str, old: dict[str, Any], new: dict[str, Any]) -> bool:
    """RETURNS (bool): Whether a value may change; streaming instead of shuffling may not."""
    if key == "training.max_epochs":
        return min(old.get(key, 0), new.get(key, 0)) >= 0
    return any(key == name or key.startswith(name + ".") for name in FREE)


def flatten(config: Any) -> dict[str, Any]:
    """RETURNS (Dict): The values of a config by their dotted names, as json keeps them."""
    flat: dict[str, Any] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                add(f"{prefix}.{key}" if prefix else str(key), inner)
        else:
            flat[prefix] = value

    add("", config.interpolate())
    return json.loads(json.dumps(flat, default=str))


def versions() -> dict[str, str]:
    found = {name: version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **found}
