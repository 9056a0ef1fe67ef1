"""The commands, with a pipeline whose vectors count letters."""

import json

import pytest
import spacy
from click.testing import CliRunner
from search.test_index import letters

from spacy_bert_suite.cli import index as commands
from spacy_bert_suite.cli.main import cli

ROWS = [
    {"id": 1, "title": "Zoo", "text": "A zebra.", "kind": "animal", "year": 1990},
    {"id": 2, "text": "Quartz and jade. A quick fox.", "kind": "stone", "year": 2005},
    {"id": "c", "text": "Plain words.", "kind": "animal", "year": 2010},
]


@pytest.fixture(autouse=True)
def letter_pipeline(monkeypatch):
    def load(name):
        nlp = spacy.blank("en")
        nlp.add_pipe("sentencizer")

        def set_hooks(doc):
            doc.user_hooks["vector"] = doc.user_span_hooks["vector"] = letters
            return doc

        spacy.Language.component("test_cli_letters", func=set_hooks)
        nlp.add_pipe("test_cli_letters")
        return nlp

    monkeypatch.setattr(commands, "load_pipeline", load)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "corpus.jsonl", ROWS)
    write(tmp_path / "queries_dev.jsonl", [{"id": 1, "text": "zebra"}, {"id": 2, "text": "fox"}])
    judged = [{"query_id": 1, "doc_id": 1, "relevance": 1}]
    write(tmp_path / "qrels_dev.jsonl", judged)
    return tmp_path


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def run(*args):
    return CliRunner().invoke(cli, [str(arg) for arg in args])


def test_lines_of_a_text_file(tmp_path):
    (tmp_path / "texts.txt").write_text("A zebra.\n\nA quick fox.\n", encoding="utf8")
    result = run("index", "build", tmp_path / "texts.txt", tmp_path / "index")
    assert "2 entries" in result.output, result.output
    hit = json.loads(run("search", tmp_path / "index", "fox", "-k", 1, "--json").output)
    assert (hit["id"], hit["text"]) == ("3", "A quick fox.")


def test_build_add_search(folder):
    result = run("index", "build", folder, folder / "index", "--unit", "sentence")
    assert result.exit_code == 0, result.output
    assert "5 entries" in result.output  # the title is a sentence
    result = run("search", folder / "index", "fox", "-k", 1, "--json")
    hit = json.loads(result.output)
    assert (hit["id"], hit["text"], hit["start"]) == ("2", "A quick fox.", 17)
    assert hit["metadata"] == {"kind": "stone", "year": 2005}
    result = run("search", folder / "index", "fox", "--mode", "bm25")
    assert result.output.count("A quick fox.") == 1 and "kind=stone, year=2005" in result.output
    write(folder / "more.jsonl", [{"text": "A vixen.", "id": "d"}])
    assert run("index", "add", folder / "more.jsonl", folder / "index").exit_code == 0
    again = run("index", "add", folder / "more.jsonl", folder / "index")
    assert again.exit_code == 1 and "B117" in again.output
    again = run("index", "add", folder / "more.jsonl", folder / "index", "--replace")
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize(
    "where, expected",
    [(["year>=2005"], 2), (["year>1990", "year<2010"], 1), (["kind=animal"], 2), (["year=1990"], 1),
     (["kind=animal", "kind=stone"], 3)],
)  # fmt: skip
def test_where(folder, where, expected):
    run("index", "build", folder, folder / "index")
    options = [option for condition in where for option in ("--where", condition)]
    result = run("search", folder / "index", "word", *options, "--json")
    assert len(result.output.splitlines()) == expected, result.output


def test_evaluate_and_overwrite(folder):
    for _ in range(2):
        done = run("index", "build", folder, folder / "index", "--overwrite", "--storage", "int8")
        assert done.exit_code == 0, done.output
    args = ["index", "evaluate", folder, folder / "index", "--output", folder / "m" / "dev.json"]
    result = run(*args)
    assert result.exit_code == 0, result.output
    figures = json.loads((folder / "m" / "dev.json").read_text())
    assert set(figures) == {"vector", "bm25", "hybrid"}
    assert figures["bm25"]["mrr@10"] == figures["vector"]["ndcg@10"] == 1.0
    refused = run("index", "build", folder, folder / "index")
    assert refused.exit_code == 1 and "B124" in refused.output


def test_what_is_wrong_is_said(folder):
    write(folder / "bad.jsonl", [{"id": True, "text": "x"}])
    for args, code in [
        (["index", "build", folder / "absent", folder / "i"], "B200"),
        (["index", "build", folder / "bad.jsonl", folder / "i"], "B204"),
        (["search", folder, "x"], "B110"),
        (["index", "evaluate", folder / "index", folder], "B200"),
    ]:
        result = run(*args)
        assert result.exit_code == 1 and code in result.output, result.output
    run("index", "build", folder, folder / "index")
    result = run("search", folder / "index", "x", "--where", "kind")
    assert result.exit_code == 1 and "B119" in result.output
