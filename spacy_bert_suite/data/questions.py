"""Questions about a text, with their answers, as examples for training and scoring."""

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
    gold = [
        (replace_surrogates(text), start) for text, start in map(read_answer, list_answers(answers))
    ]
    for text, start in gold:
        if is_blank(text) or start < 0 or context[start : start + len(text)] != text:
            found = context[max(0, start) : max(0, start) + len(text)]
            raise CodedValueError(Errors.B241.format(answer=text, start=start, found=found))
    doc = nlp.make_doc(context)
    reference = doc.copy()
    stored = {
        "text": replace_surrogates(question),
        "answers": [list(pair) for pair in gold],
        "id": str(id),
    }
    reference.user_data[QUESTION] = stored
    return Example(doc, reference)


def list_answers(answers: Any) -> list[Any]:
    """RETURNS (List): Answers one by one, also of {"text": [...], "answer_start": [...]}.
    RAISES (ValueError): If it is no list of answers.
    """
    if isinstance(answers, Mapping):
        texts: Any = answers.get("text")
        starts: Any = answers.get("answer_start")
        are_lists = isinstance(texts, (list, tuple)) and isinstance(starts, (list, tuple))
        if not are_lists or len(texts) != len(starts):
            raise CodedValueError(Errors.B253.format(answer=answers))
        return list(zip(texts, starts))
    if answers is None or isinstance(answers, (str, int, float)):
        raise CodedValueError(Errors.B253.format(answer=answers))
    return list(answers)


def read_answer(answer: Any) -> Gold:
    """RETURNS (tuple[str, int]): An answer and where it begins.
    RAISES (ValueError): If it is none.
    """
    if isinstance(answer, Mapping):
        answer = answer.get("text"), answer.get("answer_start")
    is_pair = isinstance(answer, (tuple, list)) and len(answer) == 2
    text, start = answer if is_pair else (None, None)
    place = as_whole(start)
    if not isinstance(text, str) or place is None or isinstance(start, bool):
        raise CodedValueError(Errors.B253.format(answer=answer))
    return text, place


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
