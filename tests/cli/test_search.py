"""The commands, with a pipeline whose vectors count letters."""

import json
import re
import sys

import pytest
import spacy
from click.testing import CliRunner
from search.toys import letters

from spacy_bert_suite.cli import search as commands
from spacy_bert_suite.cli.main import cli
from spacy_bert_suite.search import building, entries
from spacy_bert_suite.search.local import backend as local
from spacy_bert_suite.search.passages import Passage

LOAD = commands.load_or_assemble
ROWS = [
    {"id": 1, "title": "Zoo", "text": "A zebra.", "kind": "animal", "year": 1990},
    {"id": 2, "text": "Quartz and jade. A quick fox.", "kind": "stone", "year": 2005},
    {"id": "c", "text": "Plain words.", "kind": "animal", "year": 2010},
]


@pytest.fixture(autouse=True)
def letter_pipeline(monkeypatch):
    def load(name):
        loaded.append(name)
        nlp = spacy.blank("en")
        nlp.add_pipe("sentencizer")

        def set_hooks(doc):
            doc.user_hooks["vector"] = doc.user_span_hooks["vector"] = letters
            return doc

        spacy.Language.component("test_cli_letters", func=set_hooks)
        nlp.add_pipe("test_cli_letters")
        return nlp

    loaded: list[str] = []
    monkeypatch.setattr(commands, "load_or_assemble", load)
    return loaded


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
    assert (hit["id"], hit["text"]) == ("1", "A quick fox.")


@pytest.mark.parametrize("name, mark", [("t.csv", ","), ("t.tsv", "\t")])
def test_tables(tmp_path, name, mark):
    """Cells that are numbers are numbers; ids, titles, texts and names with zeros are not."""
    rows = [
        "id,title,text,year,code,share",
        "007,1984,A zebra.,1990,007,0.5",
        ",,42,-3,1234567890123456,1.2.3",
    ]
    (tmp_path / name).write_text("\n".join(rows).replace(",", mark))
    result = run("index", "build", tmp_path / name, tmp_path / "index")
    assert "2 entries" in result.output, result.output
    args = ["search", tmp_path / "index", "x", "--json"]
    first = json.loads(run(*args, "--where", "year>=1990").output)
    assert (first["id"], first["text"]) == ("007", "1984. A zebra.")
    expected = {"title": "1984", "year": 1990, "code": "007", "share": 0.5}
    assert first["metadata"] == expected
    second = json.loads(run(*args, "--where", "year<0").output)
    assert second["text"] == "42" and len(second["id"]) == 32
    expected = {"title": "", "year": -3, "code": "1234567890123456", "share": "1.2.3"}
    assert second["metadata"] == expected


def test_evaluate_with_tables(folder):
    run("index", "build", folder, folder / "index")
    for name in ("queries_dev", "qrels_dev"):
        (folder / f"{name}.jsonl").unlink()
    (folder / "queries.tsv").write_text("id\ttext\n1\tzebra\n2\tfox\n")
    (folder / "qrels.tsv").write_text("query_id\tdoc_id\trelevance\n1\t1\t1\n2\t2\t1\n")
    result = run("index", "evaluate", folder, folder / "index")
    assert result.exit_code == 0, result.output
    assert result.output.count("1.000") >= 4


def test_texts_without_ids_are_numbered_on(tmp_path):
    write(tmp_path / "one.jsonl", [{"text": "A zebra."}, {"text": "A fox."}])
    write(tmp_path / "two.jsonl", [{"text": "A quick jay."}, {"text": "A vixen."}])
    run("index", "build", tmp_path / "one.jsonl", tmp_path / "index")
    result = run("index", "add", tmp_path / "two.jsonl", tmp_path / "index")
    assert result.exit_code == 0, result.output
    found = run("search", tmp_path / "index", "a", "--json").output.splitlines()
    assert sorted(json.loads(line)["id"] for line in found) == ["0", "1", "2", "3"]
    result = run("index", "add", tmp_path / "two.jsonl", tmp_path / "index", "--replace")
    assert result.exit_code == 1 and "B131" in result.output


