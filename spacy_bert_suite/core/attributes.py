"""Every Doc and Span attribute that the suite sets, in one table."""

from collections.abc import Callable, Iterable
from typing import Any

from spacy.tokens import Doc, Span

from ..errors import CodedValueError, Errors

# Values are plain (numbers, strings, lists, dicts, arrays): they survive to_bytes and pickle.
ATTRIBUTES: dict[str, tuple[Any, Any]] = {
    "doc.answers": (Doc, None),  # a dict for each question, list[Dict]
    "doc.bert_states": (Doc, None),  # {"pieces", "cls", "sep", "align"}: arrays on the host
    "doc.cluster": (Doc, None),  # label of the doc's cluster, int; -1 for none
    "doc.embedding": (Doc, None),  # (width,) float32
    "doc.labels": (Doc, None),  # categories above their thresholds, list[str]
    "doc.questions": (Doc, None),  # to be answered by bert_qa, list[str]
    "doc.sentiment": (Doc, None),  # {"label", "score", "probabilities", "polarity"}
    "doc.summary": (Doc, None),  # the chosen sentences as one text, str
    "span.embedding": (Span, None),  # (width,) float32, of a sentence
    "span.sentiment": (Span, None),  # the same as of the doc, for a sentence
    "span.score": (Span, None),  # probability of an entity, float
    "span.summary_score": (Span, None),  # how well a sentence stands for its doc, float
}


METHODS: dict[str, type] = {
    "doc.paraphrase": Doc,  # doc._.paraphrase(other): probability that both say the same
}


def register_attributes(
    name: str, attributes: Iterable[str], methods: dict[str, Callable] | None = None
) -> None:
    """Make attributes known to spaCy.

    name (str): The component that sets them, for the error message.
    attributes (Iterable[str]): Keys of `ATTRIBUTES`.
    methods (dict[str, Callable] | None): Functions by keys of `METHODS`.
    RAISES (ValueError): If another package has taken one of the names.
    """
    for key in attributes:
        owner, default = ATTRIBUTES[key]
        _register(name, owner, key, (default, None, None, None))
    for key, method in (methods or {}).items():
        _register(name, METHODS[key], key, (None, method, None, None))


class Registered:
    """Attributes that a component has made known to spaCy. It holds them, so that they are known
    wherever it is unpickled: in a fresh process nothing else would register them.
    """

    def __init__(
        self,
        name: str,
        attributes: Iterable[str],
        methods: dict[str, Callable] | None = None,
    ):
        self._arguments = name, list(attributes), methods
        register_attributes(*self._arguments)

    def __reduce__(self):
        return Registered, self._arguments


def _register(name: str, owner: Any, key: str, extension: tuple) -> None:
    attribute = key.split(".")[1]
    default, method, _, _ = extension
    if not owner.has_extension(attribute):
        options = {"default": default} if method is None else {"method": method}
        owner.set_extension(attribute, **options)
    elif owner.get_extension(attribute) != extension:
        message = Errors.B056.format(owner=owner.__name__, attribute=attribute, name=name)
        raise CodedValueError(message)
