"""Layers that run texts of their own through the backbone's weights."""

from typing import Any, Callable, List, Optional
from weakref import ref

from thinc.api import Model

from ..errors import Errors
from .model import get_backbone


class BoundEncoder(Model):
    """A layer that holds no copy of the weights: the backbone is bound when the pipeline is
    linked, so weights are saved once and stepped once. Gradients add to those of the listeners.
    """

    def __init__(self, name: str, forward: Callable, upstream_name: str):
        super().__init__(name, forward, dims={"nO": None})
        self.upstream_name = upstream_name
        self.component_name = "the component"
        self.backbone: List[Model] = []  # in a list: no sublayer
        self.trains_backbone = True
        self.owner = Owner()

    def bind(
        self,
        backbone: Model,
        component_name: str,
        trainable: bool,
        owner: Optional["Owner"] = None,
    ) -> None:
        self.backbone[:] = [backbone]
        self.component_name = component_name
        self.trains_backbone = trainable
        self.owner = owner or Owner()

    def settle(self) -> None:
        """Let the backbone finish its last training step, before texts outside the stream of the
        pipeline are encoded.
        """
        component = self.owner.get()
        if component is not None:
            component.settle()

    def get_backbone(self) -> Any:
        """RETURNS (BackboneShim): The weights and the tokenizer.
        RAISES (ValueError): If the backbone is not in the pipeline.
        """
        if not self.backbone:
            name, upstream = self.component_name, self.upstream_name
            raise ValueError(Errors.B032.format(name=name, upstream=upstream))
        return get_backbone(self.backbone[0])


class Owner:
    """The backbone's component, which goes when its pipeline goes."""

    def __init__(self, component: Any = None):
        self._component = None if component is None else ref(component)

    def get(self) -> Any:
        return None if self._component is None else self._component()

    def __reduce__(self):
        return Owner, ()
