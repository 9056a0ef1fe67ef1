"""Layers that heads share: output layer, pooler."""

from typing import Any

from torch import nn


def copy_pooler(source: Any, head: nn.Module) -> None:
    """Begin with the pooler of the backbone, if it has one of this width."""
    backbone = source.get_backbone().module.transformer
    theirs = getattr(getattr(backbone, "pooler", None), "dense", None)
    mine: Any = head.get_submodule("pooler.0")
    if isinstance(theirs, nn.Linear) and theirs.weight.shape == mine.weight.shape:
        mine.load_state_dict(theirs.state_dict())


def make_pooler(width: int, activation: str) -> nn.Sequential:
    """What stands between [CLS] and the output: in BERT its pooler."""
    return nn.Sequential(make_output(width, width), getattr(nn, activation)())


def make_output(width: int, n_out: int) -> nn.Linear:
    """The linear layer of Devlin et al. 2019: weights from a normal of deviation 0.02."""
    output = nn.Linear(width, n_out)
    nn.init.normal_(output.weight, std=0.02)
    nn.init.zeros_(output.bias)
    return output
