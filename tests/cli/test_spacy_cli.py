"""spaCy's own commands, as a user gives them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import spacy
import spacy.cli  # noqa: F401  (registers the commands with `app`)
import srsly
from conftest import LABELS, make_examples
from spacy.cli._util import app
from spacy.tokens import DocBin
from spacy.util import load_config
from thinc.api import Config
from typer.testing import CliRunner

HEADS = list(LABELS)
OFFLINE = {"HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "passive"}
TEXTS = ["Anna works in Paris.", "The film was awful. Ben met Carla near Oslo.", ""]

# What a user writes: the rest is filled in by `init fill-config`.
MINIMAL = f"""
[nlp]
lang = "en"
pipeline = {json.dumps(["sentencizer", "bert", *HEADS])}

[components]

[components.sentencizer]
factory = "sentencizer"

[components.bert]
factory = "bert"

{"".join(f"[components.{head}]" + chr(10) + f'factory = "{head}"' + chr(10) for head in HEADS)}
"""


def spacy_command(*args: Any, fails: bool = False) -> str:
    """Give a command in this process: a process of its own spends seconds on imports."""
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert bool(result.exit_code) == fails, result.output
    return result.output


def python(*args: Any, **kwargs: Any) -> str:
    env = {**os.environ, **OFFLINE}
    command = [sys.executable, *(str(arg) for arg in args)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, **kwargs)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def annotate(nlp) -> list[dict[str, Any]]:
    return [
        {
            "ents": [[ent.text, ent.label_, round(ent._.score, 4)] for ent in doc.ents],
            "cats": {label: round(p, 4) for label, p in doc.cats.items()},
            "labels": doc._.labels,
            "sentiment": doc._.sentiment["label"],
            "polarity": [round(sent._.sentiment["polarity"], 4) for sent in doc.sents],
        }
        for doc in nlp.pipe(TEXTS)
    ]


def bytes_of(nlp, name: str) -> bytes:
    return nlp.get_pipe(name).model.to_bytes()


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """All tasks in one file, and a file for each of three tasks."""
    folder = tmp_path_factory.mktemp("corpus")
    docs = [eg.reference for eg in make_examples(spacy.blank("en")) * 6]
    DocBin(docs=docs).to_disk(folder / "all.spacy")
    for head, labels in (
        ("bert_ner", []),
        ("bert_textcat", ["home", "work"]),
        ("bert_sentiment", ["negative", "positive"]),
    ):
        task = [doc.copy() for doc in docs]
        for doc in task:
            doc.cats = {label: doc.cats[label] for label in labels}
            if labels:
                doc.ents = []
        DocBin(docs=task).to_disk(folder / f"{head}.spacy")
    return folder


@pytest.fixture(scope="session")
def config_path(tmp_path_factory, tiny_bert, corpus) -> Path:
    """A minimal config, filled by spaCy, on the tiny BERT and the tiny corpus."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "base.cfg").write_text(MINIMAL)
    spacy_command("init", "fill-config", folder / "base.cfg", folder / "config.cfg")
    config = load_config(folder / "config.cfg")
    config["components"]["bert"]["model"].update(
        name=tiny_bert, window=32, stride=24, max_batch_pieces=256, precision="fp32", device="cpu"
    )
    for split in ("train", "dev"):
        config["paths"][split] = str(corpus / "all.spacy")
    config["training"].update(
        max_steps=20,
        eval_frequency=10,
        batcher={"@batchers": "spacy.batch_by_sequence.v1", "size": 8, "get_length": None},
    )
    config["training"]["optimizer"].update(learn_rate=5e-3, use_averages=False)
    config["initialize"]["components"] = {
        head: {"labels": labels} for head, labels in LABELS.items()
    }
    config.to_disk(folder / "config.cfg")
    return folder / "config.cfg"


@pytest.fixture(scope="session")
def trained(tmp_path_factory, config_path) -> Path:
    output = tmp_path_factory.mktemp("trained")
    python(
        "-W",
        "error",
        "-W",
        "ignore:[B902]",
        "-m",
        "spacy",
        "train",
        config_path,
        "--output",
        output,
    )
    return output / "model-best"


@pytest.fixture
def train(tmp_path, config_path):
    """Train by a changed config. Returns the last pipeline and what was printed."""

    def run(changes: dict[str, Any], *args: Any):
        config = load_config(config_path)
        path = tmp_path / "changed.cfg"
        Config(merge(config, changes)).to_disk(path)
        printed = spacy_command("train", path, "--output", tmp_path / "out", *args)
        return spacy.load(tmp_path / "out" / "model-last"), printed

    return run


