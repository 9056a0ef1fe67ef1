"""The parts of a training run, resolved from a config."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training.loop import (
    create_before_to_disk_callback,
    create_evaluation_callback,
    create_train_batches,
)
from spacy.util import registry, resolve_dot_names
from thinc.api import constant, fix_random_seed, set_gpu_allocator

from ..errors import CodedValueError, Errors
from .resume.batches import BatchStream
from .steps import Run


@dataclass
class Setup:
    """A run, and what is done around it.

    training (Dict): The resolved [training] of the config.
    make_logger (Callable): Makes what logs a step, and what closes the logger.
    before_to_disk (Callable): Changes the pipeline before it is saved.
    """

    run: Run
    training: dict[str, Any]
    make_logger: Callable[..., Any]
    before_to_disk: Callable[[Language], Language]


def set_up(nlp: Language, use_gpu: int) -> Setup:
    """Seed the random numbers and make everything, in the order in which spaCy does that.

    RAISES (ValueError): If a number in the config is none to train by.
    """
    config = nlp.config.interpolate()
    values = config["training"]
    if values["seed"] is not None:
        fix_random_seed(values["seed"])
    if use_gpu >= 0 and values["gpu_allocator"]:
        set_gpu_allocator(values["gpu_allocator"])
    training = registry.resolve(values, schema=ConfigSchemaTraining)  # type: ignore[arg-type]
    check_counts(training)
    corpora = resolve_dot_names(config, [training["train_corpus"], training["dev_corpus"]])
    before_to_disk = create_before_to_disk_callback(training["before_to_disk"])
    run = make_run(nlp, training, *corpora)
    return Setup(run, training, training["logger"], before_to_disk)


def check_counts(training: dict[str, Any]) -> None:
    """RAISES (ValueError): For numbers of updates that steps cannot be divided by."""
    for key in ("accumulate_gradient", "eval_frequency"):
        if training[key] < 1:
            message = Errors.B176.format(
                key=f"training.{key}", value=training[key], expected="1 or more"
            )
            raise CodedValueError(message)


def make_run(
    nlp: Language, training: dict[str, Any], train_corpus: Callable, dev_corpus: Callable
) -> Run:
    batches = create_train_batches(nlp, train_corpus, training["batcher"], training["max_epochs"])
    dropout: Any = training["dropout"]
    dropouts: Any = constant(dropout) if isinstance(dropout, float) else dropout
    return Run(
        nlp=nlp,
        optimizer=training["optimizer"],
        batches=BatchStream(batches),
        evaluate=create_evaluation_callback(nlp, dev_corpus, training["score_weights"]),
        dropouts=dropouts,
        before_update=training["before_update"],
        exclude=training["frozen_components"],
        annotates=training["annotating_components"],
        accumulate_gradient=training["accumulate_gradient"],
        eval_frequency=training["eval_frequency"],
        max_steps=training["max_steps"],
        max_epochs=training["max_epochs"],
        patience=training["patience"],
    )