def test_a_build_that_fails_leaves_nothing(tmp_path):
    rows = [{"id": str(i), "text": f"Text {i}."} for i in range(3)]
    write(tmp_path / "bad.jsonl", [*rows, {"id": "0", "text": "Twice."}])
    before = sorted(tmp_path.iterdir())
    result = run("index", "build", tmp_path / "bad.jsonl", tmp_path / "deep" / "index")
    assert result.exit_code == 1 and "B117" in result.output
    (tmp_path / "deep").rmdir()
    assert sorted(tmp_path.iterdir()) == before
    write(tmp_path / "good.jsonl", rows)
    (tmp_path / "index").mkdir()
    for _ in range(2):
        args = ["index", "build", tmp_path / "good.jsonl", tmp_path / "index", "--overwrite"]
        assert "3 entries" in run(*args).output
    assert run(
        "index", "build", tmp_path / "bad.jsonl", tmp_path / "index", "--overwrite"
    ).exit_code
    assert len(run("search", tmp_path / "index", "text", "--json").output.splitlines()) == 3
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    result = run("index", "build", tmp_path / "good.jsonl", tmp_path / "notes", "--overwrite")
    assert result.exit_code == 1 and "B124" in result.output


@pytest.mark.parametrize("name", ["empty.txt", "empty.jsonl", "empty.tsv"])
def test_a_file_without_texts_replaces_nothing(folder, name, letter_pipeline):
    run("index", "build", folder, folder / "index")
    letter_pipeline.clear()
    (folder / name).write_text("text\n" if name.endswith(".tsv") else "\n\n")
    for target in ("index", "new"):
        result = run("index", "build", folder / name, folder / target, "--overwrite")
        assert result.exit_code == 1 and "B107" in result.output, result.output
    assert not (folder / "new").exists() and not letter_pipeline
    assert len(run("search", folder / "index", "x", "--json").output.splitlines()) == 3
    assert "0 entries" in run("index", "add", folder / name, folder / "index").output


def test_long_texts(tmp_path, monkeypatch):
    commands.load_or_assemble("any").to_disk(tmp_path / "letters")
    monkeypatch.setattr(commands, "load_or_assemble", LOAD)
    (tmp_path / "long.txt").write_text("a" * 1_000_001)
    options = ["--model", tmp_path / "letters"]
    result = run("index", "build", tmp_path / "long.txt", tmp_path / "index", *options)
    assert result.exit_code == 0 and "1 entries" in result.output, result.output


@pytest.mark.parametrize("has_ids", [True, False])
def test_few_texts_are_in_memory(tmp_path, monkeypatch, has_ids):
    n_alive, most_alive = 0, 0

    class Text(str):
        def __new__(cls, value):
            nonlocal n_alive, most_alive
            n_alive += 1
            most_alive = max(most_alive, n_alive)
            return super().__new__(cls, value)

        def __del__(self):
            nonlocal n_alive
            n_alive -= 1

    def passages(path):
        for i in range(200):
            yield Passage(Text(f"Text {i}."), str(i) if has_ids else None, {})

    monkeypatch.setattr(building, "read_passages", passages)
    monkeypatch.setattr(entries, "BATCH_SIZE", 16)
    rows = [{"text": "x", **({"id": i} if has_ids else {})} for i in range(200)]
    write(tmp_path / "texts.jsonl", rows)
    result = run("index", "build", tmp_path / "texts.jsonl", tmp_path / "index")
    assert "200 entries" in result.output and most_alive < 100, (result.output, most_alive)


def test_progress_is_shown(folder):
    for args in (["build", folder], ["add", folder / "corpus.jsonl", "--replace"]):
        result = run("index", *args[:2], folder / "index", *args[2:])
        assert re.search(r"0%\|.*\| 0/3 .* texts", result.stderr), result.stderr


