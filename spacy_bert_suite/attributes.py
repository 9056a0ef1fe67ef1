"""Every Doc and Span attribute that the suite sets, in one table."""

from typing import Any, Dict, Iterable, Tuple, Type

from spacy.tokens import Doc, Span

from .errors import Errors

# Values are plain (numbers, strings, lists, dicts, arrays): they survive to_bytes and pickle.
ATTRIBUTES: Dict[str, Tuple[Type, Any]] = {
    "doc.bert_states": (Doc, None),  # {"pieces", "cls", "sep", "align"}: arrays on the host
    "doc.cluster": (Doc, None),  # label of the doc's cluster, int; -1 for none
    "doc.embedding": (Doc, None),  # (width,) float32
    "doc.labels": (Doc, None),  # categories above their thresholds, List[str]
    "doc.sentiment": (Doc, None),  # {"label", "score", "probabilities", "polarity"}
    "doc.summary": (Doc, None),  # the chosen sentences as one text, str
    "span.embedding": (Span, None),  # (width,) float32, of a sentence
    "span.sentiment": (Span, None),  # the same as of the doc, for a sentence
    "span.score": (Span, None),  # probability of an entity, float
    "span.summary_score": (Span, None),  # how well a sentence stands for its doc, float
}


def register_attributes(name: str, attributes: Iterable[str]) -> None:
    """Make attributes known to spaCy.

    name (str): The component that sets them, for the error message.
    attributes (Iterable[str]): Keys of `ATTRIBUTES`.
    RAISES (ValueError): If another package has taken one of the names.
    """
    for key in attributes:
        owner, default = ATTRIBUTES[key]
        attribute = key.split(".")[1]
        if not owner.has_extension(attribute):
            owner.set_extension(attribute, default=default)
        elif owner.get_extension(attribute) != (default, None, None, None):
            message = Errors.B056.format(owner=owner.__name__, attribute=attribute, name=name)
            raise ValueError(message)
