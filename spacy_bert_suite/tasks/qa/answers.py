"""Answers to questions, chosen from the candidate spans of all windows."""

from typing import Any, NamedTuple

import numpy
from spacy.tokens import Doc, Span

from .spans import SpanCandidates


class Answer(NamedTuple):
    """An answer to a question, or that there is none.

    question (str): The question.
    span (Span | None): The answer in the Doc; None for no answer.
    probability (float): Of this span, or of "no answer" if there is no span: from 0 to 1, and at
        most 1 for all spans of the text and "no answer" together.
    null_probability (float): Of "no answer".
    null_score (float): Score of "no answer" less that of the best span, in logits; there is no
        answer if it is above the threshold of the component.
    """

    question: str
    span: Span | None
    probability: float
    null_probability: float
    null_score: float

    @property
    def text(self) -> str:
        """RETURNS (str): Text of the answer; "" for none."""
        return "" if self.span is None else self.span.text

    @property
    def sentence(self) -> Span | None:
        """RETURNS (Span | None): The sentence in which the answer begins; None without an
        answer, or without sentence boundaries.
        """
        if self.span is None or not self.span.doc.has_annotation("SENT_START"):
            return None
        return self.span[:1].sent

    def to_dict(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): Plain values, for `doc._.answers`."""
        span, sentence = self.span, self.sentence
        return {
            "question": self.question,
            "text": self.text,
            "start_char": None if span is None else span.start_char,
            "end_char": None if span is None else span.end_char,
            "sent_start_char": None if sentence is None else sentence.start_char,
            "sent_end_char": None if sentence is None else sentence.end_char,
            "score": self.probability,
            "null_score": self.null_score,
            "null_probability": self.null_probability,
        }


def choose_answers(
    reading: SpanCandidates, question: str, null_threshold: float | None, n_best: int = 1
) -> list[Answer]:
    """Choose answers.

    null_threshold (float | None): The first answer is "no answer" if the null score is above
        this; None never says so, unless the text is empty.
    n_best (int): Most answers.
    RETURNS (list[Answer]): At least one, best first.
    """
    total = numpy.logaddexp(reading.null, reading.log_total)
    null_probability = _probability(reading.null - total)
    rest = (question, null_probability, reading.null_score)
    spans = [_answer(c.span, _probability(c.log_mass - total), *rest) for c in reading.candidates]
    is_null = null_threshold is not None and reading.null_score > null_threshold
    if is_null or not spans:
        spans = [_answer(None, null_probability, *rest), *spans]
    return spans[:n_best]


def _answer(
    span: Span | None, probability: float, question: str, null: float, null_score: float
) -> Answer:
    return Answer(question, span, probability, null, null_score)


def _probability(logarithm: float) -> float:
    return min(1.0, float(numpy.exp(logarithm)))


Asked = tuple[Doc, str]
