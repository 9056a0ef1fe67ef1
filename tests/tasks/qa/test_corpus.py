"""Files of questions: SQuAD's layouts, and what is malformed."""

import gzip
import json

import pytest
import spacy

from spacy_bert_suite.data.questions import (
    get_question,
)
from spacy_bert_suite.tasks.convert import convert
from spacy_bert_suite.tasks.qa.corpus import make_question_corpus, read_examples

CONTEXT = "Anna works in Paris. Ben lives near Oslo."


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("en")


QAS = [
    {
        "id": "1",
        "question": "Where does Anna work?",
        "answers": [{"text": "Paris", "answer_start": 14},
                    {"text": "in Paris", "answer_start": 11}],
    },
    {"id": "2", "question": "Who is Carla?", "answers": [], "is_impossible": True,
     "plausible_answers": [{"text": "Anna", "answer_start": 0}]},
]  # fmt: skip


SQUAD = {
    "version": "v2.0",
    "data": [{"title": "t", "paragraphs": [{"context": CONTEXT, "qas": QAS}]}],
}


ROWS = [
    {"context": CONTEXT, "id": "1", "question": "Where does Anna work?",
     "answers": {"text": ["Paris", "in Paris"], "answer_start": [14, 11]}},
    {"context": CONTEXT, "id": "2", "question": "Who is Carla?",
     "answers": {"text": [], "answer_start": []}, "is_impossible": True},
]  # fmt: skip


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


FILES = {
    "nested.json": json.dumps(SQUAD, indent=1),
    "rows.jsonl": lines(ROWS),
    "paragraphs.jsonl": lines([{"context": CONTEXT, "qas": QAS}]),
}


def write(path, text):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf8") as file_:
        file_.write(text)
    return path


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("gz", ["", ".gz"])
def test_layouts(nlp, tmp_path, name, gz):
    path = write(tmp_path / (name + gz), FILES[name])
    first, second = (get_question(eg) for eg in make_question_corpus(path)(nlp))
    assert first.text == "Where does Anna work?" and first.id == "1"
    assert first.answers == [("Paris", 14), ("in Paris", 11)]
    assert second.text == "Who is Carla?" and second.answers == []
    assert len(list(make_question_corpus(path, limit=1)(nlp))) == 1


@pytest.mark.parametrize("name", FILES)
def test_convert(nlp, tmp_path, name):
    path = write(tmp_path / name, FILES[name])
    assert convert("qa", path, tmp_path / "out" / "dev.spacy") == 2
    expected = [get_question(eg) for eg in read_examples(path, nlp)]
    found = read_examples(tmp_path / "out" / "dev.spacy", nlp)
    assert [get_question(eg) for eg in found] == expected
    assert [eg.predicted.text for eg in found] == [CONTEXT, CONTEXT]


def broken(**changes):
    return lines([{**ROWS[0], **changes}])


BAD = {
    "context": (broken(context=""), "B242.*line 1.*id 1.*'context'"),
    "no context": (broken(context=None), "B242.*'context'"),
    "question": (broken(question=" "), "B242.*'question'"),
    "answers": (broken(answers="Paris"), "B242.*'answers'"),
    "lengths": (broken(answers={"text": ["Paris"], "answer_start": []}), "B242.*as many"),
    "no starts": (broken(answers={"text": ["Paris"]}), "B242.*'answers'"),
    "start": (broken(answers={"text": ["Paris"], "answer_start": ["14"]}), "B242.*answer_start"),
    "negative": (broken(answers={"text": ["Paris"], "answer_start": [-1]}), "B242.*answer_start"),
    "elsewhere": (broken(answers={"text": ["Paris"], "answer_start": [3]}), "B242.*character 3"),
    "blank": (broken(answers={"text": [""], "answer_start": [3]}), "B242.*not empty"),
    "impossible": (broken(is_impossible="true"), "B242.*'is_impossible'"),
    "unseen": (broken(question="\u200b"), "B242.*'question'"),
    "qas": (lines([{"context": CONTEXT, "qas": ["Where?"]}]), "B242.*'qas'"),
    "no qas": (lines([{"context": CONTEXT, "qas": None}]), "B242.*line 1.*'qas' is None"),
    "qas a number": (lines([{"context": CONTEXT, "qas": 5}]), "B242.*line 1.*'qas' is 5"),
    "not JSON": ("{", "B203"),
    "empty": ("", "B243.*no question"),
}


@pytest.mark.parametrize("kind", BAD)
def test_malformed_lines(nlp, tmp_path, kind):
    text, message = BAD[kind]
    path = write(tmp_path / "bad.jsonl", text)
    with pytest.raises(ValueError, match=message):
        list(make_question_corpus(path)(nlp))


@pytest.mark.parametrize(
    "content", ["", "[1, 2", "[]", "{}", '{"data": [{"paragraphs": 7}]}', '{"data": [[]]}', "7"]
)
def test_malformed_json(nlp, tmp_path, content):
    path = write(tmp_path / "bad.json", content)
    with pytest.raises(ValueError, match="B243"):
        list(make_question_corpus(path)(nlp))


def test_place_in_nested_json(nlp, tmp_path):
    bad = {"data": [{"paragraphs": [{"context": CONTEXT, "qas": [QAS[0], {"question": ""}]}]}]}
    path = write(tmp_path / "bad.json", json.dumps(bad))
    with pytest.raises(ValueError, match="B242.*question 2.*'question'"):
        list(make_question_corpus(path)(nlp))


def test_other_files(nlp, tmp_path):
    with pytest.raises(ValueError, match="B209"):
        list(make_question_corpus(tmp_path / "squad.txt")(nlp))
    with pytest.raises(ValueError, match="B200"):
        list(make_question_corpus(tmp_path / "squad.json")(nlp))
