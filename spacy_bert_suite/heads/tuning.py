"""Callbacks for `training.before_to_disk` that tune components before a pipeline is saved."""

from collections.abc import Callable
from typing import Any

from spacy.language import Language


def before_saving(
    method: str, *get_arguments: Callable[[Language], Any]
) -> Callable[[Language], Language]:
    """Make a callback that calls a method of every component that has it.

    method (str): Its name, such as "calibrate".
    get_arguments (Callable): Give its arguments from the pipeline, such as the examples of a file.
        Called once, and only where there is such a component.
    RETURNS (Callable): The callback, for `training.before_to_disk`.
    """

    def call_each(nlp: Language) -> Language:
        pipes = [pipe for _, pipe in nlp.pipeline if hasattr(pipe, method)]
        arguments = [get(nlp) for get in get_arguments] if pipes else []
        for pipe in pipes:
            getattr(pipe, method)(*arguments)
        return nlp

    return call_each
