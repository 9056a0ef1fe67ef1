import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
import spacy
from click.testing import CliRunner
from spacy.tokens import DocBin
from spacy.training import Example

from spacy_bert_suite.cli import group as main
from spacy_bert_suite.cli.group import parse_renames, run_pipeline
from spacy_bert_suite.cli.main import cli
from spacy_bert_suite.data.pairs import get_pair


@pytest.fixture
def model(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "Rome"}])
    nlp.to_disk(tmp_path / "model")
    return str(tmp_path / "model")


def run(*args):
    return CliRunner().invoke(cli, [str(arg) for arg in args])


def test_convert_a_file(tmp_path):
    (tmp_path / "train.tsv").write_text("fine\t1\ndull\t0\n")
    target = tmp_path / "corpus" / "train.spacy"
    result = run("convert", "sentiment", tmp_path / "train.tsv", target, "--rename", "0=bad,1=good")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("2 texts: ")
    assert target.exists()


def test_blanks_between_labels_to_keep(tmp_path):
    (tmp_path / "pairs.tsv").write_text("text1\ttext2\tlabel\nA\tB\tyes\nC\tD\tno\nE\tF\t-\n")
    args = [tmp_path / "pairs.tsv", tmp_path / "pairs.spacy", "--keep-labels", "yes, no"]
    assert run("convert", "pairs", *args).output.startswith("2 texts: ")


def test_windows_keeps_quotes_around_a_path(tmp_path, monkeypatch):
    (tmp_path / "my data").mkdir()
    (tmp_path / "my data" / "train.tsv").write_text("fine\t1\ndull\t0\n")
    monkeypatch.setattr(main, "IS_WINDOWS", True)
    quoted = f'"{tmp_path / "my data"}"'
    result = run("convert", "sentiment", quoted, tmp_path / "train.spacy", "--split", "train")
    assert result.exit_code == 0, result.output


def test_convert_the_split_of_a_folder(tmp_path):
    folder = tmp_path / "ner" / "toy"
    folder.mkdir(parents=True)
    (folder / "dev.conll").write_text("Rome\tB-LOC\n")
    args = ["--split", "dev", "--dataset", "ner/toy"]
    result = run("convert", "ner", tmp_path, tmp_path / "dev.spacy", *args)
    assert result.exit_code == 0, result.output


def test_convert_several_splits_at_once(tmp_path):
    for split in ("train", "dev"):
        (tmp_path / f"{split}.tsv").write_text("fine\t1\ndull\t0\n")
    splits = ["--split", "train", "--split", "dev"]
    result = run("convert", "sentiment", tmp_path, tmp_path / "to" / "{split}.spacy", *splits)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["dev.spacy", "train.spacy"]
    result = run("convert", "sentiment", tmp_path, tmp_path / "one.spacy", *splits)
    assert result.exit_code == 2 and "{split}" in result.output
    assert not (tmp_path / "one.spacy").exists()


def test_convert_several_datasets_at_once(tmp_path):
    for folder, line in {"near": "A\tB\t5", "mood": "fine\t1"}.items():
        (tmp_path / folder).mkdir()
        header = "text1\ttext2\tscore" if folder == "near" else "text\tlabel"
        (tmp_path / folder / "dev.tsv").write_text(f"{header}\n{line}\n")
    options = ["--split", "dev", "--max-score", "5", "--dataset", "near"]
    others = ["--dataset", "sentiment=mood"]
    target = tmp_path / "to" / "{dataset}_{split}.spacy"
    result = run("convert", "pairs", tmp_path, target, *options, *others)
    assert result.exit_code == 0, result.output
    docs = {path.name: list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))
            for path in (tmp_path / "to").iterdir()}  # fmt: skip
    assert sorted(docs) == ["mood_dev.spacy", "near_dev.spacy"]
    assert docs["mood_dev.spacy"][0].cats == {"1": 1.0}
    assert get_pair(Example(docs["near_dev.spacy"][0], docs["near_dev.spacy"][0])).score == 1.0


@pytest.mark.parametrize(
    "target, options, message",
    [
        ("{split}.spacy", ["--split", "dev", "--dataset", "a", "--dataset", "b"], "{dataset}"),
        ("dev.spacy", ["--dataset", "a"], "--split train"),
    ],
)
def test_datasets_without_a_place_or_a_split(tmp_path, target, options, message):
    result = run("convert", "pairs", tmp_path, tmp_path / target, *options)
    assert result.exit_code == 2 and message in result.output


def test_dataset_of_an_unknown_kind(tmp_path):
    args = ["--split", "dev", "--dataset", "parsing=a"]
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "dev.tsv").write_text("A\tB\t5\n")
    result = run("convert", "pairs", tmp_path, tmp_path / "out.spacy", *args)
    assert result.exit_code == 1 and "[B206]" in result.output


def test_annotate_prints_texts_and_files(tmp_path, model):
    (tmp_path / "a.txt").write_text("Rome is far.\nI stay.\n")
    result = run("annotate", model, "All roads lead to Rome.", "-f", tmp_path / "a.txt", "--lines")
    assert result.exit_code == 0, result.output
    assert result.output.count("Rome LOC") == 2
    assert "I stay." in result.output


