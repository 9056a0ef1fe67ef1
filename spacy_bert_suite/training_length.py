"""How long to train: in passes over the data, where `spacy train` counts updates."""

import math
from typing import Any, Callable, Dict, Tuple

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.util import registry, resolve_dot_names

from .errors import Errors

TOTAL, WARMUP = "total_steps", "warmup_steps"


def make_training_length(epochs: float, evaluations: int = 10) -> Callable[[Language], Language]:
    """Registered as the callback "spacy-bert-suite.training_length.v1", for
    `initialize.after_init`. Where `epochs` passes over the training data are more updates than
    `training.max_steps`, trains for so many, and stretches the schedules of the optimizer: those
    with `total_steps` end with the training, and their warm-up takes the same part of it.

    epochs (float): Passes over the data; 0 changes nothing.
    evaluations (int): Evaluate at most so often, by a larger `eval_frequency`; the last time at
        the end.
    RETURNS (Callable): The callback. What it sets is saved in the pipeline's config.
    RAISES (ValueError): If a number is out of its range.
    """
    if epochs < 0 or evaluations < 1:
        raise ValueError(Errors.B104.format(epochs=epochs, evaluations=evaluations))

    def set_training_length(nlp: Language) -> Language:
        training: Any = nlp.config["training"]
        n_steps = math.ceil(epochs * count_batches(nlp)) if epochs else 0
        if n_steps > training["max_steps"] > 0:
            frequency = max(training["eval_frequency"], math.ceil(n_steps / evaluations))
            training["eval_frequency"] = frequency
            stretch(training, math.ceil(n_steps / frequency) * frequency)
        return nlp

    return set_training_length


def count_batches(nlp: Language) -> int:
    """RETURNS (int): Updates in one pass over the training corpus, which is read for that."""
    config = nlp.config.interpolate()
    training = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    (corpus,) = resolve_dot_names(config, [training["train_corpus"]])
    return sum(1 for _ in training["batcher"](corpus(nlp)))


def stretch(training: Dict[str, Any], n_steps: int) -> None:
    training["max_steps"] = n_steps
    for schedule in schedules(training["optimizer"]):
        n_before, schedule[TOTAL] = schedule[TOTAL], n_steps
        if WARMUP in schedule and n_before > 0:
            schedule[WARMUP] = round(schedule[WARMUP] * n_steps / n_before)


def schedules(optimizer: Dict[str, Any]) -> Tuple[Dict[str, Any], ...]:
    """RETURNS (Tuple[Dict, ...]): The schedules of an optimizer that have an end."""
    return tuple(
        value for value in optimizer.values() if isinstance(value, dict) and TOTAL in value
    )
