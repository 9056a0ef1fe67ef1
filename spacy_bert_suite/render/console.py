"""Annotated docs as a table for the console."""

import textwrap
from collections.abc import Iterable, Iterator

import wasabi
from spacy.tokens import Doc, Span

from .parts import Part, best_category, mood, parts_of, score_of, sentiment_of


def table(docs: Iterable[Doc], *, width: int = 60) -> str:
    """A console table with a row for each text and each sentence of it: entities and their
    scores, topic and its probability, sentiment and its score.

    docs (Iterable[Doc]): The annotated texts.
    width (int): Width of the column that shows the text.
    RETURNS (str): The table.
    """
    rows = [row for doc in docs for row in _table_rows(doc, width)]
    header = ["Text", "Entities", "Topic", "Sentiment"]
    shown = [i for i in range(len(header)) if i == 0 or any(row[i] != [""] for row in rows)]
    return wasabi.table(
        [[row[i] for i in shown] for row in rows],
        header=[header[i] for i in shown],
        divider=True,
        multiline=True,
        max_col=width,
    )


def _table_rows(doc: Doc, width: int) -> Iterator[list[list[str]]]:
    parts = [part for part in parts_of(doc) if part.span.text.strip()] or parts_of(doc)[:1]
    if len(parts) == 1:
        yield _table_row(parts[0], best_category(doc), width)
        return
    whole = f"(text of {len(parts)} sentences, {len(doc.ents)} entities)"
    yield [[whole], [""], [best_category(doc)], [mood(sentiment_of(doc))]]
    for part in parts:
        yield _table_row(part, "", width)


def _table_row(part: Part, topic: str, width: int) -> list[list[str]]:
    lines = textwrap.wrap(_printable(part.span.text), width) or ["(empty)"]
    # An entity that crosses the end of a sentence stands with the one in which it begins.
    entities = [_entity_line(ent) for ent in part.ents if ent.start >= part.span.start] or [""]
    return [lines, entities, [topic], [mood(part.sentiment)]]


def _entity_line(ent: Span) -> str:
    score = score_of(ent)
    text = _printable(ent.text)
    return f"{text} {ent.label_}" if score is None else f"{text} {ent.label_} {score:.2f}"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "�" for char in " ".join(text.split()))
