"""Annotated records in files: JSONL, TSV and CSV, plain or gzipped, and plain lines. What is
malformed raises an error that names the file and the line.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.text import replace_surrogates
from ..errors import CodedValueError, Errors
from .lines import read_lines, suffix_of
from .tables import (
    HEADER_COLUMNS,
    PAIR_HEADERS,
    TEXT_COLUMNS,
    Cells,
    check_width,
    csv_cells,
    csv_record,
    refuse_unknown_header,
    tsv_cells,
    tsv_record,
)

Renames = dict[str, str]
ReadRecord = Callable[[list[str]], dict[str, Any]]


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
        return CodedValueError(
            Errors.B204.format(
                path=self.path, line=self.number, field=field, found=found, expected=expected
            )
        )

    def text(self) -> str:
        text = self.record.get("text")
        if not isinstance(text, str) or not text.strip():
            raise self.wrong("text", "a text that is not empty")
        return replace_surrogates(text)

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
    name = replace_surrogates(str(label))
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
        yield from _table_rows(path, csv_cells(path), csv_record)
    elif suffix == ".tsv":
        yield from _table_rows(path, tsv_cells(path), tsv_record)
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
    lines = csv_cells(path) if suffix == ".csv" else tsv_cells(path)
    header = [cell.strip().lower() for cell in lines[0][1]] if lines else []
    if not (HEADER_COLUMNS | PAIR_HEADERS) & set(header):
        header, lines = ["text1", "text2", "score"], [(0, []), *lines]
    for number, cells in lines[1:]:
        check_width(path, number, cells, header)
        yield Row(path, number, dict(zip(header, cells)))


def _json_object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # also of very long numbers and very deep lists
        record = None
    if not isinstance(record, dict):
        raise CodedValueError(Errors.B203.format(path=path, line=number, found=line[:60]))
    return record


def _table_rows(path: Path, lines: list[Cells], without_header: ReadRecord) -> Iterator[Row]:
    header = [cell.strip().lower() for cell in lines[0][1]] if lines else []
    text = next((name for name in TEXT_COLUMNS if name in header), None)
    if text is None or "label" not in header:
        refuse_unknown_header(path, lines)
        for number, cells in lines:
            yield Row(path, number, without_header(cells))
        return
    text_at, label_at = header.index(text), header.index("label")
    for number, cells in lines[1:]:
        check_width(path, number, cells, header)
        yield Row(path, number, {"text": cells[text_at], "label": cells[label_at].strip()})
