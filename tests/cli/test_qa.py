"""`python -m spacy bert answer`."""

import json

import pytest
import spacy
from click.testing import CliRunner
from conftest import bert_model

from spacy_bert_suite.cli.main import cli
from spacy_bert_suite.data.questions import make_question_example

TEXT = "Anna works in Paris. Ben lives near Oslo."


@pytest.fixture(scope="module")
def model(tiny_bert, tmp_path_factory):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    nlp.add_pipe("bert_qa", config={"null_threshold": 1000.0})
    nlp.initialize(lambda: [make_question_example(nlp, TEXT, "who", [("Anna", 0)])])
    path = tmp_path_factory.mktemp("qa")
    nlp.to_disk(path / "nlp")
    spacy.blank("en").to_disk(path / "blank")
    (path / "text.txt").write_text(TEXT, encoding="utf8")
    (path / "questions.txt").write_text("where is\tanna\n\nwho is ben\n", encoding="utf8")
    return path


def run(*args):
    return CliRunner().invoke(cli, ["answer", *map(str, args)])


def test_answers_are_printed(model):
    done = run(
        model / "nlp", model / "text.txt", "who works", "--questions", model / "questions.txt"
    )
    assert done.exit_code == 0, done.output
    rows = [line.split("\t") for line in done.output.splitlines()]
    assert [row[0] for row in rows] == ["who works", "where is anna", "who is ben"]
    for _, answer, probability, sentence in rows:
        assert answer and answer in TEXT and 0 < float(probability) <= 1
        assert sentence in ("Anna works in Paris.", "Ben lives near Oslo.")
    several = run(model / "nlp", model / "text.txt", "who works", "--top-k", 3)
    assert len(several.output.splitlines()) == 3


def test_questions_that_are_not_utf_8(model):
    done = run(model / "nlp", model / "text.txt", "who \udce9")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("who \ufffd\t")


def test_answers_are_written(model, tmp_path):
    target = tmp_path / "new" / "answers.tsv"
    done = run(model / "nlp", model / "text.txt", "who works", "-o", target)
    assert done.exit_code == 0 and "1 questions" in done.output
    assert target.read_text(encoding="utf8").startswith("who works\t")


@pytest.mark.parametrize(
    "name, text, question, code",
    [
        ("nlp", "text.txt", [], "B247"),
        ("nlp", "text.txt", [" "], "B240"),
        ("nlp", "none.txt", ["who"], "B200"),
        ("none", "text.txt", ["who"], "B214"),
        ("blank", "text.txt", ["who"], "B246"),
    ],
)
def test_what_is_wrong_is_told(model, name, text, question, code):
    done = run(model / name, model / text, *question)
    assert done.exit_code == 1 and code in done.output


def test_questions_are_converted(tmp_path):
    row = {"context": TEXT, "question": "who", "answers": [{"text": "Anna", "answer_start": 0}]}
    (tmp_path / "dev.jsonl").write_text(json.dumps(row), encoding="utf8")
    target = tmp_path / "dev.spacy"
    args = ["convert", "qa", str(tmp_path), str(target), "--split", "dev"]
    done = CliRunner().invoke(cli, args)
    assert done.exit_code == 0 and target.exists(), done.output
