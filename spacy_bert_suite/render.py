"""Annotated Docs as a web page or a console table. Both show what is there: a component that is
not in the pipeline leaves its part out.
"""

import textwrap
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any, NamedTuple

import wasabi
from spacy import displacy
from spacy.tokens import Doc, Span

from .heatmap import similarity_matrix
from .page import (
    COLORS,
    ENTITY,
    ENTITY_LEGEND,
    N_COLORS,
    PAGE,
    SENTIMENT_LEGEND,
    SUMMARY_LEGEND,
)

SUMMARY = "summary"  # key of doc.spans


class Part(NamedTuple):
    """A sentence, or the whole text where there are no sentences."""

    span: Span
    ents: Sequence[Span]  # also those that only begin or end in it
    sentiment: dict[str, Any] | None
    is_summary: bool  # whether it is part of the summary


def render_page(docs: Iterable[Doc], *, title: str = "Annotated texts") -> str:
    """A web page that needs nothing else: entities with their scores, bars for categories,
    sentences coloured by sentiment, those of the summary marked, and a matrix of similarities.

    docs (Iterable[Doc]): The annotated texts.
    title (str): Heading of the page.
    RETURNS (str): HTML.
    """
    docs = list(docs)
    legend = (
        ENTITY_LEGEND if any(score_of(ent) is not None for doc in docs for ent in doc.ents) else ""
    )
    legend += SENTIMENT_LEGEND if any(sentiment_of(doc) for doc in docs) else ""
    legend += SUMMARY_LEGEND if any(SUMMARY in doc.spans for doc in docs) else ""
    articles = [_article(doc, f"text-{i}") for i, doc in enumerate(docs, start=1)]
    body = "\n".join([*articles, similarity_matrix(docs)])
    return PAGE.substitute(title=escape(title), legend=legend, articles=body)


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


def parts_of(doc: Doc) -> list[Part]:
    # An empty doc has the annotation, but no sentence.
    sents = list(doc.sents) if doc.has_annotation("SENT_START") else []
    if not sents:
        return [Part(doc[:], doc.ents, sentiment_of(doc), False)]
    ents = doc.ents
    summary = {span.start for span in doc.spans[SUMMARY]} if SUMMARY in doc.spans else set()
    starts, ends = [ent.start for ent in ents], [ent.end for ent in ents]
    return [
        Part(
            sent,
            ents[bisect_right(ends, sent.start) : bisect_left(starts, sent.end)],
            sentiment_of(sent),
            sent.start in summary,
        )
        for sent in sents
    ]


def sentiment_of(text: Doc | Span) -> dict[str, Any] | None:
    """The label, its score and the polarity that the sentiment component found, or None."""
    return text._.sentiment if text.has_extension("sentiment") else None


def score_of(ent: Span) -> float | None:
    return ent._.score if ent.has_extension("score") else None


def best_category(doc: Doc) -> str:
    if not doc.cats:
        return ""
    label = max(doc.cats, key=doc.cats.__getitem__)
    return f"{label} {doc.cats[label]:.2f}"


def _table_rows(doc: Doc, width: int) -> Iterator[list[list[str]]]:
    parts = [part for part in parts_of(doc) if part.span.text.strip()] or parts_of(doc)[:1]
    if len(parts) == 1:
        yield _table_row(parts[0], best_category(doc), width)
        return
    whole = f"(text of {len(parts)} sentences, {len(doc.ents)} entities)"
    yield [[whole], [""], [best_category(doc)], [_mood(sentiment_of(doc))]]
    for part in parts:
        yield _table_row(part, "", width)


def _table_row(part: Part, topic: str, width: int) -> list[list[str]]:
    lines = textwrap.wrap(_printable(part.span.text), width) or ["(empty)"]
    # An entity that crosses the end of a sentence stands with the one in which it begins.
    entities = [_entity_line(ent) for ent in part.ents if ent.start >= part.span.start] or [""]
    return [lines, entities, [topic], [_mood(part.sentiment)]]


def _entity_line(ent: Span) -> str:
    score = score_of(ent)
    text = _printable(ent.text)
    return f"{text} {ent.label_}" if score is None else f"{text} {ent.label_} {score:.2f}"


def _mood(sentiment: dict[str, Any] | None) -> str:
    return f"{sentiment['label']} {sentiment['score']:.2f}" if sentiment else ""


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "�" for char in " ".join(text.split()))


def _article(doc: Doc, key: str) -> str:
    colors = _label_colors(doc)
    parts = parts_of(doc)
    sentences = [_sentence(part, f"{key}-{i}", colors) for i, part in enumerate(parts, start=1)]
    facts = [_category_bars(doc), _sentiment_facts(doc, parts, key), _entity_list(doc, colors)]
    return (
        f'<article aria-label="Text {key[5:]}"><div class="text">{"".join(sentences)}</div>'
        f"<aside>{''.join(facts)}</aside></article>"
    )


