"""SharedEncoder: the base of layers that run the backbone on input of their own."""

from collections.abc import Callable, Sequence
from typing import Any
from weakref import ref

import torch
from spacy.tokens import Doc
from thinc.api import Model

from ...errors import CodedValueError, Errors
from ..encoder.inputs import EncoderInput
from ..listener import check_grad_factor, weighted
from ..model import get_backbone
from ..shim import BackboneShim


class SharedEncoder(Model):
    """A layer that holds no copy of the weights: the backbone is bound when the pipeline is
    linked, so weights are saved once and stepped once. Gradients add to those of the listeners.
    """

    def __init__(self, name: str, forward: Callable, upstream_name: str, grad_factor: float = 1.0):
        super().__init__(name, forward, dims={"nO": None})
        self.upstream_name = upstream_name
        self.grad_factor = check_grad_factor(grad_factor)
        self.component_name = "a component of this pipeline"
        self.backbone: list[Model] = []  # in a list: no sublayer
        self.trains_backbone = True
        self.in_training_batch = True
        self.owner = ComponentRef()

    def bind(
        self,
        backbone: Model,
        component_name: str,
        trainable: bool,
        owner: "ComponentRef | None" = None,
    ) -> None:
        self.backbone[:] = [backbone]
        self.component_name = component_name
        self.trains_backbone = trainable
        self.owner = owner or ComponentRef()

    def enter_batch(self, docs: Sequence[Doc]) -> None:
        """Before an update, look whether the backbone takes part in the training batch of these
        docs: it does not where it is excluded from the update. A copy of its own always does.
        """
        component = self.owner.get()
        self.in_training_batch = component is None or component.in_training_batch(docs)

    @property
    def reaches_backbone(self) -> bool:
        """RETURNS (bool): Whether the backbone learns from the passes in training."""
        return self.trains_backbone and self.in_training_batch and self.grad_factor > 0

    def flush_pending_step(self) -> None:
        """Let the backbone finish its last training step: needed where its weights are read
        without `run`.
        """
        component = self.owner.get()
        if component is not None:
            component.flush_pending_step()

    def get_backbone(self) -> BackboneShim:
        """RETURNS (BackboneShim): The weights and the tokenizer.
        RAISES (ValueError): If the backbone is not in the pipeline.
        """
        if not self.backbone:
            name, upstream = self.component_name, self.upstream_name
            raise CodedValueError(Errors.B032.format(name=name, upstream=upstream))
        return get_backbone(self.backbone[0])

    def run(self, rows: EncoderInput, is_train: bool) -> tuple[torch.Tensor, Callable]:
        """Run the backbone. In prediction it first finishes its last training step.

        RETURNS (tuple[Tensor, Callable]): States, and what adds up the backbone's gradients.
        """
        if not is_train:
            self.flush_pending_step()
        output, backprop = self.get_backbone().run(rows, is_train and self.reaches_backbone)
        return output.detach(), weighted(backprop, self.grad_factor)


class ComponentRef:
    """The backbone's component, which goes when its pipeline goes."""

    def __init__(self, component: Any = None):
        self._component = None if component is None else ref(component)

    def get(self) -> Any:
        return None if self._component is None else self._component()

    def __getstate__(self) -> tuple:
        return (self.get(),)

    def __setstate__(self, state: tuple) -> None:
        self.__init__(*state)  # type: ignore[misc]
