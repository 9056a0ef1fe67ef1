"""Questions and answers in files: SQuAD's own JSON, and lines of JSON. Exact match and F1 as the
official script of SQuAD counts them.
"""

import json
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

from spacy.language import Language
from spacy.training import Corpus, Example

from .errors import Errors
from .questions import Gold, Question, make_question_example
from .records import read_lines, read_rows
from .unicode import clean, is_blank

PUNCTUATION = str.maketrans("", "", string.punctuation)
ARTICLES = re.compile(r"\b(a|an|the)\b")
SUFFIXES = (".json", ".jsonl")


# Reading


@dataclass(frozen=True)
class Entry:
    """A question as it stands in a file, with the place to name when it is wrong."""

    path: Path
    place: str
    context: Any
    record: Dict[str, Any]

    def wrong(self, field: str, found: Any, expected: str) -> ValueError:
        place = f"{self.place} (id {self.record['id']})" if "id" in self.record else self.place
        return ValueError(
            Errors.B242.format(
                path=self.path, place=place, field=field, found=_short(found), expected=expected
            )
        )

    def text(self, field: str, value: Any) -> str:
        if not isinstance(value, str) or is_blank(value):
            raise self.wrong(field, value, "a text that is not empty")
        return clean(value)

    def question(self) -> "tuple[str, Question]":
        """RETURNS (Tuple[str, Question]): The context and the question."""
        context = self.text("context", self.context)
        text = self.text("question", self.record.get("question"))
        is_impossible = self.record.get("is_impossible")
        if not isinstance(is_impossible, (bool, type(None))):
            raise self.wrong("is_impossible", is_impossible, "true or false")
        answers = [] if is_impossible else [self._placed(context, a) for a in self._answers()]
        return context, Question(text, answers, str(self.record.get("id", "")))

    def _answers(self) -> List[Dict[str, Any]]:
        """The answers as a list, whichever of the two usual layouts they have."""
        expected = "a list of answers with text and answer_start"
        given = self.record.get("answers")
        if isinstance(given, dict):
            texts, starts = given.get("text"), given.get("answer_start")
            if not isinstance(texts, list) or not isinstance(starts, list):
                raise self.wrong("answers", given, expected)
            if len(texts) != len(starts):
                raise self.wrong("answers", given, "as many texts as answer_starts")
            given = [{"text": t, "answer_start": s} for t, s in zip(texts, starts)]
        if not isinstance(given, list) or not all(isinstance(a, dict) for a in given):
            raise self.wrong("answers", given, expected)
        return given

    def _placed(self, context: str, answer: Dict[str, Any]) -> Gold:
        text = self.text("answers", answer.get("text"))
        start = answer.get("answer_start")
        if isinstance(start, bool) or not isinstance(start, int) or start < 0:
            raise self.wrong("answer_start", start, "a whole number, 0 or more")
        if context[start : start + len(text)] != text:
            raise self.wrong("answers", text, f"what the context has at character {start}")
        return text, start


def make_question_corpus(
    path: Union[str, Path], limit: int = 0
) -> Callable[[Language], Iterator[Example]]:
    """Registered as "spacy-bert-suite.QuestionCorpus.v1": SQuAD 1.1 and 2.0.

    path (Union[str, Path]): SQuAD's .json (articles with paragraphs with questions), or .jsonl,
        where a line has a `context`, a `question` and `answers`, or a `context` and `qas`, a list
        of questions. Either also .gz.
    limit (int): Read only so many questions; 0 for all.
    RETURNS (Callable): The corpus: one example for each question.
    """
    return QuestionCorpus(Path(path), limit)


class QuestionCorpus:
    """Reads questions anew for every epoch."""

    def __init__(self, path: Path, limit: int = 0):
        self.path = path
        self.limit = limit

    def __call__(self, nlp: Language) -> Iterator[Example]:
        n_read = 0
        for context, question in self.read():
            yield make_question_example(
                nlp, context, question.text, question.answers, id=question.id
            )
            n_read += 1
            if n_read == self.limit:
                return
        if not n_read:
            raise ValueError(Errors.B243.format(path=self.path, reason="it holds no question"))

    def read(self) -> "Iterator[tuple[str, Question]]":
        """YIELDS (Tuple[str, Question]): The context, and a question about it."""
        entries = _read_articles if suffix_of(self.path) == ".json" else _read_lines
        for entry in entries(self.path):
            yield entry.question()


def read_examples(path: Union[str, Path], nlp: Language) -> List[Example]:
    """RETURNS (List[Example]): Those of a file of questions, or of a `.spacy` corpus."""
    path = Path(path)
    is_spacy = path.is_dir() or path.suffix == ".spacy"
    return list(Corpus(path)(nlp) if is_spacy else QuestionCorpus(path)(nlp))


def suffix_of(path: Path) -> str:
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix not in SUFFIXES:
        raise ValueError(Errors.B209.format(path=path, suffixes=", ".join(SUFFIXES)))
    return suffix


