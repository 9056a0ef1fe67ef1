"""training_length.v1: the length of training in epochs."""

import math
from collections.abc import Callable
from typing import Any

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.util import registry, resolve_dot_names

from ...errors import CodedValueError, Errors

TOTAL, WARMUP = "total_steps", "warmup_steps"


def make_training_length(epochs: float, evaluations: int = 10) -> Callable[[Language], Language]:
    """Registered as the callback "spacy-bert-suite.training_length.v1", for
    `initialize.after_init`. Where `epochs` passes over the training data are more updates than
    `training.max_steps`, trains for so many, and stretches the schedules of the optimizer: those
    with `total_steps` end with the training, and their warm-up takes the same part of it. A run
    that would end before its first evaluation, and so save untrained weights as the best, is
    evaluated at its end.

    epochs (float): Passes over the data; 0 leaves the length as it is.
    evaluations (int): Evaluate at most so often, by a larger `eval_frequency`; the last time at
        the end.
    RETURNS (Callable): The callback. What it sets is saved in the pipeline's config.
    RAISES (ValueError): If a number is out of its range.
    """
    if epochs < 0 or evaluations < 1:
        raise CodedValueError(Errors.B104.format(epochs=epochs, evaluations=evaluations))

    def set_training_length(nlp: Language) -> Language:
        training: Any = nlp.config["training"]
        values: Any = nlp.config.interpolate()["training"]
        n_steps = math.ceil(epochs * count_batches(nlp)) if epochs else 0
        if n_steps > values["max_steps"] > 0:
            frequency = max(values["eval_frequency"], math.ceil(n_steps / evaluations))
            training["eval_frequency"] = frequency
            training["max_steps"] = math.ceil(n_steps / frequency) * frequency
            training["optimizer"] = stretched(values["optimizer"], training["max_steps"])
        elif values["eval_frequency"] > values["max_steps"] > 0:
            training["eval_frequency"] = values["max_steps"]
        return nlp

    return set_training_length


def count_batches(nlp: Language) -> int:
    """RETURNS (int): Updates in one pass over the training corpus, which is read for that."""
    config = nlp.config.interpolate()
    training = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    (corpus,) = resolve_dot_names(config, [training["train_corpus"]])
    return sum(1 for _ in training["batcher"](corpus(nlp)))


def stretched(optimizer: dict[str, Any], n_steps: int) -> dict[str, Any]:
    """RETURNS (Dict): The optimizer with schedules that end after so many steps."""
    return {
        key: stretched_schedule(value, n_steps) if has_end(value) else value
        for key, value in optimizer.items()
    }


def stretched_schedule(schedule: dict[str, Any], n_steps: int) -> dict[str, Any]:
    n_before, changed = schedule[TOTAL], {**schedule, TOTAL: n_steps}
    if WARMUP in schedule and n_before > 0:
        changed[WARMUP] = round(schedule[WARMUP] * n_steps / n_before)
    return changed


def has_end(value: Any) -> bool:
    return isinstance(value, dict) and TOTAL in value