def merge(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Set nested values; None removes a section, a dict under the key "=" replaces one."""
    for key, value in changes.items():
        if value is None:
            config.pop(key, None)
        elif isinstance(value, dict) and "=" in value:
            config[key] = value["="]
        elif isinstance(value, dict):
            config[key] = merge(config.get(key) or {}, value)
        else:
            config[key] = value
    return config


def test_fill_config_writes_every_default(config_path):
    filled = load_config(config_path)["components"]
    assert filled["bert"]["model"]["layers"] == "last"
    for head in HEADS:
        listener = {
            "@architectures": "spacy-bert-suite.BertListener.v1",
            "upstream": "bert",
            "grad_factor": 1.0,
        }
        assert filled[head]["model"]["bert"] == listener
        assert "@scorers" in filled[head]["scorer"]


def test_fill_config_adds_the_scores(config_path):
    weights = load_config(config_path)["training"]["score_weights"]
    assert {"ents_f", "cats_score", "sentiment_acc"} <= set(weights)


def test_debug_config(config_path):
    printed = spacy_command("debug", "config", config_path, "--show-variables")
    assert "Config validation for [training]" in printed
    spacy_command("debug", "config", config_path, "--nlp.batch_size=many", fails=True)


def test_debug_data(config_path):
    printed = spacy_command("debug", "data", config_path, fails=True)  # few examples
    assert "Pipeline can be initialized with data" in printed


def test_trained(trained):
    scores = srsly.read_json(trained / "meta.json")["performance"]
    assert scores["ents_f"] > 0
    assert scores["sentiment_acc"] >= 0.5
    assert all(scores[f"{head}_loss"] > 0 for head in HEADS)
    files = {path.name for path in (trained / "bert" / "model").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= files


def test_evaluate(trained, corpus, tmp_path):
    spacy_command("evaluate", trained, corpus / "all.spacy", "--output", tmp_path / "scores.json")
    scores = srsly.read_json(tmp_path / "scores.json")
    expected = srsly.read_json(trained / "meta.json")["performance"]
    for key in ("ents_f", "cats_score", "labels_macro_f", "sentiment_acc"):
        assert scores[key] == pytest.approx(expected[key], abs=1e-3), key
    assert set(scores["ents_per_type"]) == set(LABELS["bert_ner"])


def test_init_labels(config_path, tmp_path, train):
    config = load_config(config_path)
    config["initialize"]["components"] = {}
    config.to_disk(tmp_path / "config.cfg")
    spacy_command("init", "labels", tmp_path / "config.cfg", tmp_path / "labels")
    assert srsly.read_json(tmp_path / "labels" / "bert_ner.json") == LABELS["bert_ner"]
    labels = {"@readers": "spacy.read_labels.v1", "path": str(tmp_path / "labels/bert_ner.json")}
    nlp, _ = train({"initialize": {"components": {"bert_ner": {"=": {"labels": labels}}}}})
    assert list(nlp.get_pipe("bert_ner").labels) == LABELS["bert_ner"]


def test_assemble(trained, tmp_path):
    config = f"""
    [nlp]
    lang = "en"
    pipeline = ["bert","bert_ner"]

    [components]

    [components.bert]
    source = {json.dumps(str(trained))}

    [components.bert_ner]
    source = {json.dumps(str(trained))}
    """
    (tmp_path / "config.cfg").write_text("\n".join(line.strip() for line in config.splitlines()))
    spacy_command("assemble", tmp_path / "config.cfg", tmp_path / "assembled")
    nlp = spacy.load(tmp_path / "assembled")
    expected = [row["ents"] for row in annotate(spacy.load(trained))]
    found = [[[e.text, e.label_, round(e._.score, 4)] for e in doc.ents] for doc in nlp.pipe(TEXTS)]
    assert found == expected


READ_BACK = """
import json, socket, sys

def refuse(*args):
    raise OSError("no network")

socket.socket.connect = refuse
target, tests = sys.argv[1:]
sys.path[:0] = [target, tests]
from cli.test_spacy_cli import annotate
import en_tiny
print(json.dumps(annotate(en_tiny.load())))
"""


def test_package(trained, tmp_path):
    """The package pip installs, loaded in a fresh process without a network."""
    args = ["--name", "tiny", "--version", "1.2.3", "--build", "sdist"]
    python("-m", "spacy", "package", trained, tmp_path, *args)
    root = tmp_path / "en_tiny-1.2.3"
    requirements = srsly.read_json(root / "meta.json")["requirements"]
    assert any(line.startswith("spacy_bert_suite>=0.1.0") for line in requirements)
    (archive,) = (root / "dist").iterdir()
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--target", tmp_path / "site"]
    python("-m", "pip", "install", "--disable-pip-version-check", *options, archive)
    printed = python("-c", READ_BACK, tmp_path / "site", Path(__file__).parents[1], cwd=tmp_path)
    assert json.loads(printed) == annotate(spacy.load(trained))


def test_source_and_freeze_a_head_with_its_own_backbone(trained, train):
    """A frozen head keeps its predictions if it keeps the backbone that it was trained with."""
    private = {"=": {"source": str(trained), "replace_listeners": ["model.bert"]}}
    changes = {
        "components": {"bert_ner": private},
        "training": {"frozen_components": ["bert_ner"]},
        "initialize": {"components": {"bert_ner": None}},
    }
    nlp, _ = train(changes)
    before = spacy.load(trained)
    assert [row["ents"] for row in annotate(nlp)] == [row["ents"] for row in annotate(before)]
    assert [row["cats"] for row in annotate(nlp)] != [row["cats"] for row in annotate(before)]


def test_frozen_head_on_a_shared_backbone(trained, train):
    sourced = {"=": {"source": str(trained)}}
    changes = {
        "components": {"bert": sourced, "bert_ner": sourced},
        "training": {"frozen_components": ["bert_ner"]},
        "initialize": {"components": {"bert_ner": None}},
    }
    nlp, printed = train(changes)
    before = spacy.load(trained)
    assert "Frozen components: ['bert_ner']" in printed
    assert bytes_of(nlp, "bert_ner") == bytes_of(before, "bert_ner")
    assert bytes_of(nlp, "bert") != bytes_of(before, "bert")


def test_backbone_as_a_source_of_features(train):
    nlp, _ = train({"components": {"bert": {"trainable": False}}})
    config = {"model": nlp.config["components"]["bert"]["model"]}
    untouched = spacy.blank("en")
    untouched.add_pipe("bert", config=config).initialize()
    assert bytes_of(nlp, "bert") == bytes_of(untouched, "bert")


def multi_task(corpus: Path, shuffle: bool) -> dict[str, Any]:
    tasks = {
        head: {
            "@readers": "spacy.Corpus.v1",
            "path": str(corpus / f"{head}.spacy"),
            "gold_preproc": False,
        }
        for head in ("bert_ner", "bert_textcat", "bert_sentiment")
    }
    return {
        "=": {
            "@readers": "spacy-bert-suite.MultiTaskCorpus.v1",
            "shuffle": shuffle,
            "corpora": tasks,
        }
    }


def test_several_corpora(corpus, train):
    heads = ["bert_ner", "bert_textcat", "bert_sentiment"]
    changes = {
        "nlp": {"pipeline": ["sentencizer", "bert", *heads]},
        "components": {"bert_textcat_multilabel": None},
        "corpora": {"train": multi_task(corpus, True), "dev": multi_task(corpus, False)},
        "training": {
            "max_steps": 60,
            "eval_frequency": 60,
            "batcher": {"=": {"@batchers": "spacy-bert-suite.batch_by_task.v1", "size": 8}},
        },
        "initialize": {"components": {"=": {}}},
    }
    nlp, _ = train(changes)
    scores = nlp.meta["performance"]
    assert all(scores[f"{head}_loss"] > 0 for head in heads)
    assert all(scores[key] > 0 for key in ("ents_f", "cats_score", "sentiment_acc"))
    assert nlp.get_pipe("bert_textcat").labels == ("home", "work")
    assert nlp.get_pipe("bert_sentiment").labels == ("negative", "positive")


def test_thresholds_are_tuned_before_saving(corpus, train):
    path = str(corpus / "all.spacy")
    callback = {"@callbacks": "spacy-bert-suite.tune_thresholds.v1", "path": path}
    nlp, _ = train({"training": {"before_to_disk": callback}})
    thresholds = nlp.get_pipe("bert_textcat_multilabel").cfg["thresholds"]
    assert set(thresholds) == set(LABELS["bert_textcat_multilabel"])


def test_gradients_accumulate(train):
    nlp, _ = train({"training": {"accumulate_gradient": 2}})
    assert nlp.meta["performance"]["bert_ner_loss"] > 0
