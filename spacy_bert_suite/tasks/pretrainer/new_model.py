"""A new BERT with random weights: its size, vocabulary and folder."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForPreTraining, BertTokenizerFast

from ...backbone.weights.loading import WEIGHT_FILES, Checkpoint, load_checkpoint, save_folder
from ...core.atomic import coded_errors, replace_folder
from ...data.lines import read_lines
from ...errors import CodedValueError, Errors
from .vocabulary import SPECIAL, make_tokenizer

HEAD_WIDTH = 64
LEAST_POSITIONS = 8


@dataclass(frozen=True)
class Size:
    """layers, heads (int): Blocks, and attention heads in each.
    width, intermediate (int): Of the states, and inside the feed-forward part of a block.
    positions (int): Most wordpieces in a window, special tokens included.
    """

    layers: int
    width: int
    heads: int
    intermediate: int
    positions: int = 512


# base and large as in Devlin et al. 2019, the others as in Turc et al. 2019 (arXiv 1908.08962).
SIZES: dict[str, Size] = {
    "tiny": Size(2, 128, 2, 512),
    "mini": Size(4, 256, 4, 1024),
    "small": Size(4, 512, 8, 2048),
    "medium": Size(8, 512, 8, 2048),
    "base": Size(12, 768, 12, 3072),
    "large": Size(24, 1024, 16, 4096),
}


def make_size(name: str = "small", **changes: int | None) -> Size:
    """Take a published size, or change some of it. Heads of 64 and a feed-forward part of four
    times the width go with a width that is given alone, as in the published sizes.

    name (str): tiny | mini | small | medium | base | large.
    **changes (int | None): Fields of `Size`; None leaves one as it is.
    RETURNS (Size): The size.
    RAISES (ValueError): If the name or a number cannot be.
    """
    if name not in SIZES:
        raise _wrong("size", name, " or ".join(SIZES))
    given = {key: value for key, value in changes.items() if value is not None}
    if "width" in given:
        width = given["width"]
        given = {"heads": max(1, width // HEAD_WIDTH), "intermediate": 4 * width, **given}
    size = replace(SIZES[name], **given)
    for key, value in asdict(size).items():
        if value < 1:
            raise _wrong(key, value, "1 or more")
    if size.width % size.heads:
        raise _wrong("heads", size.heads, f"a number that divides the width, {size.width}")
    if size.positions < LEAST_POSITIONS:
        raise _wrong("positions", size.positions, f"{LEAST_POSITIONS} or more")
    return size


def write_backbone(
    tokenizer: BertTokenizerFast,
    size: Size,
    folder: str | Path,
    *,
    seed: int = 0,
    overwrite: bool = False,
) -> int:
    """Write a folder with random weights that `transformers` opens, as `components.bert.model.name`
    does: config.json, model.safetensors (those of `BertForPreTraining`) and the tokenizer's files.

    tokenizer (BertTokenizerFast): Its vocabulary gives the number of wordpieces.
    size (Size): Of the model.
    folder (str | Path): To write. It appears when all of it is there, or not at all.
    seed (int): Of the weights: normal, with a standard deviation of 0.02 (Devlin et al. 2019).
    overwrite (bool): Whether a model in that folder is replaced.
    RETURNS (int): The number of weights.
    RAISES (ValueError): If the folder may not be written.
    """
    config = BertConfig(
        vocab_size=len(tokenizer),
        num_hidden_layers=size.layers,
        hidden_size=size.width,
        num_attention_heads=size.heads,
        intermediate_size=size.intermediate,
        max_position_embeddings=size.positions,
        pad_token_id=tokenizer.pad_token_id,
    )
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.model_max_length = size.positions
    model = _random_weights(config, seed)
    with whole_folder(Path(folder), overwrite) as part:
        save_folder(Checkpoint(model, tokenizer), part)
    return sum(parameter.numel() for parameter in model.parameters())


def load_vocabulary(name: str, *, lowercase: bool = True) -> BertTokenizerFast:
    """Take the vocabulary of a model, or one that comes without weights.

    name (str): "embedded", a folder with a model, or a folder with vocab.txt.
    lowercase (bool): What to do with capitals when vocab.txt is all that there is.
    RETURNS (BertTokenizerFast): The tokenizer.
    RAISES: ValueError or OSError with a code, if it cannot be read or is not of BERT's kind.
    """
    vocab, settings = Path(name) / "vocab.txt", Path(name) / "tokenizer_config.json"
    tokenizer: Any
    if (Path(name) / "config.json").is_file() or not vocab.is_file():
        tokenizer = load_checkpoint(name).tokenizer
    elif settings.is_file():
        tokenizer = BertTokenizerFast.from_pretrained(name, local_files_only=True)
    else:
        pieces = [piece for _, piece in read_lines(vocab)]
        if len(set(pieces)) < len(pieces):
            raise _unusable(name, "a wordpiece stands there twice")
        _check_special(set(pieces), name)
        tokenizer = make_tokenizer(pieces, lowercase=lowercase)
    _check_special(tokenizer.get_vocab(), name)
    return tokenizer


def check_target(folder: Path, overwrite: bool) -> None:
    """RAISES (ValueError): If the folder holds something and may not be replaced. What has no
    model in it never is.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    has_weights = any((folder / name).is_file() for name in WEIGHT_FILES)
    if not (overwrite and has_weights and (folder / "config.json").is_file()):
        raise CodedValueError(Errors.B167.format(path=folder))


@contextmanager
def whole_folder(folder: Path, overwrite: bool = False) -> Iterator[Path]:
    """Fill a folder beside `folder`, which takes its place at the end. A process that is killed
    leaves the old one, or none.

    YIELDS (Path): The folder to fill.
    RAISES (OSError): If it cannot be written.
    """
    check_target(folder, overwrite)
    folder = folder.resolve()
    with coded_errors(folder, Errors.B234), replace_folder(folder) as part:
        yield part


def _random_weights(config: BertConfig, seed: int) -> BertForPreTraining:
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        return BertForPreTraining(config)


def _check_special(pieces: Any, name: str) -> None:
    missing = [token for token in SPECIAL if token not in pieces]
    if missing:
        raise _unusable(name, f"it has no {missing[0]}")


def _unusable(name: str, reason: str) -> ValueError:
    return CodedValueError(Errors.B006.format(part="vocabulary", path=name, reason=reason))


def _wrong(key: str, value: Any, expected: str) -> ValueError:
    return CodedValueError(Errors.B168.format(key=key, value=value, expected=expected))
