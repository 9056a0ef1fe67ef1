"""Gradual unfreezing: what is closed stays, costs nothing, and opens by the step alone."""

from functools import partial

import pytest
import torch
from conftest import make_examples
from spacy.util import registry

from spacy_bert_suite.backbone.encoder.layers import layer_of
from spacy_bert_suite.backbone.model import get_backbone

N_LAYERS = 4


def make_callback(**settings):
    return registry.callbacks.get("spacy-bert-suite.gradual_unfreezing.v1")(**settings)


def places(module):
    """Place of every parameter: 0 embeddings, 1 the lowest layer and so on."""
    return {
        name: 0 if layer_of(name) is None else layer_of(name) + 1
        for name, _ in module.named_parameters()
        if "pooler" not in name
    }


def changed_places(nlp, update):
    module = get_backbone(nlp.get_pipe("bert").model).module
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    update()
    after = dict(module.named_parameters())
    return {
        place
        for name, place in places(module).items()
        if not torch.equal(before[name], after[name])
    }


def train_step(nlp, optimizer, step, callback):
    callback(nlp, {"step": step, "epoch": 0})
    nlp.update(make_examples(nlp), sgd=False)
    for _, pipe in nlp.pipeline:
        if hasattr(pipe, "finish_update"):
            pipe.finish_update(optimizer)


@pytest.mark.parametrize("n_frozen", [0, 1])
def test_layers_open_from_the_top(make_nlp, optimizer, n_frozen):
    nlp = make_nlp("bert_ner", bert={"freeze_layers": n_frozen})
    callback = make_callback(steps_per_layer=2)
    lowest = n_frozen + 1 if n_frozen else 0
    for step in range(12):
        update = partial(train_step, nlp, optimizer, step, callback)
        changed = changed_places(nlp, update)
        n_open = min(step // 2, N_LAYERS + 1 - lowest)
        assert changed == set(range(N_LAYERS + 1 - n_open, N_LAYERS + 1)), step


def test_closed_layers_cost_no_backward_pass(make_nlp):
    nlp = make_nlp("bert_ner")
    backbone = get_backbone(nlp.get_pipe("bert").model)
    has_graph = []
    for layer in backbone.module.transformer.encoder.layer:
        layer.register_forward_hook(lambda *args: has_graph.append(args[-1][0].requires_grad))
    callback = make_callback(steps_per_layer=5, start_layers=2)
    callback(nlp, {"step": 0, "epoch": 0})
    nlp.update(make_examples(nlp), sgd=False)
    nlp.get_pipe("bert").flush_pending_step()
    assert has_graph == [False, False, True, True]
    gradients = {n: p.grad for n, p in backbone.module.named_parameters() if "pooler" not in n}
    place = places(backbone.module)
    assert all((gradient is None) == (place[n] < 3) for n, gradient in gradients.items())


def test_a_newly_opened_layer_begins_as_adamw_begins(make_nlp, still_bert, optimizer):
    """Its first step has moments from its first gradient, not from steps when it was closed."""
    nlp = make_nlp("bert_ner", source=still_bert)
    callback = make_callback(steps_per_layer=3, start_layers=1)
    for step in range(3):
        train_step(nlp, optimizer, step, callback)
    backbone = get_backbone(nlp.get_pipe("bert").model)
    name = "transformer.encoder.layer.2.output.dense.weight"
    weight = dict(backbone.module.named_parameters())[name]
    twin = torch.nn.Parameter(weight.detach().clone())
    theirs = torch.optim.AdamW(
        [twin], lr=optimizer.learn_rate, eps=optimizer.eps, weight_decay=optimizer.L2
    )
    for step in (3, 4):
        callback(nlp, {"step": step, "epoch": 0})
        nlp.update(make_examples(nlp), sgd=False)
        nlp.get_pipe("bert").flush_pending_step()
        gradients = [p.grad for p in backbone.module.parameters() if p.grad is not None]
        norm = torch.linalg.vector_norm(
            torch.stack([torch.linalg.vector_norm(g) for g in gradients])
        )
        twin.grad = weight.grad * min(1.0, optimizer.grad_clip / (norm + 1e-6))
        theirs.step()
        for _, pipe in nlp.pipeline:
            if hasattr(pipe, "finish_update"):
                pipe.finish_update(optimizer)
        torch.testing.assert_close(weight, twin, rtol=1e-5, atol=1e-6)


def test_what_is_open_depends_on_the_step_only(make_nlp):
    def open_at(*steps):
        nlp = make_nlp("bert_ner")
        callback = make_callback(steps_per_layer=10)
        for step in steps:
            callback(nlp, {"step": step, "epoch": 0})
        module = get_backbone(nlp.get_pipe("bert").model).module
        return {name for name, p in module.named_parameters() if p.requires_grad}

    assert open_at(25) == open_at(0, 10, 20, 25) == open_at(99, 25)
    assert open_at(25) < open_at(35)


def test_a_mixture_of_layers_learns_from_the_start(make_nlp, optimizer):
    nlp = make_nlp("bert_ner", bert={"layers": "scalar_mix"})
    module = get_backbone(nlp.get_pipe("bert").model).module
    before = module.mix_weights.detach().clone()
    train_step(nlp, optimizer, 0, make_callback(steps_per_layer=1))
    assert not torch.equal(module.mix_weights, before)


def test_learn_rates_of_head_and_backbone(make_nlp, optimizer):
    """The true rates of the parameter groups, after a step."""
    nlp = make_nlp("bert_ner", bert={"lr_scale": 0.1, "layerwise_lr_decay": 0.5})
    train_step(nlp, optimizer, 0, lambda nlp, args: None)
    rates = {}
    for name in ("bert", "bert_ner"):
        shim = nlp.get_pipe(name).model.shims[0]
        name_of = {id(p): n for n, p in shim.module.named_parameters()}
        for group in shim._optimizer.param_groups:
            rates.update({name_of[id(p)]: group["lr"] for p in group["params"]})
    full = optimizer.learn_rate
    assert rates["output.weight"] == pytest.approx(full)
    layer = "transformer.encoder.layer.{}.output.dense.weight"
    assert rates[layer.format(3)] == pytest.approx(0.1 * full)
    assert rates[layer.format(1)] == pytest.approx(0.1 * full * 0.25)
    assert rates["transformer.embeddings.word_embeddings.weight"] == pytest.approx(0.1 * full / 16)


def test_a_scaled_rate_does_not_ruin_the_backbone(make_nlp, recwarn):
    from thinc.api import Adam

    nlp = make_nlp("bert_ner", bert={"lr_scale": 0.01})
    train_step(nlp, Adam(2e-3), 0, lambda nlp, args: None)
    assert not [warning for warning in recwarn if "B902" in str(warning.message)]


@pytest.mark.parametrize(
    "settings", [{"steps_per_layer": 0}, {"steps_per_layer": 1, "start_layers": -1}]
)
def test_wrong_values(settings):
    with pytest.raises(ValueError, match="B022"):
        make_callback(**settings)


@pytest.mark.parametrize("name, trainable", [("robert", True), ("bert_ner", True), ("bert", False)])
def test_no_backbone_that_learns(make_nlp, name, trainable):
    nlp = make_nlp("bert_ner", bert={"trainable": trainable})
    with pytest.raises(ValueError, match="B180"):
        make_callback(steps_per_layer=1, component=name)(nlp, {"step": 0, "epoch": 0})
