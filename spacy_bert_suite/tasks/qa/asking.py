"""What may be asked: questions of a Doc, and checks of what `bert_qa` is given."""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from spacy.tokens import Doc, Span
from spacy.training import Example

from ...backbone.passes.pairs import PairEncoder, have_room, shortened
from ...core.validation import as_whole, check_config
from ...data.questions import Question, check_question
from ...errors import CodedValueError, Errors, Warnings


def questions_of(doc: Doc) -> list[str] | None:
    """RETURNS (list[str] | None): `doc._.questions`, where a single one need not be a list."""
    questions = doc._.questions
    if questions is None:
        return None
    return list(questions) if isinstance(questions, (list, tuple)) else [questions]


def as_list(values: Any) -> list[Any]:
    """RETURNS (list[Any]): All of an iterable; a text, a Doc or anything else as the only one."""
    is_one = isinstance(values, (str, Doc, Span)) or not isinstance(values, Iterable)
    return [values] if is_one else list(values)


def check_doc(doc: object, name: str) -> None:
    """RAISES (ValueError): If it is no Doc, of which an answer would be a span."""
    if not isinstance(doc, Doc):
        raise CodedValueError(Errors.B248.format(name=name, kind=type(doc).__name__))


def check_top_k(top_k: object, name: str) -> None:
    number = as_whole(top_k) or 0
    check_config(name, "top_k", top_k, number >= 1, "a whole number of at least 1")


def check_pair(pair: object, name: str) -> None:
    """RAISES (ValueError): If it is no pair of a Doc and a question."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise CodedValueError(Errors.B252.format(name=name, found=f"{pair!r:.60}"))
    doc, question = pair
    check_doc(doc, name)
    check_question(question, name)


def with_room(
    examples: Sequence[tuple[Example, Question]], encoder: PairEncoder, name: str
) -> list[tuple[Example, Question]]:
    """RETURNS (list[tuple[Example, Question]]): The examples, but for those whose question leaves
    no room for the text: of them there is a warning.
    """
    fits = have_room(encoder, [(asked.text, eg.predicted.text) for eg, asked in examples])
    too_long = [asked.text for (_, asked), fit in zip(examples, fits) if not fit]
    if too_long:
        message = Warnings.B913.format(
            name=name,
            n=len(too_long),
            n_all=len(examples),
            window=encoder.get_backbone().window,
            first=shortened(too_long[0]),
        )
        warnings.warn(message, stacklevel=3)
    return [example for example, fit in zip(examples, fits) if fit]
