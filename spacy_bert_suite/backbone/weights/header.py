"""Whether a configuration can belong to weights, told by the headers of the files.

A folder may come from anyone: a million layers or tokens would keep loading busy for minutes
before anything is compared, so sizes are compared first. Nothing of the weights is read.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import safe_open

from ...errors import CodedValueError, Errors
from .saving import WEIGHTS

INDEX = f"{WEIGHTS}.index.json"
MOST_LAYERS = 1000
MOST_POSITIONS = 10_000_000  # of encoders without a table of positions
SIZES = ("hidden_size", "vocab_size", "intermediate_size", "embedding_size", "type_vocab_size")
ADDED = (b'"single_word"', b'"lstrip"')  # each added token has both
TOKEN_FILES = ("tokenizer.json", "tokenizer_config.json")

Shapes = dict[str, list[int]]


def check_sizes(config: Any, folder: Path, name: str) -> None:
    """RAISES (ValueError): If the configuration or the tokenizer asks for more than there is.

    config (PretrainedConfig): Of the folder.
    name (str): Of the source, for the message.
    """
    if getattr(config, "quantization_config", None):
        raise CodedValueError(Errors.B238.format(path=name))
    shapes = read_shapes(folder)
    check_layers(config, len(shapes), name)
    largest = max((max(shape, default=1) for shape in shapes.values()), default=None)
    limits = dict.fromkeys(SIZES, largest)
    for key, most in {**limits, "max_position_embeddings": MOST_POSITIONS}.items():
        value = getattr(config, key, None)
        if value is not None and most is not None and not is_count(value, most):
            expected = f"a whole number up to {most}, the largest size in the weights"
            raise CodedValueError(reason_of(name, key, value, expected))
    check_added(folder, largest, name)


def check_layers(config: Any, n_tensors: int, name: str) -> None:
    value = getattr(config, "num_hidden_layers", None)
    shares = hasattr(config, "num_hidden_groups")  # ALBERT: all layers have the same weights
    most = MOST_LAYERS if shares or not n_tensors else min(n_tensors, MOST_LAYERS)
    if value is not None and (not is_count(value, most) or value < 1):
        raise CodedValueError(reason_of(name, "num_hidden_layers", value, f"from 1 to {most}"))


def check_added(folder: Path, most: int | None, name: str) -> None:
    """Reading tokens that were added takes the square of their number."""
    for file in TOKEN_FILES:
        path = folder / file
        if most is None or not path.is_file():
            continue
        content = path.read_bytes()
        n = min(content.count(key) for key in ADDED)
        if n > most:
            raise CodedValueError(Errors.B010.format(path=name, n_pieces=n, n_rows=most))


def check_dropped(encoder: Any, unexpected: Any, name: str) -> None:
    """RAISES (ValueError): If the weights have layers that the configuration leaves out."""
    known = {re.sub(r"\d+", "N", key) for key in encoder.state_dict()}
    prefix = f"{encoder.base_model_prefix}."
    for key in sorted(unexpected):
        plain = key.removeprefix(prefix)
        if re.search(r"\.\d+\.", plain) and re.sub(r"\d+", "N", plain) in known:
            value = encoder.config.num_hidden_layers
            expected = f"the number of layers in the weights, which have '{key}' too"
            raise CodedValueError(reason_of(name, "num_hidden_layers", value, expected))


def is_count(value: Any, most: int) -> bool:
    """-1 stands for any number, as of positions."""
    return isinstance(value, int) and not isinstance(value, bool) and -1 <= value <= most


def reason_of(name: str, key: str, value: Any, expected: str) -> Any:
    return Errors.B353.format(path=name, key=key, value=value, expected=expected)


def read_shapes(folder: Path) -> Shapes:
    """RETURNS (dict[str, list[int]]): Shapes of all tensors; none for a pickle."""
    shapes: Shapes = {}
    for path in files_of(folder):
        with safe_open(path, framework="pt") as file:
            shapes.update({key: file.get_slice(key).get_shape() for key in file.keys()})  # noqa: SIM118
    return shapes


def files_of(folder: Path) -> Iterator[Path]:
    """YIELDS (Path): Files with weights.
    RAISES (ValueError): If the list of several is malformed.
    """
    if (folder / WEIGHTS).is_file():
        yield folder / WEIGHTS
        return
    if not (folder / INDEX).is_file():
        return
    content = json.loads((folder / INDEX).read_text(encoding="utf8"))
    files = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(files, dict) or not files:
        raise ValueError(f"{INDEX} has no weight_map")
    for file in sorted({str(file) for file in files.values()}):
        if Path(file).name != file or not (folder / file).is_file():
            raise ValueError(f"{INDEX} names '{file}', which is no file of the folder")
        yield folder / file
