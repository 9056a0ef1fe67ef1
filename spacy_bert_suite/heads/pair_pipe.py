"""PairPipe: components that learn from pairs of texts."""

from collections.abc import Callable, Iterable
from typing import Any

from spacy.tokens import Doc, Span
from spacy.training import Example

from ..data.multitask import examples_for, is_for
from ..data.pairs import PairAnnotation, belongs_together, get_pair
from ..errors import CodedValueError, Errors
from .labelled import check_label
from .pipe import HeadPipe


class PairPipe(HeadPipe):
    """A component that learns from pairs: see `pairs.py`.

    needs (str): Which pairs are of use to it: those with a "score" or a "label", those that
        belong together ("positive"), or such with a negative ("negative").
    """

    needs: str

    def set_labels(self, labels: Iterable[str]) -> None:
        """RAISES (ValueError): If one of them is no label."""
        found = list(dict.fromkeys(labels))
        for label in found:
            check_label(label, self.name)
        self.cfg["labels"] = found

    def class_of(self, pair: PairAnnotation) -> int:
        """RETURNS (int): Which of the labels the pair has.
        RAISES (ValueError): If it has another.
        """
        if pair.label not in self.labels:
            n, labels = len(self.labels), ", ".join(self.labels)
            raise CodedValueError(
                Errors.B068.format(name=self.name, n=n, labels=labels, label=pair.label)
            )
        return self.labels.index(pair.label)

    def pair_of(self, eg: Example) -> PairAnnotation | None:
        """RETURNS (PairAnnotation | None): The pair of an example that this component may read."""
        return get_pair(eg) if is_for(eg, self.name) else None

    def collect_pairs(self, get_examples: Callable[[], Iterable[Example]]) -> list[PairAnnotation]:
        """RETURNS (list[PairAnnotation]): All pairs that it is initialized with."""
        examples = examples_for(get_examples, self.name)
        return [pair for eg in examples if (pair := self.pair_of(eg)) is not None]

    def is_gold(self, pair: PairAnnotation) -> bool:
        """RETURNS (bool): Whether the pair holds what this component learns from."""
        if self.needs in ("score", "label"):
            return getattr(pair, self.needs) is not None
        return belongs_together(pair) and len(pair.others) > (self.needs == "negative")

    def select_examples(self, examples: Iterable[Example]) -> list[tuple[str, PairAnnotation]]:
        """RETURNS (list[tuple[str, PairAnnotation]]): First text and the rest of each example with
        gold.
        """
        found = [(eg.predicted.text, self.pair_of(eg)) for eg in examples]
        return [(text, pair) for text, pair in found if pair is not None and self.is_gold(pair)]


def as_texts(values: Iterable[Any], name: str) -> list[str]:
    """values (Iterable[str | Doc | Span]): Texts, or what has one.
    RETURNS (list[str]): The texts.
    RAISES (ValueError): If one is neither: a missing value would be read as a word.
    """
    return [as_text(value, place, name) for place, value in enumerate(values)]


def as_text(value: Any, place: int, name: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (Doc, Span)):
        return value.text
    raise CodedValueError(Errors.B074.format(name=name, kind=type(value).__name__, place=place))


def as_pairs(pairs: Iterable[Any], name: str) -> list[tuple[str, str]]:
    """RETURNS (list[tuple[str, str]]): The texts of pairs.
    RAISES (ValueError): If one of them is no pair, or not of texts.
    """
    found = list(pairs)
    for place, pair in enumerate(found):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise CodedValueError(Errors.B075.format(name=name, place=place, found=repr(pair)[:60]))
    texts = as_texts((text for pair in found for text in pair), name)
    return list(zip(texts[::2], texts[1::2]))
