"""Similarities of texts as a table of coloured cells."""

from collections.abc import Sequence
from html import escape

import numpy
from spacy.tokens import Doc

from .vectors import doc_vector, own_vector, unit

MOST_TEXTS = 24
N_SHOWN = 48  # characters of a text


def similarity_matrix(docs: Sequence[Doc]) -> str:
    """Cosines between all texts that have a vector.

    docs (Sequence[Doc]): Annotated by 'bert_similarity', or not: these are left out.
    RETURNS (str): A section of a page; empty for fewer than two texts, or too many to be read.
    """
    known = [(i, doc) for i, doc in enumerate(docs, start=1) if own_vector(doc) is not None]
    if not 2 <= len(known) <= MOST_TEXTS:
        return ""
    vectors = unit(numpy.stack([doc_vector(doc) for _, doc in known]))
    head = "".join(f"<th scope='col'>{i}</th>" for i, _ in known)
    rows = "".join(
        _row(i, doc, cosines) for (i, doc), cosines in zip(known, (vectors @ vectors.T).tolist())
    )
    return (
        '<section class="matrix"><h2>Similarity</h2>'
        f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def _row(number: int, doc: Doc, cosines: list[float]) -> str:
    text = " ".join(doc.text.split())
    short = text if len(text) <= N_SHOWN else text[:N_SHOWN] + "…"
    cells = "".join(
        f"<td style='--strength: {min(1.0, max(0.0, cosine)):.0%}'>{cosine:.2f}</td>"
        for cosine in cosines
    )
    return f"<tr><th scope='row'><b>{number}</b> {escape(short)}</th>{cells}</tr>"
