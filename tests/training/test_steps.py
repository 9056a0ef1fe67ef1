"""Steps: a gradient that is not finite, and what a shim says of its last step."""

import math

import numpy
import pytest
import torch
from conftest import make_examples
from spacy.training import Example
from spacy.training.initialize import init_nlp
from thinc.api import Adam
from training.runs import OWN_TAGGER, TAGGER, make_config, run

from spacy_bert_suite.core.torch_shim import AdamWSettings, StepReport, TorchShim
from spacy_bert_suite.training import steps
from spacy_bert_suite.training.folder.resume_state import torch_shims
from spacy_bert_suite.training.steps import leave_out_if_not_finite


@pytest.fixture
def nlp(make_nlp):
    nlp = make_nlp("bert_textcat", "bert_sentiment")
    examples = make_examples(nlp)
    nlp.update(examples, sgd=False)
    return nlp


def shims_of(nlp):
    return [shim for _, shim in torch_shims(nlp)]


def test_report(nlp, optimizer):
    """The norm is that of all gradients before clipping."""
    head = nlp.get_pipe("bert_textcat")
    (shim,) = [shim for shim in shims_of(nlp) if shim is head.model.shims[0]]
    gradients = [p.grad.flatten() for p in shim.module.parameters() if p.grad is not None]
    expected = float(torch.cat(gradients).norm())
    assert shim.report == StepReport()
    head.finish_update(optimizer)
    assert shim.report.gradient_norm == pytest.approx(expected, rel=1e-5)
    assert shim.report.learn_rate == optimizer.learn_rate
    assert (shim.report.n_steps, shim.report.n_skipped) == (1, 0)
    head.finish_update(optimizer)
    assert shim.report.n_steps == 1  # without a gradient it is no step


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_one_gradient_stops_all_torch_modules(value, nlp, optimizer):
    pipes = [pipe for _, pipe in nlp.pipeline if hasattr(pipe, "finish_update")]
    before = [shim.to_bytes() for shim in shims_of(nlp)]
    next(nlp.get_pipe("bert_textcat").model.shims[0].module.parameters()).grad[0] = value
    with pytest.warns(UserWarning, match="B901") as caught:
        leave_out_if_not_finite(pipes, optimizer)
    for pipe in pipes:
        pipe.finish_update(optimizer)
    assert len(caught) == 1
    assert [shim.to_bytes() for shim in shims_of(nlp)] == before
    assert {(s.report.n_steps, s.report.n_skipped) for s in shims_of(nlp)} == {(0, 1)}
    assert all(p.grad is None for s in shims_of(nlp) for p in s.module.parameters())


def test_one_shim_alone(nlp, optimizer):
    """As under `spacy train`, where components step one after the other."""
    head, other = nlp.get_pipe("bert_textcat"), nlp.get_pipe("bert_sentiment")
    next(head.model.shims[0].module.parameters()).grad[0] = math.nan
    with pytest.warns(UserWarning, match="B901"):
        head.finish_update(optimizer)
    other.finish_update(optimizer)
    assert head.model.shims[0].report.n_skipped == other.model.shims[0].report.n_steps == 1


def test_training_goes_on(tiny_bert, corpus, monkeypatch):
    """The run ends with finite weights."""
    config = make_config(tiny_bert, corpus, others={"own_tagger": OWN_TAGGER}, max_steps=3)
    learn, seen = steps.add_gradients, []

    def spoil(pipes):
        learn(pipes)
        seen.append(pipes)
        if len(seen) == 2:
            pipes[0].flush_pending_step()
            next(pipes[1].model.shims[0].module.parameters()).grad[0] = math.nan

    monkeypatch.setattr(steps, "add_gradients", spoil)
    with pytest.warns(UserWarning, match="B901"):
        run(config, None)
    bert, head, tagger = seen[-1]
    for shim in (bert.model.shims[0], head.model.shims[0]):
        assert (shim.report.n_steps, shim.report.n_skipped) == (3, 1)
        assert all(torch.isfinite(p).all() for p in shim.module.parameters())
    assert tagger.name == "own_tagger"


def parameters_of(pipe):
    """Values and gradients of thinc's own parameters."""
    nodes = [node for node in pipe.model.walk() for name in node.param_names]
    return [(node.get_param(name), node.get_grad(name)) for node in dict.fromkeys(nodes)
            for name in node.param_names if node.has_grad(name)]  # fmt: skip


