"""BackboneShim: encoder and tokenizer; training steps; saving to disk and bytes."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy
import safetensors.torch
import srsly
import torch
from spacy.tokens import Doc
from transformers import PreTrainedModel

from ..core.finite import check_finite
from ..core.integrity import coded_damage, noting_checksums
from ..core.locks import LOADING
from ..core.optimizer_state import below_prefix, with_prefix
from ..core.torch_shim import AdamWSettings, TorchShim, module_to_bytes
from ..errors import CodedValueError, Errors
from .encoder.adapters import adapter_state, make_lora
from .encoder.encoder import BertEncoder
from .encoder.inputs import EncoderInput
from .encoder.oom import coded_in_training
from .encoder.settings import EncoderSettings
from .fork_safety import ProcessCheck
from .hidden_states import Layout, make_layout
from .input.offsets import ranges
from .input.windows import N_SPECIAL, Windows, align_tokens, make_windows, token_extents
from .input.wordpieces import Wordpieces, WordpieceTokenizer
from .weights.loading import Checkpoint, load_folder, save_folder

MIXTURE_FILE = "layers.safetensors"
MIXTURE = ("mix_weights", "mix_gamma")
ADAPTER = "adapter/"  # before names in the state of training


class BackboneShim(TorchShim):
    """The encoder, its tokenizer, and the cutting of docs into windows."""

    def __init__(self, name: str, window: int, stride: int, settings: EncoderSettings):
        super().__init__(build=BertEncoder, cfg={})
        self.name = name
        self.window = window
        self.stride = stride
        self.settings = settings
        self.tokenizer: Any = None  # a fast tokenizer of transformers, once weights are loaded
        self.wordpieces: Any = None  # a WordpieceTokenizer
        self.check_process = ProcessCheck()
        self.place: tuple[Path, int] | None = None  # a folder with these weights, steps until then

    @property
    def encoder(self) -> BertEncoder:
        """RETURNS (BertEncoder): The module, of a backbone whose weights are loaded."""
        return self.module

    @property
    def transformer(self) -> PreTrainedModel:
        """RETURNS (PreTrainedModel): The encoder as transformers has made it."""
        return self.encoder.transformer

    def load(self, checkpoint: Checkpoint, mixture: dict[str, torch.Tensor] | None = None):
        """Take the weights and the tokenizer of a checkpoint."""
        limit = longest_input(checkpoint)
        if self.window > limit:
            raise CodedValueError(
                Errors.B021.format(window=self.window, name=self.name, limit=limit)
            )
        self.tokenizer = checkpoint.tokenizer
        self.wordpieces = WordpieceTokenizer(checkpoint.tokenizer)
        module = BertEncoder(checkpoint.encoder, self.settings)
        if mixture is not None:
            load_mixture(module, mixture)
        if module.dtype == torch.float16:
            self.scaler = torch.amp.GradScaler(module.device.type)
        self.module = module  # last: another thread may wait for it

    def prepare(self, docs: Sequence[Doc]) -> tuple[EncoderInput, Layout]:
        """Cut docs into windows, and note where each state will lie."""
        pieces = self.wordpieces([doc.text for doc in docs])
        windows = make_windows(pieces.offsets, self.window - N_SPECIAL, self.stride)
        extents = token_extents(docs)
        tokens = align_tokens(docs, extents, pieces)
        layout = make_layout(pieces, windows, *tokens, extents)
        return self.rows_of(pieces, windows), layout

    def rows_of(self, pieces: Wordpieces, windows: Windows) -> EncoderInput:
        """RETURNS (EncoderInput): Windows with special tokens, and what to keep of each."""
        cls, sep = [self.wordpieces.cls_id], [self.wordpieces.sep_id]
        ids = [
            numpy.concatenate([cls, pieces.ids[start:end], sep])
            for start, end in zip(windows.starts, windows.ends)
        ]
        lengths = windows.ends - windows.starts + N_SPECIAL
        origin = numpy.cumsum(lengths) - lengths
        first_kept = origin + 1 + windows.kept_starts - windows.starts
        kept_pieces = ranges(first_kept, windows.kept_ends - windows.kept_starts)
        return EncoderInput(ids, numpy.concatenate([kept_pieces, origin, origin + lengths - 1]))

    def run(self, rows: EncoderInput, is_train: bool) -> tuple[torch.Tensor, Callable]:
        """Forward pass. The callback adds the weights' gradients to those that are there.

        RAISES (RuntimeError): If this is a fork of a process that has used the GPU.
        """
        self.check_process(self.name, self.module.device)
        with self.lock.alone() if is_train else self.lock.shared():
            if is_train:
                self.module.adapt()
            output = self.module.encode(rows, is_train=is_train)

        def backprop(dHidden: torch.Tensor) -> None:
            if output.requires_grad:
                with self.lock.alone(), coded_in_training(self.module.device):
                    self.module.train()  # for activations that are computed again
                    output.backward(dHidden if self.scaler is None else self.scaler.scale(dHidden))

        return output, backprop

    def training_state(self) -> dict[str, torch.Tensor]:
        state = super().training_state()
        if self.module is not None and self.module.is_adapted:
            state |= with_prefix(ADAPTER, adapter_state(self.module.transformer))
        return state

    def load_training_state(self, tensors: dict[str, torch.Tensor]) -> None:
        adapter = below_prefix(ADAPTER, tensors)
        if adapter:
            self.module.adapt()
            self.module.transformer.load_state_dict(adapter, strict=False)
        super().load_training_state(tensors)

    def step(self, settings: AdamWSettings) -> None:
        with self.lock.alone():
            super().step(settings)
            self._weights_changed()

    @contextmanager
    def use_params(self, params: dict[Any, Any]) -> Iterator[None]:
        try:
            with super().use_params(params):
                self._weights_changed()
                yield
        finally:
            self._weights_changed()

    def _weights_changed(self) -> None:
        if self.module is not None:
            self.module.weights_changed()

    def copy(self) -> "BackboneShim":
        shim = BackboneShim(self.name, self.window, self.stride, self.settings)
        if self.module is not None:
            shim.from_bytes(self.to_bytes())
        return shim

    def to_checkpoint(self) -> Checkpoint:
        """RETURNS (Checkpoint): Encoder and tokenizer as `transformers` knows them: what adapters
        have learnt is in the weights.
        """
        return Checkpoint(self.module.plain_transformer(), self.tokenizer)

    def to_folder(self, path: Path) -> None:
        """Write a folder that `transformers` opens by itself."""
        with noting_checksums(path):
            save_folder(self.to_checkpoint(), path)
            if self.settings.layers == "scalar_mix":
                mixture = torch.nn.ParameterDict(
                    {name: getattr(self.module, name) for name in MIXTURE}
                )
                (path / MIXTURE_FILE).write_bytes(module_to_bytes(mixture))
        self.place = (path.resolve(), self.report.n_steps)

    def from_folder(self, path: Path) -> None:
        with LOADING:
            checkpoint = load_folder(path)
            mixture = None
            if self.settings.layers == "scalar_mix":
                with coded_damage("mixture of layers", path / MIXTURE_FILE):
                    mixture = safetensors.torch.load_file(path / MIXTURE_FILE)
            self.load(checkpoint, mixture)
        self.place = (path.resolve(), self.report.n_steps)

    def to_bytes(self) -> bytes:
        if self.module is None:
            return srsly.msgpack_dumps({})
        with tempfile.TemporaryDirectory() as folder:
            self.to_folder(Path(folder))
            files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        return srsly.msgpack_dumps(files)

    def from_bytes(self, data: bytes) -> "BackboneShim":
        files = srsly.msgpack_loads(data)
        if files:
            with tempfile.TemporaryDirectory() as folder:
                for name, content in files.items():
                    (Path(folder) / name).write_bytes(content)
                self.from_folder(Path(folder))
        return self

    def __getstate__(self) -> bytes:
        return srsly.msgpack_dumps(
            {
                "init": [self.name, self.window, self.stride, asdict(self.settings)],
                "files": self.to_bytes(),
            }
        )

    def __setstate__(self, data: bytes) -> None:
        message = srsly.msgpack_loads(data)
        name, window, stride, settings = message["init"]
        if settings["adapter"] is not None:
            settings["adapter"] = make_lora(**settings["adapter"])
        self.__init__(name, window, stride, EncoderSettings(**settings))  # type: ignore[misc]
        self.from_bytes(message["files"])


def longest_input(checkpoint: Checkpoint) -> int:
    """RETURNS (int): The most wordpieces that the encoder takes, special tokens included."""
    config = checkpoint.encoder.config
    positions = getattr(config, "max_position_embeddings", -1)
    if positions <= 0:
        return checkpoint.tokenizer.model_max_length
    # RoBERTa and its kin count positions from pad_token_id + 1.
    embeddings = getattr(checkpoint.encoder, "embeddings", None)
    padding = getattr(getattr(embeddings, "position_embeddings", None), "padding_idx", None)
    return positions - (0 if padding is None else padding + 1)


def load_mixture(module: BertEncoder, mixture: dict[str, torch.Tensor]) -> None:
    """RAISES (ValueError): If the tensors are not those of the module's layers."""
    found = [getattr(mixture.get(name), "shape", None) for name in MIXTURE]
    expected = [getattr(module, name).shape for name in MIXTURE]
    if found != expected:
        reason = f"{MIXTURE_FILE} has {found}, expected {expected}"
        raise CodedValueError(Errors.B039.format(reason=reason))
    check_finite(mixture.items(), MIXTURE_FILE)
    module.load_state_dict(mixture, strict=False)
