"""Layers that heads share."""

from types import SimpleNamespace

import torch
from torch import nn

from spacy_bert_suite.heads.layers import copy_pooler, make_output, make_pooler


def backbone(width):
    """What `copy_pooler` sees of one; None for one without a pooler."""
    pooler = None if width is None else SimpleNamespace(dense=nn.Linear(width, width))
    return SimpleNamespace(module=SimpleNamespace(transformer=SimpleNamespace(pooler=pooler)))


def test_the_output_layer_begins_small():
    torch.manual_seed(0)
    layer = make_output(400, 100)
    assert abs(float(layer.weight.detach().std()) - 0.02) < 0.001
    assert not layer.bias.any()


def test_a_pooler_is_copied_if_it_has_the_width():
    for width, is_copied in ((8, True), (4, False), (None, False)):
        head, source = nn.Module(), backbone(width)
        head.pooler = make_pooler(8, "ReLU")
        before = head.pooler[0].weight.clone()
        copy_pooler(source, head)
        assert torch.equal(head.pooler[0].weight, before) is not is_copied
        if is_copied:
            dense = source.module.transformer.pooler.dense
            assert torch.equal(head.pooler[0].weight, dense.weight)
            assert torch.equal(head.pooler[0].bias, dense.bias)
