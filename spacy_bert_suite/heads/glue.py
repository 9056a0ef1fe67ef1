"""A torch module as the head of a thinc model: forward, backward and initialization."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from spacy.tokens import Doc
from thinc.api import Model
from torch import nn

from ..backbone.hidden_states import BertStates
from ..core.torch_shim import TorchShim, get_shim
from ..errors import CodedValueError, Errors
from .layers import copy_pooler


def make_head(
    name: str,
    bert: Model[list[Doc], BertStates],
    build: Callable[[dict[str, Any]], nn.Module],
    cfg: dict[str, Any],
    nO: int | None,
    free: Sequence[str] = (),
) -> Model:
    """Put a torch module behind a listener.

    build (Callable): Makes the module from `cfg`, "width" and "n_out". The module is called
        with `BertStates` and the docs and returns a NamedTuple of tensors.
    free (Sequence[str]): Keys of `cfg` that may be changed when a saved head is loaded.
    """
    shim = TorchShim(build, cfg, free)
    return Model(name, forward, init=init, layers=[bert], dims={"nO": nO, "nI": None}, shims=[shim])


def forward(model: Model, docs: Sequence[Doc], is_train: bool) -> tuple[Any, Callable]:
    """The backprop callback takes a tuple of gradients, one per output (None for no gradient)."""
    states, accumulate = model.layers[0](docs, is_train)
    module = built_module(model, states.width)
    module.to(states.rows.device).train(is_train)
    if not is_train:
        with torch.no_grad():
            return module(states, docs), _no_backprop
    # A leaf, so that the gradient stops here: the backbone's own backward pass comes later.
    rows = states.rows.detach().requires_grad_()
    with torch.enable_grad():
        outputs = module(replace(states, rows=rows), docs)

    def backprop(dOutputs: Sequence[torch.Tensor | None]) -> list[Doc]:
        pairs = [(y, dY) for y, dY in zip(outputs, dOutputs) if dY is not None]
        torch.autograd.backward([y for y, _ in pairs], [dY for _, dY in pairs])
        if rows.grad is not None:
            accumulate(rows.grad)
        return []

    return type(outputs)(*(y.detach() for y in outputs)), backprop


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


def init(model: Model, X=None, Y=None) -> None:
    """Build the module anew; `nO` is the number of labels, the width comes from the backbone."""
    shim, bert = get_shim(model), model.layers[0]
    if not bert.has_dim("nO"):  # a backbone of its own, in a listener's place
        bert.initialize()
    if not bert.has_dim("nO"):
        name = getattr(bert, "component_name", model.name)
        raise CodedValueError(Errors.B038.format(name=name))
    width = X.width if isinstance(X, BertStates) else bert.get_dim("nO")
    model.set_dim("nI", width, force=True)
    shim.cfg.update(width=width, n_out=model.get_dim("nO"))
    shim.module = shim.build(shim.cfg)
    for source in model.layers[1:]:
        copy_pooler(source, shim.module)


def _no_backprop(dOutputs: Any) -> list[Doc]:
    return []


def _no_forward(model: Model, X: Any, is_train: bool) -> tuple[Any, Callable]:
    return X, _no_backprop