def _read_lines(path: Path) -> Iterator[Entry]:
    for row in read_rows(path):
        place, context = f"line {row.number}", row.record.get("context")
        records = row.record.get("qas", [row.record])
        if not isinstance(records, list):
            raise _not_objects(path, place, records)
        for record in records:
            yield _entry(path, place, context, record)


def _read_articles(path: Path) -> Iterator[Entry]:
    """The questions of {"data": [{"paragraphs": [{"context": ..., "qas": [...]}]}]}."""
    n_questions = 0
    for article in _list_of(path, _load(path), "data"):
        for paragraph in _list_of(path, article, "paragraphs"):
            for record in _list_of(path, paragraph, "qas"):
                n_questions += 1
                place = f"question {n_questions}"
                yield _entry(path, place, paragraph.get("context"), record)


def _entry(path: Path, place: str, context: Any, record: Any) -> Entry:
    if not isinstance(record, dict):
        raise _not_objects(path, place, record)
    return Entry(path, place, context, record)


def _not_objects(path: Path, place: str, found: Any) -> ValueError:
    return Entry(path, place, None, {}).wrong("qas", found, "a list of JSON objects")


def _load(path: Path) -> Any:
    text = "\n".join(line for _, line in read_lines(path))
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(Errors.B243.format(path=path, reason=error)) from error


def _list_of(path: Path, value: Any, name: str) -> List[Any]:
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise ValueError(
            Errors.B243.format(path=path, reason=f"no list '{name}' in {_short(value)}")
        )
    return found


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# Counting


def normalize_answer(text: str) -> str:
    """RETURNS (str): The text in lower case, without punctuation, articles and double spaces, as
    in the official script.
    """
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def exact_match(answer: str, gold: Sequence[str]) -> float:
    """answer (str): What was predicted, "" for no answer.
    gold (Sequence[str]): Right answers; none if there is no answer.
    RETURNS (float): 1 if the answer is one of them, else 0.
    """
    return max(float(normalize_answer(answer) == normal) for normal in _normal(gold))


def f1_score(answer: str, gold: Sequence[str]) -> float:
    """RETURNS (float): F1 of the words of the answer and the right answer that is most like it."""
    return max(_f1(normalize_answer(answer).split(), normal.split()) for normal in _normal(gold))


def _normal(gold: Sequence[str]) -> List[str]:
    return [normal for text in gold if (normal := normalize_answer(text))] or [""]


def _f1(answer: List[str], gold: List[str]) -> float:
    if not answer or not gold:
        return float(answer == gold)
    n_common = sum((Counter(answer) & Counter(gold)).values())
    return 2 * n_common / (len(answer) + len(gold))


def squad_scores(
    answers: Sequence[str], gold: Sequence[Sequence[str]]
) -> Dict[str, Optional[float]]:
    """Score answers to questions.

    answers (Sequence[str]): For each question what was predicted, "" for no answer.
    gold (Sequence[Sequence[str]]): For each question the right answers, none if it has no answer.
    RETURNS (Dict[str, Optional[float]]): From 0 to 1: `qa_em` (exact match) and `qa_f1`; the same
        over the questions that have an answer, `qa_has_answer_em` and `qa_has_answer_f1`; and
        the share of those without one for which none was given, `qa_no_answer_acc`.
    """
    em = [exact_match(answer, right) for answer, right in zip(answers, gold)]
    f1 = [f1_score(answer, right) for answer, right in zip(answers, gold)]
    has = [i for i, right in enumerate(gold) if right]
    no = [i for i, right in enumerate(gold) if not right]
    return {
        "qa_em": _mean(em),
        "qa_f1": _mean(f1),
        "qa_has_answer_em": _mean([em[i] for i in has]),
        "qa_has_answer_f1": _mean([f1[i] for i in has]),
        "qa_no_answer_acc": _mean([em[i] for i in no]),
    }


def _mean(values: Sequence[float]) -> Optional[float]:
    return sum(values) / len(values) if values else None


def best_null_threshold(
    null_scores: Sequence[float], with_answer: Sequence[float], without: Sequence[float]
) -> float:
    """The threshold with the best total score, as in the official script of SQuAD 2.0.

    null_scores (Sequence[float]): Of each question; above the threshold there is no answer.
    with_answer (Sequence[float]): Score of each question if its best answer is given.
    without (Sequence[float]): Score of each question if no answer is given.
    RETURNS (float): Half way between two null scores, or one above or below all of them.
    """
    order = sorted(range(len(null_scores)), key=lambda i: null_scores[i])
    values = [null_scores[i] for i in order]
    total = best = sum(without)
    threshold = values[0] - 1.0
    for place, i in enumerate(order):
        total += with_answer[i] - without[i]
        following = values[place + 1] if place + 1 < len(values) else values[place] + 2.0
        if total > best and following > values[place]:
            best, threshold = total, (values[place] + following) / 2
    return threshold
