"""`python -m spacy bert init-backbone`."""

import gzip
import json
import os

import pytest
import spacy
from click.testing import CliRunner
from spacy.tokens import DocBin
from transformers import AutoModel, AutoTokenizer

from spacy_bert_suite.cli.main import cli

TEXT = "The miller sings in the mill.\nMillers sing.\n\nThe mill stands still."
NANO = ("--layers", 1, "--width", 16, "--heads", 2, "--intermediate", 32, "--positions", 64)


def init(*args):
    return CliRunner().invoke(cli, ["init-backbone", *map(str, (*args, *NANO))])


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf8")
    return path


def vocabulary(folder):
    return AutoTokenizer.from_pretrained(folder).get_vocab()


def test_folder_opens(tmp_path, text):
    result = init(text, tmp_path / "new", "--vocab-size", 40, "--cased")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("40 wordpieces, ")
    pieces = vocabulary(tmp_path / "new")
    assert len(pieces) == 40 and "M" in pieces
    config = AutoModel.from_pretrained(tmp_path / "new").config
    assert (config.vocab_size, config.num_hidden_layers, config.hidden_size) == (40, 1, 16)


def test_few_words_give_a_smaller_vocabulary_and_say_so(tmp_path, text):
    result = init(text, tmp_path / "new")
    n_pieces = len(vocabulary(tmp_path / "new"))
    assert n_pieces < 100
    assert f"The texts gave {n_pieces} wordpieces; 30,522 were asked for." in result.output


def test_all_kinds_of_files(tmp_path, text):
    """The same text in each of them gives the same folder, byte for byte."""
    kinds = tmp_path / "kinds"
    kinds.mkdir()
    with gzip.open(kinds / "text.txt.gz", "wt", encoding="utf8") as packed:
        packed.write(TEXT)
    documents = TEXT.split("\n\n")
    lines = [json.dumps({"text": document}) for document in documents]
    (kinds / "text.jsonl").write_text("\n".join(lines), encoding="utf8")
    nlp = spacy.blank("en")
    DocBin(docs=[nlp(document) for document in documents]).to_disk(kinds / "text.spacy")
    files = {}
    for source in (text, *kinds.iterdir()):
        target = tmp_path / f"of_{source.name}"
        assert init(source, target).exit_code == 0
        files[source.name] = [path.read_bytes() for path in sorted(target.iterdir())]
    assert len(files) == 4
    assert all(content == files["text.txt"] for content in files.values())


def test_several_files_and_folders_together(tmp_path, text):
    more = tmp_path / "more"
    (more / "inner").mkdir(parents=True)
    (more / "inner" / "a.txt").write_text("quay quay", encoding="utf8")
    assert init(text, more, tmp_path / "new").exit_code == 0
    assert {"quay", "mill"} <= set(vocabulary(tmp_path / "new"))


def test_vocabulary_from_a_model(tmp_path, tiny_bert):
    result = init(tmp_path / "new", "--vocab-from", tiny_bert)
    assert result.exit_code == 0, result.output
    assert "asked for" not in result.output
    assert vocabulary(tmp_path / "new") == vocabulary(tiny_bert)


@pytest.mark.parametrize(
    "content, options, message",
    [
        ("", (), "B165"),
        ("mill", ("--vocab-size", 10), "B166"),
        ("mill", ("--size", "huge"), "B168"),
        ("mill", ("--heads", 3), "B168"),
        (None, (), "B200"),
    ],
)
def test_errors_leave_nothing(tmp_path, content, options, message):
    source = tmp_path / "text.txt"
    if content is not None:
        source.write_text(content)
    args = ["init-backbone", source, tmp_path / "new", *NANO, *options]
    result = CliRunner().invoke(cli, [str(arg) for arg in args])
    assert result.exit_code == 1
    assert f"[{message}]" in result.output
    assert os.listdir(tmp_path) == (["text.txt"] if content is not None else [])


def test_one_word(tmp_path):
    (tmp_path / "text.txt").write_text("mill")
    result = init(tmp_path / "text.txt", tmp_path / "new")
    assert result.exit_code == 0, result.output
    assert len(vocabulary(tmp_path / "new")) == 11


def test_output_is_replaced_only_if_asked(tmp_path, text):
    assert init(text, tmp_path / "new").exit_code == 0
    again = init(text, tmp_path / "new", "--cased")
    assert again.exit_code == 1 and "[B167]" in again.output
    assert "M" not in vocabulary(tmp_path / "new")
    assert init(text, tmp_path / "new", "--cased", "--overwrite").exit_code == 0
    assert "M" in vocabulary(tmp_path / "new")


def test_the_text_is_never_taken_for_the_output(tmp_path, text):
    assert init(text).exit_code == 2
    assert init(text, text, "--overwrite").exit_code == 2
    assert init(tmp_path, tmp_path / "new").exit_code == 2
    other = tmp_path / "other.txt"
    other.write_text("other")
    assert init(text, other, "--overwrite").exit_code == 1
    assert other.read_text() == "other"
    assert text.read_text(encoding="utf8") == TEXT


def test_texts_and_a_vocabulary_exclude_each_other(tmp_path, text, tiny_bert):
    assert init(text, tmp_path / "new", "--vocab-from", tiny_bert).exit_code == 2
