"""Reference summaries and gold sentences on the reference doc of an example."""

import numpy
from spacy.training import Example

from ...core.attributes import REFERENCES
from .sentences import sentences_of


def references_of(eg: Example, spans_key: str) -> list[str]:
    """RETURNS (list[str]): The reference summaries or, without any, the gold sentences as one."""
    references = eg.reference.user_data.get(REFERENCES)
    if references:
        return list(references)
    gold = eg.reference.spans.get(spans_key) or ()
    return [" ".join(span.text for span in gold)] if len(gold) else []


def has_summary(eg: Example, spans_key: str) -> bool:
    return bool(references_of(eg, spans_key))


def gold_labels(eg: Example, spans_key: str, *, is_given: bool = True) -> numpy.ndarray:
    """Whether the sentences of the predicted doc are gold. Both docs may be tokenized and cut into
    sentences differently: a sentence is gold if at least half of its characters are.

    is_given (bool): Whether the example has gold for the component.
    RETURNS (ndarray): 1, 0, or NaN where nothing is given, (n_sentences,) float32.
    """
    sentences = sentences_of(eg.predicted)
    if not is_given:
        return numpy.full(len(sentences), numpy.nan, dtype="float32")
    is_gold = numpy.zeros(len(eg.predicted.text) + 1, dtype=bool)
    for span in eg.reference.spans[spans_key]:
        is_gold[span.start_char : span.end_char] = True
    shares = [is_gold[sent.start_char : sent.end_char].mean() for sent in sentences]
    return (numpy.asarray(shares) >= 0.5).astype("float32")
