"""Layers that run texts of their own through the backbone's weights."""

from typing import Any, Callable, List

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

    def bind(self, backbone: Model, component_name: str, trainable: bool) -> None:
        self.backbone[:] = [backbone]
        self.component_name = component_name
        self.trains_backbone = trainable

    def get_backbone(self) -> Any:
        """RETURNS (BackboneShim): The weights and the tokenizer.
        RAISES (ValueError): If the backbone is not in the pipeline.
        """
        if not self.backbone:
            name, upstream = self.component_name, self.upstream_name
            raise ValueError(Errors.B032.format(name=name, upstream=upstream))
        return get_backbone(self.backbone[0])
