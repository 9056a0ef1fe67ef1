"""The states of a frozen backbone, kept on disk: the first epoch computes them, later epochs read
them. Devlin et al. 2019, section 5.3, call this the feature-based approach.
"""

import errno
import json
import os
import warnings
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy
import torch
from spacy.tokens import Doc

from ...core.validation import check_config
from ...errors import CodedValueError, Errors, Warnings
from ..encoder.inputs import EncoderInput
from ..hidden_states import BertStates, Layout
from ..shim import BackboneShim
from .block_files import KEY_SIZE, BlockFiles, prune

FORMAT = 1  # of what is stored; another number makes another folder
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# They change nothing in the states, and not every way of loading gives the same.
NOT_IN_STATES = ("transformers_version", "torch_dtype", "dtype", "architectures")


def make_feature_cache(
    name: str, trainable: bool, path: str | None, max_gb: float
) -> "FeatureCache | None":
    """RETURNS (FeatureCache | None): A cache, if there is a path.
    RAISES (ValueError): If the backbone learns: its states change with every step.
    """
    if path is None:
        return None
    if trainable:
        raise CodedValueError(Errors.B190.format(name=name, path=path))
    check_config(name, "feature_cache_gb", max_gb, max_gb > 0, "above 0")
    return FeatureCache(path, max_gb)


class FeatureCache:
    """States by what the model reads of a doc: its windows of wordpiece ids. Weights and settings
    have a folder for each combination, so others simply miss. What concerns tokens is computed
    anew each time: it costs little, and the same text may have other tokens.

    path (str | Path): The folder.
    max_gb (float): Most that it may take. Folders of other weights and settings go first, the one
        written longest ago before all; after that nothing more is written.
    is_on (bool): Whether it is used. Training turns it on, and saving off; a pipeline that is only
        applied leaves no files behind.
    """

    def __init__(self, path: str | Path, max_gb: float):
        self.path = Path(path).expanduser()
        self.max_gb = max_gb
        self.is_on = False
        self._files: BlockFiles | None = None
        self._stamp: Any = None
        self._n_bytes = 0
        self._is_full = False
        self._pid = os.getpid()

    def __reduce__(self):
        return FeatureCache, (self.path, self.max_gb)

    def encode(self, backbone: BackboneShim, docs: Sequence[Doc]) -> BertStates:
        """Read states, and run the backbone over the docs whose states are not there.

        backbone (BackboneShim): The weights and the tokenizer.
        docs (Sequence[Doc]): Any docs.
        RETURNS (BertStates): The same as without the cache, up to what else was in the batch.
        """
        rows, layout = backbone.prepare(docs)
        if not rows.ids or os.getpid() != self._pid:  # a fork shares the places in open files
            return BertStates(backbone.run(rows, False)[0], layout)
        files = self._open(backbone)
        keys = keys_of(rows, layout)
        index, offsets = layout.rows_by_doc()
        blocks = torch.empty((len(index), backbone.module.width), dtype=self._dtype)
        parts = split(blocks, offsets)
        missing = [
            i for i, key in enumerate(keys) if files is None or not files.read(key, view(parts[i]))
        ]
        if missing:
            self._compute(backbone, docs, keys, parts, missing)
        by_layout = torch.empty_like(blocks)
        by_layout[torch.from_numpy(index)] = blocks
        return BertStates(by_layout.to(backbone.module.device), layout)

    def _compute(
        self,
        backbone: BackboneShim,
        docs: Sequence[Doc],
        keys: Sequence[bytes],
        parts: list[torch.Tensor],
        missing: Sequence[int],
    ) -> None:
        """Fill the parts that are missing, and store them. A text that comes twice runs once."""
        first = {keys[i]: i for i in reversed(missing)}
        rows, layout = backbone.prepare([docs[i] for i in first.values()])
        index, offsets = layout.rows_by_doc()
        states = backbone.run(rows, False)[0].cpu()[torch.from_numpy(index)]
        computed = dict(zip(first, split(states, offsets)))
        for i in missing:
            parts[i].copy_(computed[keys[i]])
        self._store(list(computed), [view(part) for part in computed.values()])

    def _store(self, keys: Sequence[bytes], blocks: Sequence[memoryview]) -> None:
        """Write what there is room for. A cache that cannot be written does not end training."""
        files = self._files
        n_new = sum(map(len, blocks))
        if self._is_full or files is None:
            return
        try:
            if self._n_bytes + n_new > self._n_most:
                self._n_bytes = prune(self.path, files.folder, self._n_most - n_new)
            if self._n_bytes + n_new > self._n_most:
                self._is_full = True
                message = Warnings.B195.format(path=self.path, max_gb=self.max_gb)
                warnings.warn(message, stacklevel=2)
                return
            files.write(keys, blocks)
            self._n_bytes += n_new
        except OSError as error:
            self._stop_writing(error)

    def _stop_writing(self, error: OSError) -> None:
        self._is_full = True
        warnings.warn(Warnings.B196.format(path=self.path, reason=error), stacklevel=3)

    @property
    def _n_most(self) -> int:
        return int(self.max_gb * 1e9)

    def _open(self, backbone: BackboneShim) -> BlockFiles | None:
        """The folder of these weights and settings, anew when the weights have changed; None if
        the disk has no room for it.
        """
        module = backbone.module
        stamp = module, sum(parameter._version for parameter in module.parameters())
        if self._stamp == stamp:
            return self._files
        self.close()
        self._dtype = dtype_of(backbone)
        settings = settings_of(backbone, self._dtype)
        folder = self.path / digest(json.dumps(settings, sort_keys=True).encode()).hex()
        self._is_full = False
        try:
            self._files = BlockFiles(folder)
            self._n_bytes = prune(self.path, folder, self._n_most)
            describe(folder, settings)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise CodedValueError(Errors.B191.format(path=self.path, reason=error)) from error
            self._stop_writing(error)
        self._stamp = stamp
        return self._files

    def close(self) -> None:
        if self._files is not None:
            self._files.close()
        self._files = self._stamp = None


