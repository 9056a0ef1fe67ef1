"""Annotated records in files: JSONL, TSV and CSV, plain or gzipped, and plain lines. What is
malformed raises an error that names the file and the line.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast

from .errors import Errors
from .unicode import clean

Renames = dict[str, str]
Cells = tuple[int, list[str]]  # number of the line and its columns
ReadRecord = Callable[[list[str]], dict[str, Any]]
TEXT_COLUMNS = ("text", "sentence")
# Names that data sets give to the first text of a pair, and to the second.
FIRST_COLUMNS = (
    "text1", "sentence1", "anchor", "premise", "question", "query", "question1", "#1 string",
    "sentence_a", "text_a",
)  # fmt: skip
SECOND_COLUMNS = (
    "text2", "sentence2", "positive", "hypothesis", "answer", "answer_sentence", "question2",
    "#2 string", "sentence_b", "text_b",
)  # fmt: skip
PAIR_COLUMNS = (*FIRST_COLUMNS, *SECOND_COLUMNS)
# One of these in the first line makes it a header: of pairs, of passages, or of judgements.
HEADER_COLUMNS = frozenset(("text", "query_id", "score", "label", *PAIR_COLUMNS))
# Names of two texts and their gold that are not read as such: a line of them is no data either.
PAIR_HEADERS = frozenset((
    "entailment_judgment", "gold_label", "is_duplicate", "negative", "quality", "relatedness_score",
    "s1", "s2", "similarity_score", "target",
))  # fmt: skip
# Names that data sets give to what is not read here: two of them in the first line, or one of those
# that are read, make it a header.
OTHER_COLUMNS = frozenset((
    "body", "category", "class", "class index", "comment", "content", "description", "id", "labels",
    "rating", "review", "score", "sentiment", "stars", "target", "title", "topic", "tweet",
))  # fmt: skip
RECORD_SUFFIXES = (".jsonl", ".tsv", ".csv")
MAX_CSV_FIELD = 2**31 - 1  # what a C long holds everywhere


@dataclass
class Row:
    """A record of a file, with the place to name when it is wrong."""

    path: Path
    number: int
    record: dict[str, Any]

    def wrong(self, field: str, expected: str) -> ValueError:
        """RETURNS (ValueError): One that tells what the field is; where it is missing, which there
        are: the columns of a file often have other names.
        """
        fields = ", ".join(map(str, self.record)) or "none"
        missing = f"missing (fields of the record: {fields[:200]})"
        found = repr(self.record[field]) if field in self.record else missing
        return ValueError(
            Errors.B204.format(
                path=self.path, line=self.number, field=field, found=found, expected=expected
            )
        )

    def text(self) -> str:
        text = self.record.get("text")
        if not isinstance(text, str) or not text.strip():
            raise self.wrong("text", "a text that is not empty")
        return clean(text)

    def label(self, field: str, rename: Renames) -> str:
        label = self.record.get(field)
        is_number = isinstance(label, int) and not isinstance(label, bool)
        if label is None or not (is_number or is_name(label)):
            raise self.wrong(field, "a string or a whole number")
        return renamed(label, rename)

    def labels(self, rename: Renames) -> list[str]:
        if "stars" in self.record:
            stars = self.record["stars"]
            if isinstance(stars, bool) or stars not in (1, 2, 3, 4, 5):
                raise self.wrong("stars", "a whole number from 1 to 5")
            return [renamed(int(stars), rename)]
        if "labels" not in self.record:
            return [self.label("label", rename)]
        labels = self.record["labels"]
        if not isinstance(labels, list) or not all(map(is_name, labels)):
            raise self.wrong("labels", "a list of labels, none of them empty")
        return [renamed(label, rename) for label in labels]


def is_name(label: object) -> bool:
    return isinstance(label, str) and bool(label.strip())


def renamed(label: str | int, rename: Renames) -> str:
    name = clean(str(label))
    return rename.get(name, name)


def read_rows(path: Path) -> Iterator[Row]:
    """The records of a file: .jsonl as they are; .tsv and .csv by the names in their first line,
    if it names a `label` and a `text` or `sentence`. Without such a header, .tsv holds
    `text<TAB>label` and .csv the label and one or more columns of text (as AG News does).

    path (Path): The file.
    YIELDS (Row): One per record.
    RAISES (ValueError): For a header with other names.
    """
    suffix = suffix_of(path)
    if suffix == ".csv":
        yield from _table_rows(path, _csv_cells(path), _csv_record)
    elif suffix == ".tsv":
        yield from _table_rows(path, _tsv_cells(path), _tsv_record)
    else:
        for number, line in read_lines(path):
            if line.strip():
                yield Row(path, number, _json_object(path, number, line))


def read_records(path: Path) -> Iterator[Row]:
    """The records of a .jsonl file, or of a .tsv or .csv file whose first line names its columns.
    A table without any known name in its first line holds two texts and a score, as STS does.

    path (Path): The file.
    YIELDS (Row): One per record.
    """
    suffix = suffix_of(path)
    if suffix == ".jsonl":
        yield from read_rows(path)
        return
    lines = _csv_cells(path) if suffix == ".csv" else _tsv_cells(path)
    header = [cell.strip().lower() for cell in lines[0][1]] if lines else []
    if not (HEADER_COLUMNS | PAIR_HEADERS) & set(header):
        header, lines = ["text1", "text2", "score"], [(0, []), *lines]
    for number, cells in lines[1:]:
        _check_width(path, number, cells, header)
        yield Row(path, number, dict(zip(header, cells)))


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file, plain or gzipped, with their numbers from 1.

    path (Path): The file.
    YIELDS (Tuple[int, str]): Number and line, without the line break.
    RAISES (ValueError): If there is no such file, or it is damaged or not UTF-8.
    """
    if not path.is_file():
        raise ValueError(Errors.B200.format(path=path))
    try:
        with open_text(path) as lines:
            for number, line in enumerate(lines, start=1):
                yield number, line.rstrip("\r\n")
    except (UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(Errors.B208.format(path=path, reason=error)) from error


def open_text(path: Path) -> TextIO:
    opener = gzip.open if path.suffix == ".gz" else open
    return cast(TextIO, opener(path, "rt", encoding="utf-8-sig", newline="\n"))


def suffix_of(path: Path) -> str:
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix not in RECORD_SUFFIXES:
        raise ValueError(Errors.B209.format(path=path, suffixes=", ".join(RECORD_SUFFIXES)))
    return suffix


def _table_rows(path: Path, lines: list[Cells], without_header: ReadRecord) -> Iterator[Row]:
    header = [cell.strip().lower() for cell in lines[0][1]] if lines else []
    text = next((name for name in TEXT_COLUMNS if name in header), None)
    if text is None or "label" not in header:
        _refuse_header(path, lines)
        for number, cells in lines:
            yield Row(path, number, without_header(cells))
        return
    text_at, label_at = header.index(text), header.index("label")
    for number, cells in lines[1:]:
        _check_width(path, number, cells, header)
        yield Row(path, number, {"text": cells[text_at], "label": cells[label_at].strip()})


def _refuse_header(path: Path, lines: list[Cells]) -> None:
    """Names that are not known here must not become a text and its label."""
    for number, cells in lines[:1]:
        names = {cell.strip().lower().replace("_", " ") for cell in cells}
        if names & {*TEXT_COLUMNS, "label"} or len(names & OTHER_COLUMNS) > 1:
            found = ", ".join(cells)
            raise ValueError(Errors.B186.format(path=path, line=number, found=found))


def _check_width(path: Path, number: int, cells: list[str], header: list[str]) -> None:
    if len(cells) != len(header):
        raise ValueError(
            Errors.B218.format(path=path, line=number, found=len(cells), expected=len(header))
        )


def _tsv_cells(path: Path) -> list[Cells]:
    lines = list(read_lines(path))
    if any('"' in line for _, line in lines):
        quoted = _quoted_cells([line for _, line in lines])
        if quoted is not None:
            return quoted
    return [(number, line.split("\t")) for number, line in lines if line.strip()]


def _quoted_cells(lines: list[str]) -> list[Cells] | None:
    """Cells without their quotes, if they were written with quotes, as pandas does: then all of the
    header has them, or writing the cells again gives the same lines. Else quotes are of the text.
    """
    reader = csv.reader((line + "\n" for line in lines), delimiter="\t", strict=True)
    try:
        with _long_fields():
            rows = [(reader.line_num, cells) for cells in reader]
    except csv.Error:
        return None
    if not rows[0][1] or lines[0] != "\t".join(f'"{cell}"' for cell in rows[0][1]):
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter="\t", lineterminator="\n")
        writer.writerows(cells for _, cells in rows)
        if buffer.getvalue() != "".join(line + "\n" for line in lines):
            return None
    return [(number, cells) for number, cells in rows if "".join(cells).strip()]


def _tsv_record(cells: list[str]) -> dict[str, Any]:
    return {"text": "\t".join(cells[:-1]), "label": cells[-1].strip()}


def _csv_cells(path: Path) -> list[Cells]:
    reader = csv.reader(line + "\n" for _, line in read_lines(path))
    try:
        with _long_fields():
            return [(reader.line_num, cells) for cells in reader if "".join(cells).strip()]
    except csv.Error as error:
        line = reader.line_num
        raise ValueError(Errors.B213.format(path=path, line=line, reason=error)) from error


@contextmanager
def _long_fields() -> Iterator[None]:
    limit = csv.field_size_limit(MAX_CSV_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _csv_record(cells: list[str]) -> dict[str, Any]:
    # AG News writes a line break inside a column as a backslash.
    return {"text": " ".join(cells[1:]).replace("\\", " "), "label": cells[0]}


def _json_object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # also of very long numbers and very deep lists
        record = None
    if not isinstance(record, dict):
        raise ValueError(Errors.B203.format(path=path, line=number, found=line[:60]))
    return record
