"""`doc._.paraphrase`: a component that a doc can ask about another text."""

from collections.abc import Iterable
from typing import Any, Protocol

import numpy
from spacy.tokens import Doc

from ...errors import CodedValueError, Errors

HOOK = "paraphrase"  # key in doc.user_hooks


class PairScorer(Protocol):
    """What is asked: `bert_paraphrase`."""

    mode: str

    @property
    def labels(self) -> tuple[str, ...]: ...

    def predict_pairs(self, pairs: Iterable[tuple[str, str]]) -> numpy.ndarray: ...


class Comparer:
    """Behind `doc._.paraphrase`. A copy of a doc in bytes or a pickle goes without it."""

    def __init__(self, pipe: PairScorer | None):
        self.pipe = pipe

    def __call__(self, doc: Doc, other: Any) -> Any:
        if self.pipe is None:
            raise CodedValueError(Errors.B071)
        found = self.pipe.predict_pairs([(doc.text, other)])[0]
        if self.pipe.mode != "classes":
            return float(found)
        return dict(zip(self.pipe.labels, found.tolist()))

    def __reduce__(self):
        return Comparer, (None,)


def paraphrase(doc: Doc, other: Any) -> Any:
    """`doc._.paraphrase(other)`: a probability, or one of each class.

    other (str | Doc | Span): The second text.
    RAISES (ValueError): If the doc has not come out of a pipeline with 'bert_paraphrase'.
    """
    return doc.user_hooks.get(HOOK, Comparer(None))(doc, other)
