"""References to parameters and gradients of a pipeline, in torch or thinc."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from spacy.language import Language
from thinc.api import Model
from thinc.util import torch2xp, xp2torch

from ...core.torch_shim import module_of


class TensorRef(Protocol):
    """A place for a tensor that may be empty. What fills it has the shape of `like`."""

    @property
    def like(self) -> torch.Tensor: ...

    def get(self) -> torch.Tensor | None: ...

    def set(self, value: torch.Tensor) -> None: ...


class Gradient(TensorRef, Protocol):
    """A place for a gradient, which can be emptied."""

    def clear(self) -> None: ...


@dataclass(frozen=True)
class TorchGradient:
    """Of a parameter of torch."""

    parameter: torch.nn.Parameter

    @property
    def like(self) -> torch.Tensor:
        return self.parameter.detach()

    def get(self) -> torch.Tensor | None:
        return self.parameter.grad

    def set(self, value: torch.Tensor) -> None:
        self.parameter.grad = value

    def clear(self) -> None:
        self.parameter.grad = None


@dataclass(frozen=True)
class TorchValue:
    """A weight of torch itself, or a buffer."""

    tensor: torch.Tensor

    @property
    def like(self) -> torch.Tensor:
        return self.tensor

    def get(self) -> torch.Tensor | None:
        return self.tensor

    def set(self, value: torch.Tensor) -> None:
        self.tensor.copy_(value)


@dataclass(frozen=True)
class ThincGradient:
    """Of a parameter of thinc."""

    node: Model
    name: str

    @property
    def like(self) -> torch.Tensor:
        return xp2torch(self.node.get_param(self.name))

    def get(self) -> torch.Tensor | None:
        if not self.node.has_grad(self.name):
            return None
        return xp2torch(self.node.get_grad(self.name))

    def set(self, value: torch.Tensor) -> None:
        self.node.set_grad(self.name, as_array(value))

    def clear(self) -> None:
        """As a step of thinc leaves it."""
        if self.node.has_grad(self.name):
            self.node.get_grad(self.name).fill(0.0)


@dataclass(frozen=True)
class ThincValue:
    """A weight of thinc itself."""

    node: Model
    name: str

    @property
    def like(self) -> torch.Tensor:
        return xp2torch(self.node.get_param(self.name))

    def get(self) -> torch.Tensor | None:
        return self.like

    def set(self, value: torch.Tensor) -> None:
        self.node.set_param(self.name, as_array(value))


def as_array(value: torch.Tensor) -> Any:
    return torch2xp(value.clone().contiguous())


def gradients_of(pipes: Sequence[Any], but: tuple[type, ...] = ()) -> list[Gradient]:
    """but (tuple[type]): Kinds of shims that are left out.
    RETURNS (list[Gradient]): Places of all gradients, in the same order in every process.
    """
    slots: list[Gradient] = []
    for node in nodes_of(pipes):
        slots += [ThincGradient(node, name) for name in node.param_names if node.has_param(name)]
        for module in modules_of(node, but):
            slots += [TorchGradient(parameter) for parameter in module.parameters()]
    return slots


def values_of(nlp: Language) -> list[TensorRef]:
    """RETURNS (list[TensorRef]): Places of all weights, in the same order in every process."""
    slots: list[TensorRef] = []
    for node in nodes_of([pipe for _, pipe in nlp.pipeline]):
        slots += [ThincValue(node, name) for name in node.param_names if node.has_param(name)]
        for module in modules_of(node):
            tensors = [*module.parameters(), *module.buffers()]
            slots += [TorchValue(tensor.detach()) for tensor in tensors]
    return slots


def nodes_of(pipes: Sequence[Any]) -> Iterator[Model]:
    """YIELDS (Model): Each layer of their models, once."""
    seen = set()
    for pipe in pipes:
        model = getattr(pipe, "model", None)
        for node in model.walk() if isinstance(model, Model) else ():
            if id(node) not in seen:
                seen.add(id(node))
                yield node


def modules_of(node: Model, but: tuple[type, ...] = ()) -> Iterator[torch.nn.Module]:
    for shim in node.shims:
        module = module_of(shim)
        if module is not None and not isinstance(shim, but):
            yield module
