"""Learn rates: equal to those of transformers, and functions of the step."""

import itertools

import pytest
import torch
from spacy.util import registry
from thinc.api import Config
from thinc.schedules import warmup_linear
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

from spacy_bert_suite.training.schedules import make_warmup

N_STEPS, N_WARMUP, RATE = 40, 10, 3e-4


def rates_of(make_scheduler):
    """Rates of transformers, step by step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    scheduler = make_scheduler(optimizer, N_WARMUP, N_STEPS)
    for _ in range(N_STEPS):
        yield scheduler.get_last_lr()[0]
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize(
    "decay, theirs",
    [("linear", get_linear_schedule_with_warmup), ("cosine", get_cosine_schedule_with_warmup)],
)
def test_rates_equal_those_of_transformers(decay, theirs):
    ours = make_warmup(RATE, N_STEPS, N_WARMUP, decay=decay)
    found = list(itertools.islice(ours, N_STEPS + 5))
    assert found[:N_STEPS] == pytest.approx(list(rates_of(theirs)))
    assert found[N_STEPS:] == [0.0] * 5


def test_linear_equals_that_of_thinc():
    theirs = warmup_linear(RATE, N_WARMUP, N_STEPS)
    ours = make_warmup(RATE, N_STEPS, N_WARMUP)
    assert [next(ours) for _ in range(60)] == pytest.approx([next(theirs) for _ in range(60)])


def test_constant_and_final_rate():
    constant = make_warmup(1.0, 10, 4, decay="constant")
    assert [next(constant) for _ in range(12)] == [0.0, 0.25, 0.5, 0.75] + [1.0] * 8
    cosine = make_warmup(1.0, 10, decay="cosine", final_rate=0.5)
    found = [next(cosine) for _ in range(12)]
    assert found[0] == 1.0 and found[5] == pytest.approx(0.75) and found[10:] == [0.5, 0.5]


def test_a_step_can_be_set():
    whole = make_warmup(RATE, N_STEPS, N_WARMUP, decay="cosine")
    expected = [next(whole) for _ in range(30)][20:]
    resumed = make_warmup(RATE, N_STEPS, N_WARMUP, decay="cosine")
    resumed.step = 20
    assert [next(resumed) for _ in range(10)] == expected


def test_in_an_optimizer():
    config = Config().from_str("""
[optimizer]
@optimizers = "Adam.v1"
use_averages = false

[optimizer.learn_rate]
@schedules = "spacy-bert-suite.warmup.v1"
initial_rate = 1e-4
warmup_steps = 2
total_steps = 4
decay = "cosine"
""")
    optimizer = registry.resolve(config)["optimizer"]
    rates = []
    for _ in range(5):
        rates.append(optimizer.learn_rate)
        optimizer.step_schedules()
    assert rates == pytest.approx([0.0, 5e-5, 1e-4, 5e-5, 0.0])


@pytest.mark.parametrize(
    "key, value",
    [("decay", "square"), ("warmup_steps", -1), ("warmup_steps", 40), ("initial_rate", 0.0),
     ("final_rate", 1.0), ("final_rate", -1.0)],
)  # fmt: skip
def test_wrong_values(key, value):
    settings = {"initial_rate": RATE, "total_steps": N_STEPS, key: value}
    with pytest.raises(ValueError, match="B022"):
        make_warmup(**settings)
