"""The thinc side of the backbone: docs in, `BertStates` out, one set of weights."""

import tempfile
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy
import safetensors.torch
import srsly
import torch
from spacy.tokens import Doc
from thinc.api import Model

from ..errors import Errors
from .adapters import LoRA, adapter_state, make_lora
from .damage import coded_damage, noting_checksums
from .encoder import LAYERS, BertEncoder, EncoderSettings, Rows
from .forks import ProcessCheck
from .listener import BertListener
from .memory import coded_in_training
from .moments import below_prefix, with_prefix
from .precision import DTYPES
from .shim import AdamWSettings, TorchShim, get_shim, module_to_bytes
from .sources import Checkpoint, load_checkpoint, load_folder, save_folder
from .states import BertStates, Layout, make_layout
from .wordpieces import (
    Windows,
    Wordpieces,
    WordpieceTokenizer,
    align_tokens,
    make_windows,
    ranges,
)

N_SPECIAL = 2  # [CLS] and [SEP] around every window
MIXTURE_FILE = "layers.safetensors"
MIXTURE = ("mix_weights", "mix_gamma")
ADAPTER = "adapter/"  # before names in the state of training


def BertModel(
    name: str = "embedded",
    window: int = 256,
    stride: int = 192,
    max_batch_pieces: int = 8192,
    precision: str = "auto",
    device: str = "auto",
    layers: str = "last",
    activation_checkpointing: bool = False,
    freeze_layers: int = 0,
    layerwise_lr_decay: float = 1.0,
    lr_scale: float = 1.0,
    adapter: Optional[LoRA] = None,
) -> Model[List[Doc], BertStates]:
    """Build the backbone. Weights load in `initialize`, `from_disk`, or at first use.

    name (str): "embedded" (all-MiniLM-L6-v2 from its package), a folder, or a hub id.
    window (int): Wordpieces in a window, special tokens included.
    stride (int): Wordpieces from the start of a window to the start of the next.
    max_batch_pieces (int): Most padded wordpieces in one forward pass.
    precision (str): auto | fp32 | bf16 | fp16. Weights stay float32 on disk and in training.
    device (str): auto | cpu | cuda | cuda:N | mps.
    layers (str): last | last4_concat | last4_sum | scalar_mix.
    activation_checkpointing (bool): Compute activations twice to save memory in training.
    freeze_layers (int): The embeddings and the first n layers keep their weights; 0 for none.
    layerwise_lr_decay (float): Factor on the learning rate from each layer to the one below.
    lr_scale (float): Factor on the learning rate of the whole backbone; heads learn at the full
        one.
    adapter (Optional[LoRA]): Train small matrices beside the weights instead of these.
    RETURNS (Model): The backbone.
    RAISES (ValueError): If a value is out of its range.
    """
    _check("window", window, window > N_SPECIAL, f"an integer above {N_SPECIAL}")
    most = window - N_SPECIAL
    advice = f"between 1 and {most} for a window of {window}, for example {window * 3 // 4}"
    _check("stride", stride, 0 < stride <= most, advice)
    _check("max_batch_pieces", max_batch_pieces, max_batch_pieces >= window, "at least window")
    _check("precision", precision, precision in ("auto", *DTYPES), "auto, fp32, bf16 or fp16")
    _check("layers", layers, layers in LAYERS, " or ".join(LAYERS))
    _check("freeze_layers", freeze_layers, freeze_layers >= 0, "0 or more")
    decays = 0 < layerwise_lr_decay <= 1
    _check("layerwise_lr_decay", layerwise_lr_decay, decays, "above 0 and at most 1")
    _check("lr_scale", lr_scale, lr_scale > 0, "above 0")
    settings = EncoderSettings(
        max_batch_pieces,
        precision,
        device,
        layers,
        activation_checkpointing,
        freeze_layers,
        layerwise_lr_decay,
        lr_scale,
        adapter,
    )
    return Model(
        "bert",
        forward,
        init=init,
        dims={"nO": None},
        shims=[BackboneShim(name, window, stride, settings)],
        attrs={"replace_listener": replace_listener},
    )


def forward(
    model: Model[List[Doc], BertStates], docs: Sequence[Doc], is_train: bool
) -> Tuple[BertStates, Callable]:
    """Encode docs. The backprop callback takes dRows, the gradient of `states.rows`."""
    backbone = get_backbone(model)
    rows, layout = backbone.prepare(docs)
    output, backprop = backbone.run(rows, is_train and not model.attrs.get("frozen", False))
    return BertStates(output.detach(), layout), backprop


def init(model: Model[List[Doc], BertStates], X=None, Y=None) -> None:
    get_backbone(model, download=True)


def get_backbone(model: Model, *, download: bool = False) -> "BackboneShim":
    """RETURNS (BackboneShim): The weights and the tokenizer, loaded if they were not yet."""
    backbone: BackboneShim = get_shim(model)
    if backbone.module is None:
        backbone.load(load_checkpoint(backbone.name, download=download))
    # By force: weights of another width may have been loaded since.
    model.set_dim("nO", backbone.module.width, force=True)
    return backbone


def load_again(model: Model) -> Model:
    """RETURNS (Model): A backbone with the weights that the name of this one stands for, without
    what it has learnt since. Random numbers are as they were.
    """
    backbone = get_backbone(model)
    settings = replace(backbone.settings, adapter=None)
    shim = BackboneShim(backbone.name, backbone.window, backbone.stride, settings)
    again: Model = Model("bert", forward, dims={"nO": None}, shims=[shim])
    with torch.random.fork_rng():
        get_backbone(again)
    return again


