"""The command `summarize`, with a pipeline whose summary is the first word and the last."""

import pytest
import spacy
from click.testing import CliRunner
from spacy.tokens import Doc

from spacy_bert_suite.cli import summarizer as commands
from spacy_bert_suite.cli.main import cli
from spacy_bert_suite.core.attributes import register_attributes


@pytest.fixture
def summarizer(monkeypatch):
    register_attributes("test", ["doc.summary"])

    def annotate(name, texts):
        docs = list(spacy.blank("en").pipe(texts))
        for doc in docs:
            words = doc.text.split()
            doc._.summary = f"{words[0]}\n{words[-1]}"
        return docs

    monkeypatch.setattr(commands, "run_pipeline", annotate)


def run(*args):
    return CliRunner().invoke(cli, ["summarize", *map(str, args)])


def test_lines_stay_in_their_place(tmp_path, summarizer):
    (tmp_path / "in.txt").write_text("one two three\n\n  \nfour five\n\n")
    result = run("model", tmp_path / "in.txt", tmp_path / "new" / "out.txt", "--lines")
    assert result.exit_code == 0 and result.output.startswith("2 texts"), result.output
    lines = (tmp_path / "new" / "out.txt").read_text()
    assert lines == "one three\n\n\nfour five\n\n"
    run("model", tmp_path / "in.txt", tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text() == "one five\n"


@pytest.mark.parametrize("registered", [False, True])
def test_a_pipeline_without_summarizer(tmp_path, registered):
    register_attributes("test", ["doc.summary"])
    if not registered:
        Doc.remove_extension("summary")
    spacy.blank("en").to_disk(tmp_path / "model")
    (tmp_path / "in.txt").write_text("One text.")
    result = run(tmp_path / "model", tmp_path / "in.txt", tmp_path / "out.txt")
    assert result.exit_code == 1 and "B105" in result.output
    assert not (tmp_path / "out.txt").exists()
    register_attributes("test", ["doc.summary"])


def test_the_text_is_not_overwritten(summarizer, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("One two three.")
    result = run("model", path, tmp_path / "." / "text.txt")
    assert result.exit_code == 1 and "B331" in result.output
    assert path.read_text() == "One two three."
