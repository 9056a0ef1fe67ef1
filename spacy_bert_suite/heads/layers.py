"""Layers that heads share: output layer, pooler, and the way to the backbone's pooler."""

from typing import Any

from thinc.api import Model
from torch import nn

from ..backbone.passes.shared import SharedEncoder
from ..backbone.shim import BackboneShim


class PoolerSource(SharedEncoder):
    """A second layer of a head behind a listener: reaches the backbone, whose pooler the head
    begins with. It makes no pass; as a layer it is the identity.

    Saved pipelines have it: without this layer they could not be loaded.
    """

    def __init__(self, upstream_name: str):
        super().__init__("pooler-source", pass_on, upstream_name)


def pass_on(model: Model, X: Any, is_train: bool) -> tuple[Any, Any]:
    return X, lambda dY: dY


def copy_pooler(backbone: BackboneShim, head: nn.Module) -> None:
    """Begin with the pooler of the backbone, if it has one of this width.

    backbone (BackboneShim): Its module is an encoder of wordpieces.
    head (Module): Whose `pooler` is one of `make_pooler`.
    """
    pooler = getattr(backbone.module.transformer, "pooler", None)
    pretrained = getattr(pooler, "dense", None)
    layer: Any = head.get_submodule("pooler.0")
    if isinstance(pretrained, nn.Linear) and pretrained.weight.shape == layer.weight.shape:
        layer.load_state_dict(pretrained.state_dict())


def make_pooler(width: int, activation: str) -> nn.Sequential:
    """What stands between [CLS] and the output: in BERT its pooler."""
    return nn.Sequential(make_output(width, width), getattr(nn, activation)())


def make_output(width: int, n_out: int) -> nn.Linear:
    """The linear layer of Devlin et al. 2019: weights from a normal of deviation 0.02."""
    output = nn.Linear(width, n_out)
    nn.init.normal_(output.weight, std=0.02)
    nn.init.zeros_(output.bias)
    return output
