"""Cells of TSV and CSV files: headers, quotes and widths."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import CodedValueError, Errors
from .lines import read_lines

Cells = tuple[int, list[str]]  # number of the line and its columns
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
MAX_CSV_FIELD = 2**31 - 1  # what a C long holds everywhere


def refuse_unknown_header(path: Path, lines: list[Cells]) -> None:
    """Names that are not known here must not become a text and its label."""
    for number, cells in lines[:1]:
        names = {cell.strip().lower().replace("_", " ") for cell in cells}
        if names & {*TEXT_COLUMNS, "label"} or len(names & OTHER_COLUMNS) > 1:
            found = ", ".join(cells)
            raise CodedValueError(Errors.B186.format(path=path, line=number, found=found))


def check_width(path: Path, number: int, cells: list[str], header: list[str]) -> None:
    if len(cells) != len(header):
        raise CodedValueError(
            Errors.B218.format(path=path, line=number, found=len(cells), expected=len(header))
        )


def tsv_cells(path: Path) -> list[Cells]:
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


def tsv_record(cells: list[str]) -> dict[str, Any]:
    return {"text": "\t".join(cells[:-1]), "label": cells[-1].strip()}


def csv_cells(path: Path) -> list[Cells]:
    reader = csv.reader(line + "\n" for _, line in read_lines(path))
    try:
        with _long_fields():
            return [(reader.line_num, cells) for cells in reader if "".join(cells).strip()]
    except csv.Error as error:
        line = reader.line_num
        raise CodedValueError(Errors.B213.format(path=path, line=line, reason=error)) from error


@contextmanager
def _long_fields() -> Iterator[None]:
    limit = csv.field_size_limit(MAX_CSV_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def csv_record(cells: list[str]) -> dict[str, Any]:
    return {"text": " ".join(cells[1:]), "label": cells[0]}
