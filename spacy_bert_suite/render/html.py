"""Annotated docs as one HTML page."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from spacy import displacy
from spacy.tokens import Doc, Span

from .escaping import escape
from .heatmap import similarity_matrix
from .parts import SUMMARY, Part, mood, parts_of, score_of, sentiment_of
from .template import (
    COLORS,
    ENTITY,
    ENTITY_LEGEND,
    N_COLORS,
    PAGE,
    SENTIMENT_LEGEND,
    SUMMARY_LEGEND,
)


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
    style = ""
    if part.sentiment:
        style = f' title="{escape(mood(part.sentiment))}" {_tint(part.sentiment)}'
    kind = "sentence summary" if part.is_summary else "sentence"
    return f'{before}<div id="{key}" class="{kind}"{style}>{html}</div>{after}'


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
        f'{escape(mood(part.sentiment))}" title="{i}: {escape(mood(part.sentiment))}"></a>'
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