def replace_listener(model: Model, listener: Model, component: Any) -> Model:
    """Called by `nlp.replace_listeners`: the copied backbone takes the listener's place. It
    learns with its component, unless the backbone `component` does not.
    """
    if not isinstance(listener, BertListener):
        raise ValueError(Errors.B033.format(name=listener.name))
    if component.has_unfinished_step:  # spaCy has made its copy before it was taken
        component.settle()
        model.shims[0] = get_shim(component.model).copy()
    model.attrs["frozen"] = not component.is_trainable
    component.give_copy(model, listener.component_name)
    return model


def find_backbone(model: Model) -> Optional[Model]:
    """RETURNS (Optional[Model]): The backbone inside the model of a component, if it has one of its
    own.
    """
    return next((node for node in model.walk() if is_backbone(node)), None)


def is_backbone(node: Model) -> bool:
    return any(isinstance(shim, BackboneShim) for shim in node.shims)


class BackboneShim(TorchShim):
    """The encoder, its tokenizer, and the cutting of docs into windows."""

    def __init__(self, name: str, window: int, stride: int, settings: EncoderSettings):
        super().__init__(build=BertEncoder, cfg={})
        self.name = name
        self.window = window
        self.stride = stride
        self.settings = settings
        self.tokenizer: Any = None
        self.wordpieces: Any = None
        self.check_process = ProcessCheck()

    def load(self, checkpoint: Checkpoint, mixture: Optional[Dict[str, torch.Tensor]] = None):
        """Take the weights and the tokenizer of a checkpoint."""
        limit = longest_input(checkpoint)
        if self.window > limit:
            raise ValueError(Errors.B021.format(window=self.window, name=self.name, limit=limit))
        self.tokenizer = checkpoint.tokenizer
        self.wordpieces = WordpieceTokenizer(checkpoint.tokenizer)
        self.module = BertEncoder(checkpoint.encoder, self.settings)
        if mixture is not None:
            self._load_mixture(mixture)
        if self.module.dtype == torch.float16:
            self.scaler = torch.amp.GradScaler(self.module.device.type)

    def _load_mixture(self, mixture: Dict[str, torch.Tensor]) -> None:
        parameters = [getattr(self.module, name) for name in MIXTURE]
        found = [getattr(mixture.get(name), "shape", None) for name in MIXTURE]
        expected = [parameter.shape for parameter in parameters]
        if found != expected:
            reason = f"{MIXTURE_FILE} has {found}, expected {expected}"
            raise ValueError(Errors.B039.format(reason=reason))
        self.module.load_state_dict(mixture, strict=False)

    def prepare(self, docs: Sequence[Doc]) -> Tuple[Rows, Layout]:
        """Cut docs into windows, and note where each state will lie."""
        pieces = self.wordpieces([doc.text for doc in docs])
        windows = make_windows(pieces.offsets, self.window - N_SPECIAL, self.stride)
        layout = make_layout(pieces, windows, *align_tokens(docs, pieces))
        return self.rows_of(pieces, windows), layout

    def rows_of(self, pieces: Wordpieces, windows: Windows) -> Rows:
        """RETURNS (Rows): The windows with their special tokens, and what to keep of each."""
        cls, sep = [self.wordpieces.cls_id], [self.wordpieces.sep_id]
        ids = [
            numpy.concatenate([cls, pieces.ids[start:end], sep])
            for start, end in zip(windows.starts, windows.ends)
        ]
        lengths = windows.ends - windows.starts + N_SPECIAL
        origin = numpy.cumsum(lengths) - lengths
        first_kept = origin + 1 + windows.kept_starts - windows.starts
        kept_pieces = ranges(first_kept, windows.kept_ends - windows.kept_starts)
        return Rows(ids, numpy.concatenate([kept_pieces, origin, origin + lengths - 1]))

    def run(self, rows: Rows, is_train: bool) -> Tuple[torch.Tensor, Callable]:
        """Forward pass. The callback adds the weights' gradients to those that are there.

        RAISES (RuntimeError): If this is a fork of a process that has used the GPU.
        """
        self.check_process(self.name, self.module.device)
        if is_train:
            self.module.adapt()
        output = self.module.encode(rows, is_train=is_train)

        def backprop(dRows: torch.Tensor) -> None:
            if output.requires_grad:
                with coded_in_training(self.module.device):
                    output.backward(dRows if self.scaler is None else self.scaler.scale(dRows))

        return output, backprop

    def training_state(self) -> Dict[str, torch.Tensor]:
        state = super().training_state()
        if self.module is not None and self.module.is_adapted:
            state |= with_prefix(ADAPTER, adapter_state(self.module.transformer))
        return state

    def load_training_state(self, tensors: Dict[str, torch.Tensor]) -> None:
        adapter = below_prefix(ADAPTER, tensors)
        if adapter:
            self.module.adapt()
            self.module.transformer.load_state_dict(adapter, strict=False)
        super().load_training_state(tensors)

    def step(self, settings: AdamWSettings) -> None:
        super().step(settings)
        self._weights_changed()

    @contextmanager
    def use_params(self, params: Dict[Any, Any]) -> Iterator[None]:
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

    def from_folder(self, path: Path) -> None:
        checkpoint = load_folder(path)
        mixture = None
        if self.settings.layers == "scalar_mix":
            with coded_damage("mixture of layers", path / MIXTURE_FILE):
                mixture = safetensors.torch.load_file(path / MIXTURE_FILE)
        self.load(checkpoint, mixture)

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


def _check(key: str, value: Any, holds: bool, expected: str) -> None:
    if not holds:
        raise ValueError(Errors.B020.format(key=key, value=value, expected=expected))