@pytest.mark.parametrize("tagger", [TAGGER, OWN_TAGGER], ids=["listening", "alone"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_of_thinc_stops_all(tagger, value, tiny_bert, corpus, monkeypatch):
    """The step is as if it had not been, in all components, and the run goes on."""
    config = make_config(tiny_bert, corpus, others={"tagger": tagger}, max_steps=4)
    learn, kept = steps.add_gradients, []

    def spoil(pipes):
        learn(pipes)
        weights = [pipe.model.to_bytes() for pipe in pipes]
        kept.append((pipes, weights))
        if len(kept) == 2:
            pipes[0].flush_pending_step()
            gradient = parameters_of(pipes[2])[0][1]
            gradient[0] = value

    monkeypatch.setattr(steps, "add_gradients", spoil)
    with pytest.warns(UserWarning, match="B901") as caught:
        run(config, None)
    assert len([w for w in caught if "B901" in str(w.message)]) == 1
    assert kept[2][1] == kept[1][1] != kept[3][1]
    bert, head, pipe = kept[-1][0]
    assert pipe.name == "tagger"
    for shim in (bert.model.shims[0], head.model.shims[0]):
        assert (shim.report.n_steps, shim.report.n_skipped) == (4, 1)
    assert all(numpy.isfinite(weight).all() for weight, _ in parameters_of(pipe))


def test_moments_of_a_step_that_was_left_out(tiny_bert, corpus):
    """thinc's optimizer has not counted it, and the next gradient begins at zero."""
    nlp = init_nlp(make_config(tiny_bert, corpus, others={"own_tagger": OWN_TAGGER}))
    pipes = [pipe for _, pipe in nlp.pipeline]
    optimizer, tagger = Adam(1e-3), pipes[-1]
    examples = make_examples(nlp)
    for eg in examples:
        for token in eg.reference:
            token.tag_ = "A"
    nlp.update(examples, sgd=False)
    parameters_of(tagger)[0][1][0] = math.nan
    with pytest.warns(UserWarning, match="B901"):
        assert leave_out_if_not_finite(pipes, optimizer)
    assert not optimizer.mom1 and not optimizer.nr_update
    assert all((gradient == 0).all() for _, gradient in parameters_of(tagger))
    nlp.update(examples, sgd=False)
    assert not leave_out_if_not_finite(pipes, optimizer)


class Linear:
    """A shim around one layer, with the scale of fp16 training."""

    def __init__(self):
        torch.manual_seed(0)
        self.shim = TorchShim(lambda cfg: torch.nn.Linear(3, 2), {})
        self.shim.module = self.shim.build({})
        self.shim.scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)

    def step(self, value: float) -> None:
        loss = self.shim.module(torch.full((4, 3), value)).square().sum()
        self.shim.scaler.scale(loss).backward()
        self.shim.step(AdamWSettings.from_optimizer(Adam(1e-2, use_averages=False)))


def test_state_of_a_shim_is_all_that_a_step_needs():
    """Moments and scale: two shims go on alike, also over a step that is left out."""
    one, other = Linear(), Linear()
    for value in (1.0, 2.0, 3.0):
        one.step(value)
    with pytest.warns(UserWarning, match="B901"):
        one.step(math.inf)
    state = {key: tensor.clone() for key, tensor in one.shim.training_state().items()}
    other.shim.module.load_state_dict(one.shim.module.state_dict())
    other.shim.load_training_state(state)
    assert other.shim.scaler.get_scale() == one.shim.scaler.get_scale() == 8.0  # 8, 16, 8
    assert other.shim.report.n_skipped == 1
    for value in (1.5, 2.5):
        one.step(value)
        other.step(value)
    assert one.shim.to_bytes() == other.shim.to_bytes()
    assert one.shim.scaler.state_dict() == other.shim.scaler.state_dict()


def test_examples_without_gold_take_no_step(make_nlp, optimizer):
    nlp = make_nlp("bert_textcat")
    nlp.update([Example.from_dict(nlp.make_doc("Anna works"), {})], sgd=optimizer)
    nlp.get_pipe("bert").flush_pending_step()
    assert {shim.report.n_steps for shim in shims_of(nlp)} == {0}
