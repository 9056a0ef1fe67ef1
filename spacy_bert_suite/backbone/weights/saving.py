"""Writing a folder of weights atomically, and only what has changed."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from ...core.atomic import replace_files
from ...core.integrity import CHECKSUMS

WEIGHTS = "model.safetensors"
METADATA = {"format": "pt"}  # without it transformers refuses a file


def replace_weights(path: Path, write: Callable[[Path], None]) -> None:
    """Write files into a folder; each replaces an old one at once.

    path (Path): The folder.
    write (Callable): Writes the files into the folder that it is given.
    """
    with replace_files(path) as folder:
        write(folder)
        has_weights = (folder / WEIGHTS).exists()
    if has_weights:
        _remove_other_weights(path)


def _remove_other_weights(path: Path) -> None:
    """Remove weights in several files, which transformers would prefer or mix up with the new one,
    and checksums.
    """
    parts = path.glob("model-*-of-*.safetensors")
    for file in [*parts, path / f"{WEIGHTS}.index.json", path / CHECKSUMS]:
        file.unlink(missing_ok=True)


def holds(path: Path, tensors: dict[str, torch.Tensor]) -> bool:
    """Compare a file with weights, value by value; the small ones first, since one difference is
    enough. What the file's date or a counter says is not trusted: anyone may have changed either.

    path (Path): A file, which need not exist.
    tensors (dict[str, Tensor]): The weights by name.
    RETURNS (bool): Whether the file holds exactly these.
    """
    try:
        with safe_open(path, framework="pt") as file:
            if set(file.keys()) != set(tensors) or file.metadata() != METADATA:
                return False
            names = sorted(tensors, key=lambda name: tensors[name].numel())
            return all(_equal(file.get_tensor(name), tensors[name]) for name in names)
    except (OSError, SafetensorError):
        return False


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other.detach().cpu())