def describe(folder: Path, settings: dict[str, Any]) -> None:
    """Write beside the blocks what they are of, for people to read."""
    path, text = folder / "settings.json", json.dumps(settings, indent=1)
    if not path.is_file() or path.read_bytes() != text.encode("utf8"):
        path.write_bytes(text.encode("utf8"))


def keys_of(rows: EncoderInput, layout: Layout) -> list[bytes]:
    """RETURNS (list[bytes]): For each doc a digest of the windows that the model reads."""
    keys = []
    for start, end in zip(layout.window_offsets[:-1], layout.window_offsets[1:]):
        windows = rows.ids[start:end]
        lengths = numpy.asarray([len(windows), *map(len, windows)], dtype="int64")
        keys.append(digest(*(array.astype("<i8").tobytes() for array in (lengths, *windows))))
    return keys


def split(rows: torch.Tensor, offsets: numpy.ndarray) -> list[torch.Tensor]:
    return [rows[start:end] for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist())]


def view(rows: torch.Tensor) -> memoryview:
    """RETURNS (memoryview): The bytes of contiguous rows on the host, bfloat16 too."""
    return rows.reshape(-1).view(torch.uint8).numpy().data


def dtype_of(backbone: BackboneShim) -> torch.dtype:
    """RETURNS (dtype): Of the states of these settings, seen on an empty text."""
    ids = numpy.asarray([backbone.wordpieces.cls_id, backbone.wordpieces.sep_id])
    return backbone.run(EncoderInput([ids], numpy.arange(2)), False)[0].dtype


def settings_of(backbone: BackboneShim, dtype: torch.dtype) -> dict[str, Any]:
    """RETURNS (Dict): All that the states depend on besides the text."""
    module = backbone.module
    config = {
        key: str(value)
        for key, value in module.transformer.config.to_dict().items()
        if not key.startswith("_") and key not in NOT_IN_STATES
    }
    return {
        "format": FORMAT,
        "weights": digest_weights(module).hex(),
        "config": config,
        "window": backbone.window,
        "stride": backbone.stride,
        "layers": backbone.settings.layers,
        "precision": [str(module.dtype), str(dtype)],
    }


def digest_weights(module: torch.nn.Module) -> bytes:
    found = blake2b(digest_size=KEY_SIZE)
    for name, tensor in sorted(module.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(view(tensor.detach().cpu().contiguous()))
    return found.digest()


def digest(*parts: bytes) -> bytes:
    return blake2b(b"".join(parts), digest_size=KEY_SIZE).digest()
