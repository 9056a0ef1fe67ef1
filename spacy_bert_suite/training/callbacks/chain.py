"""chain_callbacks.v1: several callbacks in the place of one."""

from collections.abc import Callable
from typing import Any

from spacy.language import Language

from ...core.validation import check_config
from ...errors import CodedValueError, Errors


def make_chain_callbacks(callbacks: dict[str, Any]) -> Callable[[Language], Language]:
    """Registered as the callback "spacy-bert-suite.chain_callbacks.v1", for
    `training.before_to_disk` and any other place of a callback that takes the pipeline and gives
    it back.

    callbacks (dict[str, Callable]): Called one after the other, in the order of the config, each
        with what the one before has given back. Their names are for reading only.
    RETURNS (Callable): The callback.
    RAISES (ValueError): If one of them cannot be called.
    """
    are_callable = all(map(callable, callbacks.values()))
    owner = "spacy-bert-suite.chain_callbacks.v1"
    check_config(owner, "callbacks", callbacks, are_callable, "sections with @callbacks")

    def call_all(nlp: Language) -> Language:
        for name, callback in callbacks.items():
            found = callback(nlp)
            if not isinstance(found, Language):
                raise CodedValueError(Errors.B251.format(name=name, found=type(found).__name__))
            nlp = found
        return nlp

    return call_all
