"""A torch module behind a listener, a text pass or a pair pass: one forward, one init."""

from typing import NamedTuple

import pytest
import spacy
import torch
from conftest import bert_model
from torch import nn

from spacy_bert_suite.backbone.model import BertModel
from spacy_bert_suite.backbone.passes.pairs import PairEncoder
from spacy_bert_suite.backbone.passes.texts import TextEncoder
from spacy_bert_suite.core.torch_shim import get_shim
from spacy_bert_suite.heads.glue import built_module, make_head, with_graph
from spacy_bert_suite.heads.layers import PoolerSource, make_pooler

TEXTS = {"text": ["Anna works", "in Paris"], "pair": [("Anna works", "in Paris"), ("a", "b")]}


class Outputs(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor
    inputs: list


class Head(nn.Module):
    """Two outputs of all rows, and what they are of."""

    def __init__(self, cfg):
        super().__init__()
        self.output = nn.Linear(cfg["width"], cfg["n_out"])
        if cfg.get("pooling") == "pooler":
            self.pooler = make_pooler(cfg["width"], "Tanh")

    def forward(self, states, inputs):
        logits = self.output(states.hidden.float())
        return Outputs(logits, logits.exp(), list(inputs))


@pytest.fixture
def backbone(tiny_bert):
    values = {key: value for key, value in bert_model(tiny_bert).items() if key[0] != "@"}
    return BertModel(**values)


def head_of(kind, backbone, **cfg):
    encoder = {"text": TextEncoder, "pair": PairEncoder}[kind]("bert")
    encoder.bind(backbone, "a head", trainable=True)
    return make_head("head", [encoder], Head, cfg, 3)


@pytest.mark.parametrize("kind", TEXTS)
def test_forward_needs_a_built_module_of_this_width(backbone, kind):
    model = head_of(kind, backbone)
    with pytest.raises(ValueError, match="B050.*a head"):
        model.predict(TEXTS[kind])
    model.initialize()
    shim = get_shim(model)
    assert shim.cfg == {"width": 16, "n_out": 3} and model.get_dim("nI") == 16
    assert built_module(model, 16) is shim.module
    with pytest.raises(ValueError, match="B040.*16.*8"):
        built_module(model, 8)


@pytest.mark.parametrize("kind", TEXTS)
def test_outputs_have_no_graph_and_keep_what_is_no_tensor(backbone, kind):
    model = head_of(kind, backbone)
    model.initialize()
    predicted = model.predict(TEXTS[kind])
    trained, _ = model.begin_update(TEXTS[kind])
    for outputs in (predicted, trained):
        assert not outputs.first.requires_grad and outputs.inputs == TEXTS[kind]


@pytest.mark.parametrize("kind", TEXTS)
def test_a_missing_gradient_is_none(backbone, kind):
    """The gradient of one output alone, of none, and of all."""
    model = head_of(kind, backbone)
    model.initialize()
    shim = get_shim(model)
    weight = shim.module.output.weight
    embeddings = get_shim(backbone).module.transformer.get_input_embeddings().weight
    found = []
    for given in ((True, False), (False, True), (True, True), (False, False)):
        torch.manual_seed(0)
        outputs, backprop = model.begin_update(TEXTS[kind])
        weight.grad = embeddings.grad = None
        gradients = [
            torch.ones_like(y) if is_given else None for y, is_given in zip(outputs, given)
        ]
        assert backprop(gradients) == []
        found.append((weight.grad, embeddings.grad))
    (one, up_one), (two, up_two), (both, up_both), (none, up_none) = found
    assert torch.allclose(one + two, both, atol=1e-5) and not torch.equal(one, both)
    assert torch.allclose(up_one + up_two, up_both, atol=1e-4)
    assert none is None and up_none is None


def test_a_head_with_a_pooler_begins_with_that_of_the_backbone(backbone):
    model = head_of("pair", backbone, pooling="pooler")
    model.initialize()
    pooler = get_shim(backbone).module.transformer.pooler.dense
    own = get_shim(model).module.pooler[0]
    assert torch.equal(own.weight, pooler.weight) and own.weight is not pooler.weight


def test_a_backbone_in_the_listeners_place_is_initialized(backbone):
    model = make_head("head", [backbone], Head, {}, 2)
    model.initialize()
    outputs = model.predict([spacy.blank("en")("Anna works")])
    assert outputs.first.shape[1] == 2


def test_the_pooler_source_is_the_identity():
    output, backprop = PoolerSource("bert")([1, 2], is_train=True)
    assert output == [1, 2] and backprop(3) == 3


def test_with_graph_hands_on_the_gradient(backbone):
    states = TextEncoder("bert")
    states.bind(backbone, "a head", trainable=False)
    found = states.predict(["Anna works"])
    handed = []
    output, hand_on = with_graph(found, handed.append, lambda leaf: 2 * leaf.hidden)
    hand_on()
    assert handed == []  # nothing was learnt
    output.sum().backward()
    hand_on()
    assert torch.equal(handed[0], torch.full_like(found.hidden, 2.0))
    assert found.hidden.grad is None