def test_arguments_that_are_not_utf_8(model):
    result = run("annotate", model, "From \udce9 to Rome.")
    assert result.exit_code == 0, result.output
    assert "From \ufffd to Rome." in result.output and "Rome LOC" in result.output


def test_render_writes_a_page(tmp_path, model):
    (tmp_path / "a.txt").write_text("Rome is far.")
    target = tmp_path / "new" / "page.html"
    result = run(
        "render", model, tmp_path / "a.txt", tmp_path / "a.txt", target, "--title", "Roads"
    )
    assert result.exit_code == 0, result.output
    page = target.read_text(encoding="utf8")
    assert "<title>Roads</title>" in page
    assert page.count("<article") == 2


def test_annotate_takes_no_file_for_a_text(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("Rome is far.")
    result = run("annotate", model, "a.txt")
    assert result.exit_code == 1
    assert "[B217] 'a.txt' is a file: use --file a.txt" in result.output
    assert run("annotate", model, "Rome " * 1000).exit_code == 0


def test_long_texts(model):
    (doc,) = run_pipeline(model, ["a" * 1_000_001])
    assert len(doc.text) == 1_000_001


def test_render_overwrites_no_text(tmp_path, model):
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path in paths:
        path.write_text("Rome is far.")
    assert run("render", model, *paths).exit_code == 2
    assert paths[1].read_text() == "Rome is far."


@pytest.mark.parametrize(
    "args, message",
    [
        (["convert", "ner", "absent.conll", "out.spacy"], "[B200]"),
        (["convert", "ner", "absent", "out.spacy", "--split", "dev"], "[B200]"),
        (["convert", "ner", "absent", "out.spacy", "--rename", "LOC"], "[B210]"),
        (["convert", "ner", "absent", "out.spacy", "--rename", "LOC= "], "[B210]"),
        (["convert", "ner", "absent", "out.spacy", "--lang", "zz"], "[B212]"),
        (["annotate", "absent_model", "text"], "[B214] 'absent_model' cannot be loaded"),
        (["annotate", ".", "text"], "[B214] '.' cannot be loaded"),
        (["annotate", "absent_model"], "[B211]"),
        (["render", "absent_model", "absent.txt", "out.html"], "[B200]"),
    ],
)
def test_errors_are_messages(tmp_path, monkeypatch, args, message):
    monkeypatch.chdir(tmp_path)
    result = run(*args)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert message in result.output
    assert isinstance(result.exception, SystemExit)


def test_wrong_usage_is_explained():
    assert run("convert", "parsing", "a", "b").exit_code == 2
    assert run("render", "model", "only.html").exit_code == 2


def options_of(group=cli):
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from options_of(command)
        else:
            options = [p for p in command.params if isinstance(p, click.Option)]
            yield from ((command.name, option) for option in options)


def test_options_have_the_same_names_everywhere():
    for command, option in options_of():
        for long, short in (("--output", "-o"), ("--top-k", "-k")):
            assert (long in option.opts) == (short in option.opts), (command, long)


def test_defaults_are_shown():
    for command, option in options_of():
        default = option.to_info_dict()["default"]
        is_number = isinstance(default, (int, float)) and default is not False
        if is_number or (isinstance(default, str) and default):
            assert option.show_default, (command, option.name)


def test_help_at_every_level():
    assert "annotate" in run("--help").output
    for command in cli.commands:
        assert run(command, "--help").exit_code == 0


def test_parse_renames():
    assert parse_renames("") == {}
    assert parse_renames("0=bad, 1=very good") == {"0": "bad", "1": "very good"}


@pytest.mark.parametrize("error", [MemoryError("[B178] full"), MemoryError(), ValueError("bad")])
def test_errors_without_a_traceback(error):
    with pytest.raises(click.ClickException) as caught, main.clean_errors():
        raise error
    assert caught.value.message == (str(error) or "MemoryError")


def test_standard_input(model):
    for args in (["-"], ["--file", "-"]):
        result = CliRunner().invoke(cli, ["annotate", model, *args], input="We left Rome.\n")
        assert result.exit_code == 0 and "Rome" in result.output and "LOC" in result.output


def test_a_console_that_cannot_show_a_character(model):
    command = [sys.executable, "-m", "spacy", "bert", "annotate", model, "Rome ≈ \u6f22 \U0001f600"]
    env = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    found = subprocess.run(command, env=env, capture_output=True, check=True)
    assert b"LOC" in found.stdout and rb"\u6f22" in found.stdout


@pytest.mark.parametrize("name", ["page.html", "./page.html", "linked.html"])
def test_render_does_not_overwrite_what_it_reads(model, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("page.html").write_text("We left Rome.")
    Path("linked.html").symlink_to("page.html")
    result = run("render", model, "page.html", name)
    assert result.exit_code == 1 and "B331" in result.output
    assert Path("page.html").read_text() == "We left Rome."
