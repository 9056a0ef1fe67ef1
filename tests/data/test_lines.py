"""Lines of files, and their suffixes."""

import gzip
from pathlib import Path

import pytest

from spacy_bert_suite.data.lines import read_lines, suffix_of, unzipped_suffix

CONTENT = "\ufeffone\r\ntwo\u2028still two\n\nfour".encode()
LINES = [(1, "one"), (2, "two\u2028still two"), (3, ""), (4, "four")]


@pytest.mark.parametrize(
    "name, content", [("a.txt", CONTENT), ("a.txt.gz", gzip.compress(CONTENT))]
)
def test_lines_end_at_line_breaks_alone(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert list(read_lines(tmp_path / name)) == LINES


@pytest.mark.parametrize(
    "name, content, code",
    [
        ("none.txt", None, "B200"),
        ("latin.txt", "é".encode("latin-1"), "B208"),
        ("cut.gz", gzip.compress(CONTENT)[:-9], "B208"),
        ("plain.gz", CONTENT, "B208"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, code):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{code}.*{name}"):
        list(read_lines(tmp_path / name))


def test_suffixes():
    assert [unzipped_suffix(Path(name)) for name in ("a.csv", "a.b.csv.gz", "a")] == [
        ".csv", ".csv", "",
    ]  # fmt: skip
    assert suffix_of(Path("a.tsv.gz")) == ".tsv"
    assert suffix_of(Path("a.json"), (".json",)) == ".json"
    with pytest.raises(ValueError, match="B209.*a.json.*.jsonl, .tsv, .csv"):
        suffix_of(Path("a.json"))
