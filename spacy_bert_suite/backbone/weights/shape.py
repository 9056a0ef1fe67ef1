"""How large the weights of a source are, without loading them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from ...core.integrity import first_line
from ...errors import CodedFileNotFoundError, CodedValueError, Errors
from .loading import (
    EMBEDDED,
    SENSELESS,
    embedded_folder,
    expanded,
    looks_like_path,
    quiet,
    transformer_folder,
)

OPTIONS: Any = {"local_files_only": True, "trust_remote_code": False}


@dataclass(frozen=True)
class Shape:
    """width (int): Of the states.
    n_layers (int): Layers of the encoder.
    longest (int | None): Wordpieces that it has positions for; None for any number.
    """

    width: int
    n_layers: int
    longest: int | None


def read_shape(name: str) -> Shape | None:
    """Read the configuration that lies beside weights. Nothing is downloaded.

    name (str): "embedded", a folder, or a hub id.
    RETURNS (Shape | None): None for a hub id that was not downloaded before.
    RAISES (OSError, ValueError): If there is no such folder, or it holds no model.
    """
    if name != EMBEDDED and not looks_like_path(name):
        return _read(name)
    folder = embedded_folder() if name == EMBEDDED else expanded(name)
    if not folder.is_dir():
        raise CodedFileNotFoundError(Errors.B003.format(path=folder))
    folder = transformer_folder(folder)
    if not (folder / "config.json").is_file():
        raise CodedFileNotFoundError(Errors.B004.format(path=folder, missing="config.json"))
    return _read(folder)


def _read(source: str | Path) -> Shape | None:
    try:
        with quiet():
            config: Any = AutoConfig.from_pretrained(source, **OPTIONS)
        positions = getattr(config, "max_position_embeddings", 0) or 0
        longest = positions if positions > 0 else None
        return Shape(int(config.hidden_size), int(config.num_hidden_layers), longest)
    except OSError:
        if isinstance(source, Path):
            raise
        return None
    except SENSELESS as error:
        reason = first_line(error)
        message = Errors.B006.format(part="configuration", path=source, reason=reason)
        raise CodedValueError(message) from error
