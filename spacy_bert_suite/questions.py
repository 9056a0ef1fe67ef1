"""Questions about a text, with their answers, as examples for training and scoring."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import List, Optional, Tuple

from spacy.language import Language
from spacy.training import Example

from .errors import Errors
from .unicode import clean

QUESTION = "spacy_bert_suite.question"  # key in the reference doc's user_data
Gold = Tuple[str, int]  # an answer and its first character in the text


@dataclass(frozen=True)
class Question:
    """What an example holds beyond its doc, in which the answers are.

    text (str): The question.
    answers (List[Tuple[str, int]]): Right answers, each with its first character in the doc. None
        at all: the question cannot be answered from this text.
    id (str): As in the data, or "".
    """

    text: str
    answers: List[Gold] = field(default_factory=list)
    id: str = ""

    @property
    def is_answerable(self) -> bool:
        return bool(self.answers)

    @property
    def target(self) -> Optional[Tuple[int, int]]:
        """RETURNS (Optional[Tuple[int, int]]): The answer to learn from, [start, end) in
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
    answers: Sequence[Gold] = (),
    *,
    id: str = "",
) -> Example:
    """Make a training example from a text and a question about it.

    nlp (Language): Makes the doc of the text.
    context (str): The text.
    question (str): The question.
    answers (Sequence[Tuple[str, int]]): Right answers, each with its first character in the text;
        none if the text does not answer the question.
    id (str): A name for the question.
    RETURNS (Example): An example for "bert_qa".
    RAISES (ValueError): If the question is empty, or the text does not have an answer where it is
        said to be.
    """
    context = clean(context)
    check_question(question, "make_question_example")
    gold = [(clean(text), start) for text, start in answers]
    for text, start in gold:
        if not text.strip() or start < 0 or context[start : start + len(text)] != text:
            found = context[max(0, start) : max(0, start) + len(text)]
            raise ValueError(Errors.B241.format(answer=text, start=start, found=found))
    doc = nlp.make_doc(context)
    reference = doc.copy()
    stored = {"text": clean(question), "answers": [list(pair) for pair in gold], "id": str(id)}
    reference.user_data[QUESTION] = stored
    return Example(doc, reference)


def get_question(eg: Example) -> Optional[Question]:
    """RETURNS (Optional[Question]): What was stored by `make_question_example`, if anything was."""
    stored = eg.reference.user_data.get(QUESTION)
    if stored is None:
        return None
    answers = [(text, start) for text, start in stored["answers"]]
    return Question(stored["text"], answers, stored["id"])


def check_question(question: object, name: str) -> None:
    """RAISES (ValueError): If it is not a text with at least one character that is seen."""
    if not isinstance(question, str) or not question.strip():
        raise ValueError(Errors.B240.format(name=name, question=question))
