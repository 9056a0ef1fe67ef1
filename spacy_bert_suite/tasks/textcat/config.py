"""What a config for training says about categories: the settings of the template."""

from dataclasses import replace
from pathlib import Path

import spacy
from spacy.training import Corpus

from ...data.polarity import known_polarities
from ...errors import CodedValueError, Errors
from ...training.new_config.task import Data, TaskConfig, rates

TUNE = {"@callbacks": "spacy-bert-suite.tune_thresholds.v1"}


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


CONFIG = TaskConfig(
    name="textcat",
    rates=rates(1e-3, 5e-5, 2e-5, scale=0.2),
    convert="textcat",
    epochs=2,
    fit=without_sentiments,
)

MULTILABEL_CONFIG = TaskConfig(
    name="textcat_multilabel",
    rates=rates(1e-3, 5e-5, 2e-5, scale=0.1),
    convert="textcat",
    epochs=2,
    callback=TUNE,
    why_callback="Each label gets the threshold with the best F1 on the dev texts.",
    fit=without_sentiments,
)
