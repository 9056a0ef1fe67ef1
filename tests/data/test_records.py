"""Tables: what is a header, and whose the quotes are."""

import csv
import gzip
import io

import pytest

from spacy_bert_suite.data.records import read_records, read_rows

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


@pytest.mark.parametrize(
    "header",
    [
        "Class Index,Title,Description",
        "class_index,title",
        "text,category",
        "sentence,y",
        "review, Sentiment",
        "Label,words",
        "text,stars",
    ],
)
@pytest.mark.parametrize("suffix, mark", [(".csv", ","), (".tsv", "\t")])
def test_other_names_than_text_and_label_are_refused(header, suffix, mark, tmp_path):
    """They are a header: read as a record, they would be a class of their own."""
    path = tmp_path / f"table{suffix}"
    path.write_text(
        "\n".join([header, ",".join("123"[: header.count(",") + 1])]).replace(",", mark)
    )
    found = header.replace(",", ", ").replace("  ", " ")
    with pytest.raises(ValueError, match="B186.*line 1: .*named") as caught:
        list(read_rows(path))
    assert " ".join(found.split()) in " ".join(str(caught.value).split())


@pytest.mark.parametrize(
    "line, expected",
    [
        ("A text on the label\tcategory", ("A text on the label", "category")),
        ("Title\t1", ("Title", "1")),
        (
            "What is the class of this review?\ttopic",
            ("What is the class of this review?", "topic"),
        ),
    ],
)
def test_a_record_without_a_header_stays_one(line, expected, tmp_path):
    (tmp_path / "table.tsv").write_text(f"{line}\nplain\t2\n")
    first, _ = read_rows(tmp_path / "table.tsv")
    assert (first.record["text"], first.record["label"]) == expected
