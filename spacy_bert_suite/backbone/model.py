"""BertModel.v1: the thinc model of the backbone, from docs to `BertStates`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from spacy.tokens import Doc
from thinc.api import Model

from ..core.device import DTYPES
from ..core.locks import LOADING
from ..core.torch_shim import get_shim
from ..errors import CodedValueError, Errors
from .encoder.adapters import LoRA
from .encoder.settings import LAYERS, EncoderSettings
from .hidden_states import BertStates
from .input.windows import N_SPECIAL
from .listener import BertListener
from .shim import BackboneShim
from .weights.loading import load_checkpoint


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
    adapter: LoRA | None = None,
) -> Model[list[Doc], BertStates]:
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
    adapter (LoRA | None): Train small matrices beside the weights instead of these.
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
    model: Model[list[Doc], BertStates], docs: Sequence[Doc], is_train: bool
) -> tuple[BertStates, Callable]:
    """Encode docs. The backprop callback takes dHidden, the gradient of `states.hidden`."""
    backbone = get_backbone(model)
    rows, layout = backbone.prepare(docs)
    output, backprop = backbone.run(rows, is_train and not model.attrs.get("frozen", False))
    return BertStates(output.detach(), layout), backprop


def init(model: Model[list[Doc], BertStates], X=None, Y=None) -> None:
    get_backbone(model, download=True)


def get_backbone(model: Model, *, download: bool = False) -> "BackboneShim":
    """RETURNS (BackboneShim): The weights and the tokenizer, loaded if they were not yet."""
    backbone: BackboneShim = get_shim(model)
    if backbone.module is None:
        with LOADING:
            if backbone.module is None:  # no other thread was faster
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
        raise CodedValueError(Errors.B033.format(name=listener.name))
    if component.has_pending_step:  # spaCy has made its copy before it was taken
        component.flush_pending_step()
        model.shims[0] = get_shim(component.model).copy()
    model.attrs["frozen"] = not component.is_trainable
    component.links.give_copy(model, listener.component_name)
    return model


def find_backbone(model: Model) -> Model | None:
    """RETURNS (Model | None): The backbone inside the model of a component, if it has one of its
    own.
    """
    return next((node for node in model.walk() if is_backbone(node)), None)


def is_backbone(node: Model) -> bool:
    return any(isinstance(shim, BackboneShim) for shim in node.shims)


def _check(key: str, value: Any, holds: bool, expected: str) -> None:
    if not holds:
        raise CodedValueError(Errors.B020.format(key=key, value=value, expected=expected))