def _label_colors(doc: Doc) -> dict[str, str]:
    n_fixed = max(COLORS.values()) + 1
    labels = sorted({ent.label_ for ent in doc.ents})
    others = [label for label in labels if label.lower() not in COLORS]
    numbers = {label: n_fixed + i % (N_COLORS - n_fixed) for i, label in enumerate(others)}
    numbers.update({label: COLORS[label.lower()] for label in labels if label not in numbers})
    return {label: f"var(--ent-{number})" for label, number in numbers.items()}


def _sentence(part: Part, key: str, colors: dict[str, str]) -> str:
    span, before, text, after = part.span, *_split_space(part.span.text_with_ws)
    if not text:
        return before
    start = span.start_char + len(before)
    entities = [_displacy_entity(ent, start, start + len(text), colors) for ent in part.ents]
    html = displacy.render(
        {"text": text, "ents": [e for e in entities if e["start"] < e["end"]], "title": None},
        style="ent",
        manual=True,
        jupyter=False,
        options={"template": ENTITY},
    )
    mood = ""
    if part.sentiment:
        mood = f' title="{escape(_mood(part.sentiment))}" {_tint(part.sentiment)}'
    kind = "sentence summary" if part.is_summary else "sentence"
    return f'{before}<div id="{key}" class="{kind}"{mood}>{html}</div>{after}'


def _split_space(text: str) -> tuple[str, str, str]:
    body = text.strip()
    start = len(text) - len(text.lstrip())
    return text[:start], body, text[start + len(body) :]


def _displacy_entity(ent: Span, start: int, end: int, colors: dict[str, str]) -> dict[str, Any]:
    """The part of an entity between two characters, with offsets from the first of them."""
    score = score_of(ent)
    label = escape(ent.label_) + ("" if score is None else f" <b>{score:.2f}</b>")
    return {
        "start": max(ent.start_char, start) - start,
        "end": min(ent.end_char, end) - start,
        "label": ent.label_,
        "params": {"label": label, "bg": colors[ent.label_]},
    }


def _tint(sentiment: dict[str, Any]) -> str:
    """Attributes that give an element the colour of a polarity."""
    side = "positive" if sentiment["polarity"] > 0 else "negative"
    return f'data-mood="{side}" style="--strength: {abs(sentiment["polarity"]):.0%}"'


def _category_bars(doc: Doc, n_shown: int = 8) -> str:
    best = sorted(doc.cats.items(), key=lambda item: -item[1])[:n_shown]
    bars = [
        f'<dt>{escape(label)}</dt><dd><i style="width: calc({value:.4f} * (100% - 2.6rem))"></i>'
        f"<b>{value:.2f}</b></dd>"
        for label, value in best
    ]
    return f'<h2>Categories</h2><dl class="bars">{"".join(bars)}</dl>' if bars else ""


def _sentiment_facts(doc: Doc, parts: list[Part], key: str) -> str:
    sentiment = sentiment_of(doc)
    if sentiment is None:
        return ""
    polarity = sentiment["polarity"]
    return (
        f'<h2>Sentiment</h2><p class="mood"><b>{escape(sentiment["label"])}</b>'
        f" {sentiment['score']:.2f} <small>polarity {polarity:+.2f}</small></p>"
        + _mood_chart(parts, key)
    )


def _mood_chart(parts: list[Part], key: str) -> str:
    """A column for each sentence, up for positive and down for negative."""
    columns = [
        f'<a href="#{key}-{i}" {_tint(part.sentiment)} aria-label="Sentence {i}: '
        f'{escape(_mood(part.sentiment))}" title="{i}: {escape(_mood(part.sentiment))}"></a>'
        for i, part in enumerate(parts, start=1)
        if part.sentiment and part.span.text.strip()
    ]
    if len(columns) < 2:
        return ""
    return f'<nav class="chart" aria-label="Sentiment by sentence">{"".join(columns)}</nav>'


def _entity_list(doc: Doc, colors: dict[str, str]) -> str:
    found: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for ent in doc.ents:
        found[ent.label_, " ".join(ent.text.split())].append(ent)
    rows = [
        f'<li style="--bg: {colors[label]}"><span>{escape(text)}</span> {escape(label)}'
        f"{f' ×{len(ents)}' if len(ents) > 1 else ''}</li>"
        for (label, text), ents in sorted(found.items())
    ]
    return f'<h2>Entities</h2><ul class="entities-list">{"".join(rows)}</ul>' if rows else ""
