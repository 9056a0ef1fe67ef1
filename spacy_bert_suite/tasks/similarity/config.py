"""What a config for training says about `bert_similarity`: the settings of the template."""

from dataclasses import replace
from typing import Any

from ...data.pair_survey import PAIR_READER, PAIR_SUFFIXES, survey
from ...training.new_config.task import Data, Rate, TaskConfig, rates

SCORED = {"@losses": "spacy-bert-suite.CosineSimilarity.v1"}
ORDERED = {"@losses": "spacy-bert-suite.CoSENT.v1", "scale": 20.0}


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


CONFIG = TaskConfig(
    name="similarity",
    rates=rates(5e-5, 2e-5, 1e-5),
    convert="pairs",
    reader=PAIR_READER,
    suffixes=PAIR_SUFFIXES,
    epochs=2,
    fit=fit_similarity,
    every=20,
)
