"""What a config for training says about `bert_paraphrase`: the settings of the template."""

from dataclasses import replace

from ...data.pair_survey import PAIR_READER, PAIR_SUFFIXES, survey
from ...data.pairs import is_positive
from ...training.new_config.task import Data, TaskConfig, rates

CALIBRATE = {"@callbacks": "spacy-bert-suite.calibrate.v1"}


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


CONFIG = TaskConfig(
    name="paraphrase",
    rates=rates(1e-4, 3e-5, 2e-5),
    convert="pairs",
    reader=PAIR_READER,
    suffixes=PAIR_SUFFIXES,
    callback=CALIBRATE,
    why_callback="Probabilities that are neither too sure nor too timid.",
    fit=fit_paraphrase,
    every=20,
)
