"""A torch module as the head of a thinc model: forward, backward and initialization."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from thinc.api import Model
from torch import nn

from ..backbone.hidden_states import BertStates
from ..backbone.passes.pairs import PairStates
from ..backbone.passes.shared import SharedEncoder
from ..core.torch_shim import TorchShim, get_shim
from ..errors import CodedValueError, Errors
from .layers import copy_pooler

Gradients = Sequence[torch.Tensor | None]
States = TypeVar("States", BertStates, PairStates)
Output = TypeVar("Output")


def make_head(
    name: str,
    encoders: Sequence[Model],
    build: Callable[[dict[str, Any]], nn.Module],
    cfg: dict[str, Any],
    nO: int | None = None,
    free: Sequence[str] = (),
) -> Model:
    """Put a torch module behind a layer that gives hidden states: a listener, which takes docs, or
    an encoder that makes a pass of its own over texts or pairs of texts.

    encoders (Sequence[Model]): The first one gives the states. Others reach the backbone for what
        else the head needs.
    build (Callable): Makes the module from `cfg`, "width" and "n_out". The module is called
        with states and what they are of, and returns a NamedTuple of tensors and other values.
    free (Sequence[str]): Keys of `cfg` that may be changed when a saved head is loaded.
    """
    shim = TorchShim(build, cfg, free)
    dims = {"nO": nO, "nI": None}
    return Model(name, forward, init=init, layers=[*encoders], dims=dims, shims=[shim])


def forward(model: Model, inputs: Sequence[Any], is_train: bool) -> tuple[Any, Callable]:
    """The backprop callback takes a tuple of gradients, one per output (None for no gradient)."""
    states, accumulate = model.layers[0](inputs, is_train)
    module = built_module(model, states.hidden.shape[1])
    lock = get_shim(model).lock
    if not is_train:
        with lock.shared(), torch.no_grad():
            on_device(module, states.hidden.device).eval()
            return module(states, inputs), _no_backprop
    with lock.alone():
        on_device(module, states.hidden.device).train()
        outputs, hand_on = with_graph(states, accumulate, lambda leaf: module(leaf, inputs))

    def backprop(dOutputs: Gradients) -> list:
        pairs = [(y, dY) for y, dY in zip(outputs, dOutputs) if dY is not None]
        with lock.alone():
            torch.autograd.backward([y for y, _ in pairs], [dY for _, dY in pairs])
        hand_on()
        return []

    return type(outputs)(*map(_detached, outputs)), backprop


def on_device(module: nn.Module, device: torch.device) -> nn.Module:
    """RETURNS (Module): The module, moved if it was elsewhere: moving takes up the gradients too,
    with which another thread may be training.
    """
    here = next((parameter.device for parameter in module.parameters()), device)
    return module if here == device else module.to(device)


def with_graph(
    states: States, accumulate: Callable[[torch.Tensor], Any], module: Callable[[States], Output]
) -> tuple[Output, Callable[[], None]]:
    """Run a torch module on states whose gradient stops here: the backbone's own backward pass
    comes later.

    accumulate (Callable): Takes the gradient of the states' rows, for the backbone.
    RETURNS (tuple[Any, Callable]): What the module gives, with its graph; and what to call after
        the backward pass through it, to hand the gradient on.
    """
    hidden = states.hidden.detach().requires_grad_()
    with torch.enable_grad():
        output = module(replace(states, hidden=hidden))

    def hand_on() -> None:
        if hidden.grad is not None:
            accumulate(hidden.grad)

    return output, hand_on


def built_module(model: Model, width: int) -> Any:
    """width (int): Of the states that it is to work on.
    RETURNS (Module): The torch module of a head.
    RAISES (ValueError): If it is not built yet, or on states of another width.
    """
    shim = get_shim(model)
    name = getattr(model.layers[0], "component_name", model.name)
    if shim.module is None:
        raise CodedValueError(Errors.B050.format(name=name))
    if shim.cfg["width"] != width:
        raise CodedValueError(
            Errors.B040.format(name=name, expected=shim.cfg["width"], width=width)
        )
    return shim.module


def init(model: Model, X: Any = None, Y: Any = None) -> None:
    """Build a new module; `nO` is the number of outputs, the width comes from the backbone."""
    shim, width = get_shim(model), states_width(model.layers[0])
    model.set_dim("nI", width, force=True)
    shim.cfg.update(width=width, n_out=model.get_dim("nO"))
    shim.build_module()
    if shim.cfg.get("pooling") == "pooler":
        sources = (layer for layer in model.layers if isinstance(layer, SharedEncoder))
        copy_pooler(next(sources).get_backbone(), shim.module)


def states_width(encoder: Model) -> int:
    """RETURNS (int): Width of the states that a listener or an encoder gives.
    RAISES (ValueError): If no backbone is bound to it.
    """
    if isinstance(encoder, SharedEncoder):
        return encoder.get_backbone().module.width
    if not encoder.has_dim("nO"):  # a backbone of its own, in a listener's place
        encoder.initialize()
    if not encoder.has_dim("nO"):
        name = getattr(encoder, "component_name", encoder.name)
        raise CodedValueError(Errors.B038.format(name=name))
    return encoder.get_dim("nO")


def _detached(output: Any) -> Any:
    return output.detach() if isinstance(output, torch.Tensor) else output


def _no_backprop(dOutputs: Any) -> list:
    return []
