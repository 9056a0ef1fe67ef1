"""Questions with their answers as training examples."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spacy.language import Language
from spacy.training import Example

from ..core.attributes import QUESTION
from ..core.text import is_blank, replace_surrogates
from ..core.validation import as_whole
from ..errors import CodedValueError, Errors

Gold = tuple[str, int]  # an answer and its first character in the text
ANSWERS = "a list of answers with text and answer_start"
START = "a whole number, 0 or more"


@dataclass(frozen=True)
class Question:
    """What an example holds beyond its doc, in which the answers are.

    text (str): The question.
    answers (list[tuple[str, int]]): Right answers, each with its first character in the doc. None
        at all: the question cannot be answered from this text.
    id (str): As in the data, or "".
    """

    text: str
    answers: list[Gold] = field(default_factory=list)
    id: str = ""

    @property
    def is_answerable(self) -> bool:
        return bool(self.answers)

    @property
    def target(self) -> tuple[int, int] | None:
        """RETURNS (tuple[int, int] | None): The answer to learn from, [start, end) in
        characters: the one that was given most often, the first of those.
        """
        if not self.answers:
            return None
        (text, start), _ = Counter(self.answers).most_common(1)[0]
        return start, start + len(text)


def make_question_example(
    nlp: Language,
    context: str,
    question: str,
    answers: Sequence[Gold] | Mapping[str, Any] = (),
    *,
    id: str = "",
) -> Example:
    """Make a training example from a text and a question about it.

    nlp (Language): Makes the doc of the text.
    context (str): The text.
    question (str): The question.
    answers (Sequence[tuple[str, int]]): Right answers, each with its first character in the text;
        none if the text does not answer the question. The layouts of SQuAD are read too.
    id (str): A name for the question.
    RETURNS (Example): An example for "bert_qa".
    RAISES (ValueError): If the question is empty, or the text does not have an answer where it is
        said to be.
    """
    if not isinstance(context, str):
        raise CodedValueError(Errors.B254.format(kind=type(context).__name__))
    context = replace_surrogates(context)
    check_question(question, "make_question_example")
    gold = read_answers(context, answers)
    doc = nlp.make_doc(context)
    reference = doc.copy()
    stored = {
        "text": replace_surrogates(question),
        "answers": [list(pair) for pair in gold],
        "id": str(id),
    }
    reference.user_data[QUESTION] = stored
    return Example(doc, reference)


class AnswerError(CodedValueError):
    """What is wrong with an answer, also in parts for who knows where it is from.

    field (str): "answers" or "answer_start".
    found (Any): What it is.
    expected (str): What it must be.
    """

    def __init__(self, message: str, field: str = "", found: Any = None, expected: str = ""):
        super().__init__(message)
        self.field = field
        self.found = found
        self.expected = expected


def read_answers(context: str, answers: Any) -> list[Gold]:
    """Read the answers to a question, in any of the usual layouts: pairs of a text and its first
    character, SQuAD's [{"text": ..., "answer_start": ...}], or {"text": [...], "answer_start":
    [...]}.

    context (str): The text that they are in.
    answers (Iterable | Mapping): The answers.
    RETURNS (list[tuple[str, int]]): Each with its first character.
    RAISES (AnswerError): If these are no answers, or one is not where it is said to be.
    """
    gold = [_read_answer(answer) for answer in _list_answers(answers)]
    for text, start in gold:
        _check_place(context, text, start)
    return gold


def _list_answers(answers: Any) -> list[Any]:
    if isinstance(answers, Mapping):
        texts: Any = answers.get("text")
        starts: Any = answers.get("answer_start")
        if not isinstance(texts, (list, tuple)) or not isinstance(starts, (list, tuple)):
            raise _no_answer("answers", answers, ANSWERS)
        if len(texts) != len(starts):
            raise _no_answer("answers", answers, "as many texts as answer_starts")
        return list(zip(texts, starts))
    if answers is None or isinstance(answers, (str, int, float)):
        raise _no_answer("answers", answers, ANSWERS)
    return list(answers)


def _read_answer(answer: Any) -> Gold:
    given = answer
    if isinstance(answer, Mapping):
        answer = answer.get("text"), answer.get("answer_start")
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise _no_answer("answers", given, ANSWERS)
    text, start = answer
    if not isinstance(text, str):
        raise _no_answer("answers", given, ANSWERS)
    place = None if isinstance(start, bool) else as_whole(start)
    if place is None:
        raise _no_answer("answer_start", start, START, given)
    return replace_surrogates(text), place


def _check_place(context: str, text: str, start: int) -> None:
    value: Any
    if is_blank(text):
        field, value, expected = "answers", text, "a text that is not empty"
    elif start < 0:
        field, value, expected = "answer_start", start, START
    elif context[start : start + len(text)] != text:
        field, value, expected = "answers", text, f"what the context has at character {start}"
    else:
        return
    first = max(0, start)
    there = context[first : first + len(text)]
    message = Errors.B241.format(answer=text, start=start, found=there)
    raise AnswerError(message, field, value, expected)


def _no_answer(field: str, found: Any, expected: str, answer: Any = None) -> AnswerError:
    """answer (Any): All of it, where what is wrong is only a part."""
    message = Errors.B253.format(answer=found if answer is None else answer)
    return AnswerError(message, field, found, expected)


def get_question(eg: Example) -> Question | None:
    """RETURNS (Question | None): What was stored by `make_question_example`, if anything was."""
    stored = eg.reference.user_data.get(QUESTION)
    if stored is None:
        return None
    answers = [(text, start) for text, start in stored["answers"]]
    return Question(stored["text"], answers, stored["id"])


def check_question(question: object, name: str) -> None:
    """RAISES (ValueError): If it is not a text with at least one character that is seen."""
    if not isinstance(question, str) or is_blank(question):
        raise CodedValueError(Errors.B240.format(name=name, question=question))
