"""Tables: what is a header, and whose the quotes are."""

import csv
import gzip
import io

import pytest

from spacy_bert_suite.records import read_records

ROWS = [["id", "text"], ["a", "One\ttab."], ["b", 'She said "no".'], ["c", "Two\nlines."]]


def records(path):
    return [row.record for row in read_records(path)]


@pytest.mark.parametrize("suffix, mark", [(".csv", ","), (".tsv", "\t")])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    "header", ["id,text,year", "Text,Year,Id", "query_id,doc_id,relevance", "text1,text2,score"]
)
def test_known_names_make_a_header(suffix, mark, zipped, header, tmp_path):
    lines = "\n".join([header, "1,2,3"]).replace(",", mark)
    path = tmp_path / f"table{suffix}{'.gz' if zipped else ''}"
    path.write_bytes(gzip.compress(lines.encode()) if zipped else lines.encode())
    assert records(path) == [dict(zip(header.lower().split(","), "123"))]


def test_a_table_without_known_names_holds_pairs(tmp_path):
    (tmp_path / "pairs.tsv").write_text("A dog.\tA cat.\t0.5\n")
    assert records(tmp_path / "pairs.tsv") == [
        {"text1": "A dog.", "text2": "A cat.", "score": "0.5"}
    ]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quotes_of_a_writer_are_taken_off(quoting, end, tmp_path):
    buffer = io.StringIO()
    csv.writer(buffer, delimiter="\t", quoting=quoting, lineterminator="\n").writerows(ROWS)
    content = buffer.getvalue().replace("\n", end).encode()
    (tmp_path / "table.tsv").write_bytes(content)
    assert records(tmp_path / "table.tsv") == [dict(zip(ROWS[0], row)) for row in ROWS[1:]]
    last = list(read_records(tmp_path / "table.tsv"))[-1]
    assert last.number == 5


@pytest.mark.parametrize(
    "text", ['"Who is it?"', 'He said "no".', '"No," he said, "never."', '"open', 'a "" b', '""']
)
def test_quotes_of_the_text_stay(text, tmp_path):
    (tmp_path / "table.tsv").write_text(f"id\ttext\n1\t{text}\n2\tplain\n")
    assert [record["text"] for record in records(tmp_path / "table.tsv")] == [text, "plain"]
