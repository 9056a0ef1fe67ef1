"""The length of a training run, set from the size of its corpus."""

from pathlib import Path

import pytest
import spacy
from conftest import bert_model, make_examples
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from thinc.api import Config

from spacy_bert_suite.training.callbacks.length import make_training_length

CONFIG = """
[paths]
train = null
dev = null

[nlp]
lang = "en"
pipeline = ["bert","bert_textcat"]

[components]

[components.bert]
factory = "bert"

[components.bert_textcat]
factory = "bert_textcat"

[training]
seed = 0
gpu_allocator = null
max_steps = 10
eval_frequency = 2

[training.batcher]
@batchers = "spacy.batch_by_sequence.v1"
size = 2
get_length = null

[training.optimizer]
@optimizers = "Adam.v1"

[training.optimizer.learn_rate]
@schedules = "warmup_linear.v1"
warmup_steps = 2
total_steps = 10
initial_rate = 1e-3

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = ${paths.train}

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${paths.dev}

[initialize]

[initialize.after_init]
@callbacks = "spacy-bert-suite.training_length.v1"
epochs = 0
"""


@pytest.fixture
def config(tmp_path: Path, tiny_bert: str) -> Config:
    nlp = spacy.blank("en")
    examples = make_examples(nlp)
    DocBin(docs=[eg.reference for eg in examples]).to_disk(tmp_path / "train.spacy")
    config = Config().from_str(CONFIG, interpolate=False)
    config["paths"] = {"train": str(tmp_path / "train.spacy"), "dev": "dev.spacy"}
    config["components"]["bert"]["model"] = bert_model(tiny_bert)
    config["n"] = {"batches": -(-len(examples) // 2)}
    return config


def training_of(config: Config, epochs: float, **training: object):
    config["initialize"]["after_init"]["epochs"] = epochs
    config["training"].update(training)
    return init_nlp(config).config["training"]


def test_epochs_beyond_max_steps_stretch_the_schedule(config):
    n = config.pop("n")["batches"]
    found = training_of(config, 10)
    assert found["max_steps"] == 10 * n > 10
    schedule = found["optimizer"]["learn_rate"]
    assert schedule["total_steps"] == 10 * n
    assert schedule["warmup_steps"] == 2 * n  # a fifth of the training, as before
    assert found["eval_frequency"] == max(2, n)  # ten evaluations


def test_last_evaluation_is_at_the_end(config):
    n = config.pop("n")["batches"]
    found = training_of(config, 10, eval_frequency=7)
    assert found["max_steps"] % found["eval_frequency"] == 0
    assert 10 * n <= found["max_steps"] < 10 * n + found["eval_frequency"]


def test_variables_stand_for_their_values(config):
    n = config.pop("n")["batches"]
    config["vars"] = {"steps": 10, "warmup": 2, "often": 2}
    schedule = config["training"]["optimizer"]["learn_rate"]
    schedule.update(total_steps="${training.max_steps}", warmup_steps="${vars.warmup}")
    found = training_of(config, 10, max_steps="${vars.steps}", eval_frequency="${vars.often}")
    assert found["max_steps"] == 10 * n and found["eval_frequency"] == max(2, n)
    schedule = found["optimizer"]["learn_rate"]
    assert schedule["total_steps"] == 10 * n and schedule["warmup_steps"] == 2 * n
    assert found["train_corpus"] == "corpora.train"


def test_streamed_corpus_is_counted_too(config):
    n = config.pop("n")["batches"]
    assert training_of(config, 10, max_epochs=-1)["max_steps"] == 10 * n


@pytest.mark.parametrize("epochs", [0, 0.1])
def test_fewer_epochs_leave_the_config_alone(config, epochs):
    config.pop("n")
    found = training_of(config, epochs)
    assert found["max_steps"] == 10 and found["eval_frequency"] == 2
    schedule = found["optimizer"]["learn_rate"]
    assert schedule["total_steps"] == 10 and schedule["warmup_steps"] == 2


@pytest.mark.parametrize("epochs", [0, 0.1])
def test_a_short_run_is_evaluated_at_its_end(config, epochs):
    config.pop("n")
    assert training_of(config, epochs, eval_frequency=100)["eval_frequency"] == 10


def test_a_run_without_a_last_step_keeps_its_evaluations(config):
    config.pop("n")
    assert training_of(config, 0, max_steps=0, eval_frequency=100)["eval_frequency"] == 100


@pytest.mark.parametrize("values", [{"epochs": -1}, {"epochs": 1, "evaluations": 0}])
def test_impossible_lengths_are_refused(values):
    with pytest.raises(ValueError, match="B104"):
        make_training_length(**values)
