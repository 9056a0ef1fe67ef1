"""What a config says about each task: learning rates, readers, batches, what happens on saving.
They are those of the templates in `projects/`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import spacy
from spacy.training import Corpus

from ..data.pair_survey import survey
from ..data.pairs import is_positive
from ..errors import CodedValueError, Errors
from ..training.new_config.task import PREFIX, SPACY_SUFFIXES, Data, Rate, TaskConfig
from .sentiment.polarity import known_polarities

TUNE = {"@callbacks": "spacy-bert-suite.tune_thresholds.v1"}
TUNE_NULL = {"@callbacks": "spacy-bert-suite.tune_null_threshold.v1"}
CALIBRATE = {"@callbacks": "spacy-bert-suite.calibrate.v1"}
CHECKPOINT = {"@callbacks": "spacy-bert-suite.write_checkpoint.v1"}
PAIR_READER = "spacy-bert-suite.PairCorpus.v1"
PAIR_SUFFIXES = (".jsonl", ".tsv", ".csv")
SCORED = {"@losses": "spacy-bert-suite.CosineSimilarity.v1"}
ORDERED = {"@losses": "spacy-bert-suite.CoSENT.v1", "scale": 20.0}
LENGTH = 128  # wordpieces of an instance of bert_pretrainer
INSTANCE = {"max_length": LENGTH, "objective": "mlm"}


def rates(small: float, base: float, large: float, scale: float = 1.0) -> dict[str, Rate]:
    """RETURNS (dict[str, Rate]): By the size of the weights; scale is for the small ones."""
    return {"small": Rate(small, scale), "base": Rate(base), "large": Rate(large)}


TASKS = {
    task.name: task
    for task in (
        TaskConfig(
            name="ner",
            rates=rates(1e-3, 5e-5, 2e-5, scale=0.2),
            convert="ner",
            gold_tokens=True,
        ),
        TaskConfig(
            name="textcat",
            rates=rates(1e-3, 5e-5, 2e-5, scale=0.2),
            convert="textcat",
            epochs=2,
            fit="tasks.configs:without_sentiments",
        ),
        TaskConfig(
            name="textcat_multilabel",
            rates=rates(1e-3, 5e-5, 2e-5, scale=0.1),
            convert="textcat",
            epochs=2,
            callback=TUNE,
            why_callback="Each label gets the threshold with the best F1 on the dev texts.",
            fit="tasks.configs:without_sentiments",
        ),
        TaskConfig(
            name="sentiment",
            rates=rates(1e-3, 5e-5, 2e-5, scale=0.2),
            convert="sentiment",
            epochs=2,
            window=(48, 32),
            why_window="Short windows: a sentence takes its mood from what stands right beside it.",
            sentences=True,
        ),
        TaskConfig(
            name="similarity",
            rates=rates(5e-5, 2e-5, 1e-5),
            convert="pairs",
            reader=PAIR_READER,
            suffixes=PAIR_SUFFIXES,
            epochs=2,
            fit="tasks.configs:fit_similarity",
            every=20,
        ),
        TaskConfig(
            name="paraphrase",
            rates=rates(1e-4, 3e-5, 2e-5),
            convert="pairs",
            reader=PAIR_READER,
            suffixes=PAIR_SUFFIXES,
            callback=CALIBRATE,
            why_callback="Probabilities that are neither too sure nor too timid.",
            fit="tasks.configs:fit_paraphrase",
            every=20,
        ),
        TaskConfig(
            name="qa",
            rates=rates(1e-3, 3e-5, 2e-5, scale=0.1),
            convert="qa",
            reader="spacy-bert-suite.QuestionCorpus.v1",
            suffixes=(".json", ".jsonl"),
            batch_size=16,
            window=(384, 256),
            why_window="Each begins with the question. They overlap by a third.",
            sentences=True,
            callback=TUNE_NULL,
            why_callback='The threshold for "no answer", set on the dev questions.',
            score_weights={"qa_em": 0.0},
            epochs=2,
            every=20,
        ),
        TaskConfig(
            name="summarizer",
            rates=rates(1e-4, 5e-5, 2e-5),
            convert="summaries",
            reader="spacy-bert-suite.SummaryCorpus.v1",
            suffixes=(".jsonl",),
            batch_size=8,
            buffer=32,
            sentences=True,
            settings={"method": "trained", "n_sentences": 3},
            epochs=1,
            every=20,
            steps=100,
        ),
        TaskConfig(
            name="pretrainer",
            rates=rates(1e-4, 5e-5, 2e-5),
            reader="spacy-bert-suite.PretrainCorpus.v1",
            suffixes=(*SPACY_SUFFIXES, ".txt", ".jsonl"),
            reading={
                "train": {**INSTANCE, "workers": 0},
                "dev": {**INSTANCE, "fixed": True, "limit": 500},
            },
            buffer=64,
            window=(LENGTH, 96),
            why_window="As long as an instance: max_length of the corpora.",
            fit="tasks.configs:fit_pretrainer",
            callback=CHECKPOINT,
            why_callback="A folder that transformers opens, and that other tasks can start from.",
            callback_path="${paths.checkpoint}",
            paths={"checkpoint": "training/checkpoint"},
            training={"max_epochs": -1},
            steps=10_000,
            epochs=0,
            every=500,
            trains_alone=True,
        ),
    )
}


def find_tasks(names: Sequence[str]) -> list[TaskConfig]:
    """RETURNS (list[TaskConfig]): Those of some names, with or without "bert_", each once.
    RAISES (ValueError): If there is no such task.
    """
    found = {}
    for name in names:
        key = name.removeprefix(PREFIX)
        if key not in TASKS:
            raise CodedValueError(Errors.B260.format(name=name, tasks=", ".join(TASKS)))
        found[key] = TASKS[key]
    return [*found.values()]


def without_sentiments(task: TaskConfig, data: Data) -> TaskConfig:
    """Where sentiments are in the same corpus, they are not categories too."""
    if "sentiment" not in data.beside:
        return task
    labels = sorted(categories_of(data.train))
    others = [label for label in labels if label not in known_polarities(labels)]
    if not others:
        raise CodedValueError(Errors.B266.format(path=data.train, task=task.name))
    return replace(task, labels=others)


def categories_of(path: Path) -> set[str]:
    return {label for eg in Corpus(path)(spacy.blank("xx")) for label in eg.reference.cats}


def fit_similarity(task: TaskConfig, data: Data) -> TaskConfig:
    """The loss for the gold that there is. Among other tasks it is one that leaves the vectors
    near where they were, if they were made for similarity.
    """
    found = survey(data.train, data.dev)
    task = task.with_reading(max_score=found.max_score)
    if found.highest is None:
        # The default, MultipleNegativesRanking, learns from texts that belong together.
        return replace(task, rates={**task.rates, "small": Rate(2e-5)})
    settings: dict[str, Any] = {"loss": SCORED if data.alone else ORDERED}
    if not data.alone and data.weights == "embedded":
        settings["distillation"] = 1.0
    return replace(task, settings=settings)


def fit_paraphrase(task: TaskConfig, data: Data) -> TaskConfig:
    """The mode for the gold that there is: yes and no, scores, or other classes."""
    found = survey(data.train, data.dev)
    task = task.with_reading(max_score=found.max_score)
    is_binary = len(found.labels) <= 2 and any(map(is_positive, found.labels))
    mode = "binary" if is_binary else "classes"
    if not found.labels and found.highest is not None:
        mode = "graded"
    callback = {**CALIBRATE, "max_score": found.max_score}
    return replace(task, settings={"mode": mode}, callback=callback)


def fit_pretrainer(task: TaskConfig, data: Data) -> TaskConfig:
    """Instances that fit into the weights' positions."""
    return task.with_reading(max_length=min(LENGTH, data.longest or 512))
