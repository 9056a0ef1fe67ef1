"""Runs of training on the tiny BERT, whole or broken off, and what they leave behind."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import spacy
import spacy.training.loop as spacy_loop
from conftest import LABELS, bert_model, make_examples
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.util import load_model_from_config
from thinc.api import Config

from spacy_bert_suite.training import steps
from spacy_bert_suite.training.folder.output import Output
from spacy_bert_suite.training.loop import train

TAGGER = {
    "factory": "tagger",
    "model": {
        "@architectures": "spacy.Tagger.v2",
        "nO": None,
        "normalize": False,
        "tok2vec": {
            "@architectures": "spacy-transformers.TransformerListener.v1",
            "grad_factor": 1.0,
            "upstream": "bert",
            "pooling": {"@layers": "reduce_mean.v1"},
        },
    },
}
OWN_TAGGER = {"factory": "tagger"}  # with layers and dropout of thinc
PARSER = {"factory": "parser"}


class Killed(BaseException):
    """Stands for SIGKILL in the same process."""


def write_corpus(path: Path) -> Path:
    nlp = spacy.blank("en")
    docs = [eg.reference for eg in make_examples(nlp) * 3]
    for i, doc in enumerate(docs):
        for j, token in enumerate(doc):
            token.tag_ = "AB"[(i + j) % 2]
    DocBin(docs=docs).to_disk(path)
    return path


def make_config(source: str, corpus: Path, **changes: Any) -> Config:
    """RETURNS (Config): A head and a tagger on the tiny BERT; evaluations at 0, 4, 8, ..."""
    heads = changes.pop("heads", ["bert_textcat"])
    others = changes.pop("others", {"tagger": TAGGER})
    bert = changes.pop("bert", {})
    sourced = changes.pop("sourced", {})
    components: dict[str, Any] = {"bert": {"factory": "bert", "model": bert_model(source), **bert}}
    components.update({head: {"factory": head} for head in heads})
    components.update(others)
    reader = {"@readers": "spacy.Corpus.v1", "path": str(corpus)}
    corpora = {"train": {**reader, **changes.pop("reader", {})}, "dev": reader}
    training: dict[str, Any] = {
        "max_steps": 10,
        "eval_frequency": 4,
        "patience": 0,
        "batcher": {"@batchers": "spacy.batch_by_sequence.v1", "size": 5, "get_length": None},
        "optimizer": {
            "@optimizers": "Adam.v1",
            "use_averages": False,
            "learn_rate": {
                "@schedules": "warmup_linear.v1",
                "warmup_steps": 2,
                "total_steps": 20,
                "initial_rate": 5e-3,
            },
        },
        **changes,
    }
    initialize = {head: {"labels": LABELS[head]} for head in heads}
    initialize.update({name: {"labels": ["A", "B"]} for name in others if "tagger" in name})
    config = Config(
        {
            "nlp": {"lang": "en", "pipeline": list(components)},
            "components": components,
            "corpora": corpora,
            "training": training,
            "initialize": {"components": initialize},
        }
    )
    filled = load_model_from_config(config, auto_fill=True).config
    for name, path in sourced.items():
        filled["components"][name] = {"source": str(path)}
        if name not in components:
            filled["nlp"]["pipeline"].append(name)
    filled["training"]["frozen_components"] = list(sourced)
    return filled


def run(
    config: Config,
    path: Path | None,
    *,
    kill_at: int | None = None,
    printed: list[str] | None = None,
    **options: Any,
) -> str:
    """Train in this process.

    kill_at (int): Break off before this update, when its batch is drawn already.
    printed (list[str] | None): Takes what was printed, also where training ends in an error.
    RETURNS (str): What was printed.
    """
    stdout = io.StringIO()
    nlp = init_nlp(copy_of(config))
    with pytest.MonkeyPatch.context() as patch:
        if kill_at is not None:
            patch.setattr(steps, "update", killed_at(kill_at, steps.update))
            patch.setattr(Output, "save_model", killed_with(Output.save_model))
        try:
            train(nlp, path, stdout=stdout, stderr=io.StringIO(), **options)
        except Killed:
            pass
        finally:
            if printed is not None:
                printed.append(stdout.getvalue())
    return stdout.getvalue()


def killed_at(step: int, update: Any) -> Any:
    def update_or_die(run: Any, state: Any, *args: Any) -> None:
        if state.step == step:
            raise Killed
        update(run, state, *args)

    return update_or_die


def killed_with(save_model: Any) -> Any:
    """What a killed process does not do any more."""

    def save(output: Any, is_best: bool) -> Any:
        is_dead = isinstance(sys.exc_info()[1], Killed)
        return None if is_dead else save_model(output, is_best)

    return save


def run_spacy(config: Config, path: Path) -> str:
    """Train with spaCy's own loop. RETURNS (str): What was printed."""
    stdout = io.StringIO()
    path.mkdir()
    spacy_loop.train(init_nlp(copy_of(config)), path, stdout=stdout, stderr=io.StringIO())
    return stdout.getvalue()


def copy_of(config: Config) -> Config:
    return Config().from_str(config.to_str())


def saved(path: Path) -> dict[str, Any]:
    """RETURNS (Dict): All that is in model-best and model-last, but for times."""
    return {
        file.relative_to(path).as_posix(): without_times(file)
        for folder in ("model-best", "model-last")
        for file in (path / folder).rglob("*")
        if file.is_file()
    }


def without_times(file: Path) -> Any:
    if file.name == "meta.json":
        meta = json.loads(file.read_text())
        meta["performance"].pop("speed", None)
        return meta
    if file.name == "sentencizer.json":  # a set, in any order
        return sorted(json.loads(file.read_text())["punct_chars"])
    return file.read_bytes()


def differing(one: Path, other: Path) -> list[str]:
    """RETURNS (list[str]): Names of the files in which two runs differ."""
    first, second = saved(one), saved(other)
    return sorted(name for name in {*first, *second} if first.get(name) != second.get(name))


def rows_of(printed: str) -> list[str]:
    """RETURNS (list[str]): The rows of the table in what was printed."""
    return [line for line in printed.splitlines() if line.strip()[:1].isdigit()]
