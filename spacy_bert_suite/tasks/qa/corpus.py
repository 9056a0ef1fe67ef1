"""Files of questions: SQuAD's own JSON, and lines of JSON."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ...core.text import is_blank, replace_surrogates
from ...data.corpora import read_corpus, take
from ...data.lines import read_lines, suffix_of
from ...data.questions import AnswerError, Gold, Question, make_question_example, read_answers
from ...data.records import Renames, read_rows
from ...errors import CodedValueError, Errors

SUFFIXES = (".json", ".jsonl")


@dataclass(frozen=True)
class Entry:
    """A question as it stands in a file, with the place to name when it is wrong."""

    path: Path
    place: str
    context: Any
    record: dict[str, Any]

    def wrong(self, field: str, found: Any, expected: str) -> ValueError:
        place = f"{self.place} (id {self.record['id']})" if "id" in self.record else self.place
        return CodedValueError(
            Errors.B242.format(
                path=self.path, place=place, field=field, found=_short(found), expected=expected
            )
        )

    def text(self, field: str, value: Any) -> str:
        if not isinstance(value, str) or is_blank(value):
            raise self.wrong(field, value, "a text that is not empty")
        return replace_surrogates(value)

    def question(self) -> "tuple[str, Question]":
        """RETURNS (tuple[str, Question]): The context and the question."""
        context = self.text("context", self.context)
        text = self.text("question", self.record.get("question"))
        is_impossible = self.record.get("is_impossible")
        if not isinstance(is_impossible, (bool, type(None))):
            raise self.wrong("is_impossible", is_impossible, "true or false")
        answers = [] if is_impossible else self._answers(context)
        return context, Question(text, answers, str(self.record.get("id", "")))

    def _answers(self, context: str) -> list[Gold]:
        try:
            return read_answers(context, self.record.get("answers"))
        except AnswerError as error:
            raise self.wrong(error.field, error.found, error.expected) from error


def make_question_corpus(
    path: str | Path, limit: int = 0
) -> Callable[[Language], Iterator[Example]]:
    """Registered as "spacy-bert-suite.QuestionCorpus.v1": SQuAD 1.1 and 2.0.

    path (str | Path): SQuAD's .json (articles with paragraphs with questions), or .jsonl,
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
        if_empty = Errors.B243.format(path=self.path, reason="it holds no question")
        return take(self.examples(nlp), self.limit, if_empty)

    def examples(self, nlp: Language) -> Iterator[Example]:
        for context, question in self.read():
            answers = question.answers
            yield make_question_example(nlp, context, question.text, answers, id=question.id)

    def read(self) -> "Iterator[tuple[str, Question]]":
        """YIELDS (tuple[str, Question]): The context, and a question about it."""
        entries = _read_articles if suffix_of(self.path, SUFFIXES) == ".json" else _read_lines
        for entry in entries(self.path):
            yield entry.question()


def read_examples(path: str | Path, nlp: Language) -> list[Example]:
    """RETURNS (list[Example]): Those of a file of questions, or of a `.spacy` corpus."""
    return read_corpus(Path(path), nlp, QuestionCorpus(Path(path)))


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
        raise CodedValueError(Errors.B243.format(path=path, reason=error)) from error


def _list_of(path: Path, value: Any, name: str) -> list[Any]:
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise CodedValueError(
            Errors.B243.format(path=path, reason=f"no list '{name}' in {_short(value)}")
        )
    return found


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def question_docs(path: Path, nlp: Language, rename: Renames) -> Iterator[Doc]:
    """Questions from SQuAD's .json, or from .jsonl records with `context`, `question` and
    `answers`; see `QuestionCorpus.v1`.

    path (Path): The file.
    nlp (Language): Gives the tokenizer.
    rename (dict[str, str]): Not used.
    YIELDS (Doc): The context of each question; the question is in its `user_data`.
    """
    for eg in QuestionCorpus(path).examples(nlp):
        yield eg.reference