def test_optimize_and_add_make_what_is_due(folder, monkeypatch):
    made = []

    def note(backend, **kinds):
        made.append(kinds)

    monkeypatch.setattr(local.LocalBackend, "optimize", note)
    run("index", "build", folder, folder / "index")
    assert made == [{"hnsw": False, "bm25": True}]
    monkeypatch.setattr(local, "SCANNED", 2)
    assert run("index", "optimize", folder / "index").exit_code == 0
    assert made[1:] == [{"hnsw": True, "bm25": True}]


def test_without_the_extra_search(folder, monkeypatch):
    for library in ("bm25s", "qdrant_edge"):
        monkeypatch.setitem(sys.modules, library, None)
    result = run("index", "build", folder, folder / "index")
    assert result.exit_code == 0 and "3 entries" in result.output, result.output
    assert "zebra" in run("search", folder / "index", "zebra").output
    result = run("search", folder / "index", "zebra", "--mode", "bm25")
    assert result.exit_code == 1 and "Error: [B122]" in result.output


def test_conditions():
    parse = commands.parse_where
    assert parse(["year>=1990", "year<2000"]) == {"year": {"gte": 1990, "lt": 2000}}
    assert parse(["a=b>=c", "a=d"]) == {"a": ["b>=c", "d"]}
    assert parse(["date>=2020-01-01", 'date<"2021"']) == {
        "date": {"gte": "2020-01-01", "lt": "2021"}
    }
    assert parse(['year="1990"']) == {"year": ["1990", '"1990"']}
    for mixed in (["year=1990", "year>=1980"], ["year>=1980", "year=1990"]):
        with pytest.raises(ValueError, match="B133.*year"):
            parse(mixed)


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


def test_the_pipeline_of_an_index_is_found_from_everywhere(folder, monkeypatch, letter_pipeline):
    (folder / "models" / "letters").mkdir(parents=True)
    monkeypatch.chdir(folder / "models")
    run("index", "build", folder, folder / "index", "--model", "letters")
    monkeypatch.chdir(folder)
    for args in (
        ["search", folder / "index", "fox"],
        ["index", "evaluate", folder, folder / "index"],
        ["index", "add", folder, folder / "index", "--replace"],
    ):
        assert run(*args).exit_code == 0
        assert letter_pipeline[-1] == str(folder / "models" / "letters")
        assert run(*args, "--model", "moved").exit_code == 0
        assert letter_pipeline[-1] == "moved"
    for name in ("embedded", "click"):  # the default, and a package that is installed
        (folder / name).mkdir()
        assert commands.address_of(name) == name


def test_dates_are_compared_as_strings(tmp_path):
    write(
        tmp_path / "texts.jsonl",
        [{"text": f"In {d}.", "date": d} for d in ("2019-12-31", "2020-03-01")],
    )
    run("index", "build", tmp_path / "texts.jsonl", tmp_path / "index")
    for limit, n_hits in (("2020-01-01", 1), ('"2020"', 1), ("2020", 0)):
        args = ["search", tmp_path / "index", "in", "--json", "--where", f"date>={limit}"]
        assert run(*args).output.count("\n") == n_hits, limit


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
    nested = [{"text": "x", "a": 1}, {"text": "y", "a": {"b": 1}}]
    write(folder / "nested.jsonl", nested)
    for args, code in [
        (["index", "build", folder / "absent", folder / "i"], "B200"),
        (["index", "build", folder / "bad.jsonl", folder / "i"], "B204"),
        (["index", "build", folder / "nested.jsonl", folder / "i"], "nested.jsonl, line 2: 'a'"),
        (["search", folder, "x"], "B110"),
        (["index", "evaluate", folder / "index", folder], "B200"),
    ]:
        result = run(*args)
        assert result.exit_code == 1 and code in result.output, result.output
    run("index", "build", folder, folder / "index")
    result = run("search", folder / "index", "x", "--where", "kind")
    assert result.exit_code == 1 and "B119" in result.output
