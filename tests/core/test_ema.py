"""Averages of weights: the right values, used when predicting and saving, gone when training."""

import numpy
import pytest
import spacy
import torch
from conftest import make_examples
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import Adam, get_current_ops

from spacy_bert_suite.backbone.model import get_backbone
from spacy_bert_suite.core.ema import MARKER, decay_after


@pytest.fixture
def optimizer():
    return Adam(9e-4, L2=0.01, grad_clip=1.0, use_averages=True)


def step(nlp, optimizer, examples=None):
    """As in spaCy's training loop."""
    nlp.update(examples or make_examples(nlp), sgd=False)
    for _, pipe in nlp.pipeline:
        if getattr(pipe, "is_trainable", False):
            pipe.finish_update(optimizer)


def weights(nlp, name="bert"):
    module = nlp.get_pipe(name).model.shims[0].module
    return {key: p.detach().clone() for key, p in module.named_parameters()}


def test_the_decay_is_that_of_thinc():
    for n_updates in (1, 2, 50, 10**6):
        theirs = numpy.zeros(1, dtype="float32")
        get_current_ops().update_averages(theirs, numpy.ones(1, dtype="float32"), n_updates)
        assert 1 - decay_after(n_updates) == pytest.approx(float(theirs[0]), rel=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_evaluation_sees_the_averages_and_training_does_not(make_nlp, optimizer, precision):
    nlp = make_nlp("bert_ner", "bert_textcat", bert={"precision": precision})
    expected = {name: weights(nlp, name) for name in ("bert", "bert_ner")}
    for n_updates in range(1, 5):
        step(nlp, optimizer)
        decay = min(0.9999, (1 + n_updates) / (10 + n_updates))
        for name, averages in expected.items():
            for key, weight in weights(nlp, name).items():
                averages[key] = decay * averages[key] + (1 - decay) * weight
    raw = {name: weights(nlp, name) for name in expected}
    cats = nlp("Anna works in Paris.").cats
    with nlp.use_params(optimizer.averages):
        averaged_cats = nlp("Anna works in Paris.").cats
        for name, averages in expected.items():
            found = weights(nlp, name)
            assert found.keys() == averages.keys()
            for key, average in averages.items():
                torch.testing.assert_close(found[key], average, rtol=1e-5, atol=1e-7)
    assert averaged_cats != cats == nlp("Anna works in Paris.").cats
    for name, before in raw.items():
        assert all(torch.equal(weight, before[key]) for key, weight in weights(nlp, name).items())


def test_averages_do_not_change_the_training(make_nlp):
    found = {}
    for use_averages in (True, False):
        fix_random_seed(0)
        nlp = make_nlp("bert_ner")
        optimizer = Adam(9e-4, use_averages=use_averages)
        for _ in range(3):
            step(nlp, optimizer)
            if use_averages:
                with nlp.use_params(optimizer.averages):
                    nlp("Anna")
        found[use_averages] = weights(nlp)
    assert all(torch.equal(weight, found[True][key]) for key, weight in found[False].items())


def test_what_is_saved_are_the_averages(make_nlp, optimizer, tmp_path):
    nlp = make_nlp("bert_ner")
    for _ in range(3):
        step(nlp, optimizer)
    with nlp.use_params(optimizer.averages):
        nlp.to_disk(tmp_path)
        expected = {name: weights(nlp, name) for name in ("bert", "bert_ner")}
    loaded = spacy.load(tmp_path)
    for name, averages in expected.items():
        found = weights(loaded, name)
        assert all(torch.equal(found[key], average) for key, average in averages.items())
        assert any(not torch.equal(found[key], raw) for key, raw in weights(nlp, name).items())


def test_frozen_weights_have_no_averages(make_nlp, optimizer):
    nlp = make_nlp("bert_ner", bert={"freeze_layers": 2})
    step(nlp, optimizer)
    averages = get_backbone(nlp.get_pipe("bert").model).averages.tensors
    assert averages and not any("embeddings" in name or "layer.1." in name for name in averages)


def test_none_are_kept_unless_asked_for(make_nlp):
    nlp = make_nlp("bert_ner")
    optimizer = Adam(9e-4, use_averages=False)
    step(nlp, optimizer)
    assert optimizer.averages is None
    assert not get_backbone(nlp.get_pipe("bert").model).averages.tensors


def test_beside_a_component_of_spacys_own(make_nlp, optimizer):
    """Each side finds its own averages in the same dictionary."""
    nlp = make_nlp("bert_ner")
    nlp.add_pipe("tagger").add_label("A")
    nlp.get_pipe("tagger").add_label("B")
    examples = [
        Example.from_dict(
            nlp.make_doc("Anna works"), {"tags": ["A", "B"], "entities": ["U-PER", "O"]}
        )
    ]
    with nlp.select_pipes(enable=["tagger"]):
        nlp.initialize(lambda: examples)
    for _ in range(3):
        step(nlp, optimizer, examples)
    tagger = nlp.get_pipe("tagger").model
    node = next(node for node in tagger.walk() if node.has_param("W"))
    raw = node.get_param("W").copy()
    assert set(optimizer.averages) > {MARKER}
    with nlp.use_params(optimizer.averages):
        assert (node.get_param("W") == optimizer.averages[node.id, "W"]).all()
        nlp("Anna works")
    assert (node.get_param("W") == raw).all()


def test_an_error_inside_gives_the_weights_back(make_nlp, optimizer):
    nlp = make_nlp("bert_ner")
    step(nlp, optimizer)
    before = weights(nlp)
    shim = nlp.get_pipe("bert").model.shims[0]
    with pytest.raises(KeyboardInterrupt), shim.use_params(optimizer.averages):
        assert any(not torch.equal(weight, before[key]) for key, weight in weights(nlp).items())
        raise KeyboardInterrupt
    assert all(torch.equal(weight, before[key]) for key, weight in weights(nlp).items())


def test_a_step_that_waits_is_taken_before(make_nlp, optimizer):
    """`nlp.update(sgd=...)` leaves the step of the backbone for later: not for the averages."""
    nlp = make_nlp("bert_ner")
    nlp.update(make_examples(nlp), sgd=optimizer)
    before = weights(nlp)
    with nlp.use_params(optimizer.averages):
        nlp("Anna")
    assert any(not torch.equal(weight, before[key]) for key, weight in weights(nlp).items())
    averages = get_backbone(nlp.get_pipe("bert").model).averages
    assert set(averages.n_updates.values()) == {1}


def test_averages_survive_in_the_state_of_training(make_nlp, optimizer):
    nlp, other = make_nlp("bert_ner"), make_nlp("bert_ner")
    step(nlp, optimizer)
    shim, resumed = (one.get_pipe("bert").model.shims[0] for one in (nlp, other))
    resumed.load_training_state(shim.training_state())
    assert resumed.averages.n_updates == shim.averages.n_updates
    for name, average in shim.averages.tensors.items():
        assert torch.equal(resumed.averages.tensors[name], average)
        assert resumed.averages.tensors[name] is not average
