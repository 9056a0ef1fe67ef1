"""Readers of passages, queries and relevance judgements."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..core.text import replace_surrogates
from ..data.lines import RECORD_SUFFIXES, read_lines, suffix_of
from ..data.records import Row, read_records
from ..errors import CodedValueError, Errors

NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?")  # 007 is a name
PLAIN = "a string, a finite number, true, false, null, or a list of them"


class Passage(NamedTuple):
    text: str
    id: str | None
    metadata: dict[str, Any]


class Survey(NamedTuple):
    """A file of passages that was read once: how many there are, and whether any has an id."""

    path: Path
    n_passages: int
    has_ids: bool


def find_file(path: Path, *names: str) -> Path:
    """A file, or the first of these names in a folder."""
    if path.is_file():
        return path
    if not path.exists():
        raise CodedValueError(Errors.B200.format(path=path))
    for name in names:
        for suffix in RECORD_SUFFIXES:
            for found in (path / f"{name}{suffix}", path / f"{name}{suffix}.gz"):
                if found.is_file():
                    return found
    looked_for = " or ".join(f"{name}.jsonl" for name in names)
    raise CodedValueError(Errors.B207.format(looked_for=looked_for, path=path))


def read_passages(path: Path) -> Iterator[Passage]:
    """Texts with their titles, ids and metadata. Of a .txt file every line is a text."""
    if path.name.removesuffix(".gz").endswith(".txt"):
        lines = (line for _, line in read_lines(path) if line.strip())
        yield from (Passage(replace_surrogates(line), None, {}) for line in lines)
        return
    is_table = suffix_of(path) != ".jsonl"
    for row in read_records(path):
        text, title = row.text(), row.record.get("title")
        if isinstance(title, str) and title.strip() and not text.startswith(title):
            text = f"{replace_surrogates(title)}. {text}"
        has_id = row.record.get("id") not in (None, "")
        yield Passage(text, name_of(row, "id") if has_id else None, metadata_of(row, is_table))


def metadata_of(row: Row, is_table: bool) -> dict[str, Any]:
    """All but text and id. The cells of a table that are numbers become numbers, but for titles."""
    from .record import is_metadata

    fields = {field: v for field, v in row.record.items() if field not in ("id", "text")}
    for field, value in fields.items():
        if not is_metadata(value):
            raise row.wrong(field, PLAIN)
        if is_table and field != "title":
            fields[field] = number_of(value)
    return fields


def number_of(cell: str) -> Any:
    found = NUMBER.fullmatch(cell.strip())
    if not found:
        return cell
    return float(cell) if found[2] else int(cell)


def survey(path: Path) -> Survey:
    """Count passages and look for ids; what is malformed is found here, at once."""
    n_passages, has_ids = 0, False
    for passage in read_passages(path):
        n_passages += 1
        has_ids = has_ids or passage.id is not None
    return Survey(path, n_passages, has_ids)


def read_queries(path: Path) -> dict[str, str]:
    return {name_of(row, "id"): row.text() for row in read_records(path)}


def read_judgements(path: Path) -> dict[str, dict[str, float]]:
    judgements: dict[str, dict[str, float]] = {}
    for row in read_records(path):
        try:
            relevance = float(row.record["relevance"])
        except (KeyError, TypeError, ValueError) as error:
            raise row.wrong("relevance", "a number") from error
        judgements.setdefault(name_of(row, "query_id"), {})[name_of(row, "doc_id")] = relevance
    return judgements


def name_of(row: Row, field: str) -> str:
    value = row.record.get(field, "")
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value):
        raise row.wrong(field, "a string or a whole number")
    return str(value)
