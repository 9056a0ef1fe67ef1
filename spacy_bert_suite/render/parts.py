"""What a page and a table show of a Doc: its parts, sentiment, categories."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any, NamedTuple

from spacy.tokens import Doc, Span

SUMMARY = "summary"  # key of doc.spans


class Part(NamedTuple):
    """A sentence, or the whole text where there are no sentences."""

    span: Span
    ents: Sequence[Span]  # also those that only begin or end in it
    sentiment: dict[str, Any] | None
    is_summary: bool  # whether it is part of the summary


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


def mood(sentiment: dict[str, Any] | None) -> str:
    return f"{sentiment['label']} {sentiment['score']:.2f}" if sentiment else ""
