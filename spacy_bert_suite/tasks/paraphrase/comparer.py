"""`doc._.paraphrase`: a component that a doc can ask about another text."""

from collections.abc import Iterable
from typing import Any, Protocol
from weakref import WeakValueDictionary

import numpy
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ...errors import CodedValueError, Errors


class PairScorer(Protocol):
    """What is asked: `bert_paraphrase`."""

    mode: str
    vocab: Vocab

    @property
    def labels(self) -> tuple[str, ...]: ...

    def predict_pairs(self, pairs: Iterable[tuple[str, str]]) -> numpy.ndarray: ...


# By the vocab, which a doc shares with its pipeline also where another process has annotated it. A
# hook in the doc would warn of each doc that is serialized (W109), and be lost on the way.
_scorers: WeakValueDictionary[int, PairScorer] = WeakValueDictionary()


def answer_for(vocab: Vocab, scorer: PairScorer) -> None:
    """Let docs of a vocab be compared by a component; of several, by the last one."""
    _scorers[id(vocab)] = scorer


def paraphrase(doc: Doc, other: Any) -> Any:
    """`doc._.paraphrase(other)`: a probability, or one of each class.

    other (str | Doc | Span): The second text.
    RAISES (ValueError): If the doc is not of a pipeline with 'bert_paraphrase'.
    """
    scorer = _scorers.get(id(doc.vocab))
    if scorer is None or scorer.vocab is not doc.vocab:
        raise CodedValueError(Errors.B071)
    found = scorer.predict_pairs([(doc.text, other)])[0]
    if scorer.mode != "classes":
        return float(found)
    return dict(zip(scorer.labels, found.tolist()))
