"""Loading of pipelines by name, and their listeners."""

import spacy
from spacy.language import Language

from ..errors import CodedValueError, Errors

MAX_TEXT = 10**9  # characters: spaCy's limit of a million is for the memory of other models


def load_pipeline(name: str) -> Language:
    """Load a pipeline that takes long texts.

    name (str): A folder, or a package that is installed.
    RETURNS (Language): The pipeline.
    RAISES (ValueError): If there is none, or it cannot be loaded.
    """
    try:
        nlp = spacy.load(name)
    except (ValueError, OSError, ImportError) as error:
        raise CodedValueError(Errors.B214.format(name=name, reason=error)) from error
    nlp.max_length = max(nlp.max_length, MAX_TEXT)
    return nlp


def link_listeners(nlp: Language) -> None:
    """Bind listeners to the components that they read from, as `nlp.from_disk` does. The one use of
    a private name of spaCy's `Language`.
    """
    nlp._link_components()
