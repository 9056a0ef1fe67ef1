"""Similarity matrices as a table of a page, or as an SVG picture."""

from collections.abc import Sequence
from string import Template

import numpy
from spacy.tokens import Doc

from ..errors import CodedValueError, Errors
from ..vectors.hooks import doc_vector, own_vector
from ..vectors.norms import unit
from .escaping import escape

MOST_TEXTS = 24
N_SHOWN = 48  # characters of a text
CELL = 48  # units of the picture
N_UNITS = 7  # for a character

SVG = Template("""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $width $height"
  width="$width" role="img" aria-label="Similarity of $n texts">
<style>
text { font: 13px system-ui, sans-serif; fill: #1c1f23; dominant-baseline: middle; }
rect { fill: #4a6fa5; }
.label { text-anchor: end; } .value { text-anchor: middle; }
@media (prefers-color-scheme: dark) { text { fill: #e6e7e8; } rect { fill: #7ea6e0; } }
</style>
$body
</svg>
""")

Numbered = list[tuple[int, Doc]]


def similarity_matrix(docs: Sequence[Doc]) -> str:
    """Cosines between all texts that have a vector.

    docs (Sequence[Doc]): Annotated by 'bert_similarity', or not: these are left out.
    RETURNS (str): A section of a page; empty for fewer than two texts, or too many to be read.
    """
    known = _with_vectors(docs)
    if not 2 <= len(known) <= MOST_TEXTS:
        return ""
    head = "".join(f"<th scope='col'>{i}</th>" for i, _ in known)
    rows = "".join(_row(i, doc, values) for (i, doc), values in zip(known, _cosines(known)))
    return (
        '<section class="matrix"><h2>Similarity</h2>'
        f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def similarity_svg(docs: Sequence[Doc]) -> str:
    """The same as a picture, for a notebook (`IPython.display.SVG`) or a file.

    docs (Sequence[Doc]): Annotated by 'bert_similarity', or not: these are left out.
    RETURNS (str): An SVG image, which needs nothing beside itself.
    RAISES (ValueError): For fewer than two texts with a vector, or more than `MOST_TEXTS`.
    """
    known = _with_vectors(docs)
    if not 2 <= len(known) <= MOST_TEXTS:
        expected = f"2 to {MOST_TEXTS} texts with a vector"
        raise CodedValueError(Errors.B143.format(name="docs", value=len(known), expected=expected))
    left = N_UNITS * (4 + max(len(_short(doc)) for _, doc in known))
    rows = [
        _svg_row(left, CELL * row, number, doc, values)
        for row, ((number, doc), values) in enumerate(zip(known, _cosines(known)))
    ]
    width, height = left + CELL * len(known), CELL * len(known)
    return SVG.substitute(width=width, height=height, n=len(known), body="\n".join(rows))


def _with_vectors(docs: Sequence[Doc]) -> Numbered:
    return [(i, doc) for i, doc in enumerate(docs, start=1) if own_vector(doc) is not None]


def _cosines(known: Numbered) -> list[list[float]]:
    vectors = unit(numpy.stack([doc_vector(doc) for _, doc in known]))
    return (vectors @ vectors.T).tolist()


def _short(doc: Doc) -> str:
    text = " ".join(doc.text.split())
    return text if len(text) <= N_SHOWN else text[:N_SHOWN] + "…"


def _strength(cosine: float) -> float:
    return min(1.0, max(0.0, cosine))


def _shown(cosine: float) -> str:
    return f"{round(cosine, 2) + 0.0:.2f}"  # no "-0.00"


def _row(number: int, doc: Doc, cosines: list[float]) -> str:
    cells = "".join(
        f"<td style='--strength: {_strength(cosine):.0%}'>{_shown(cosine)}</td>"
        for cosine in cosines
    )
    return f"<tr><th scope='row'><b>{number}</b> {escape(_short(doc))}</th>{cells}</tr>"


def _svg_row(left: int, top: int, number: int, doc: Doc, cosines: list[float]) -> str:
    middle = top + CELL // 2
    label = f"{escape(_short(doc))} {number}"
    parts = [f'<text class="label" x="{left - N_UNITS}" y="{middle}">{label}</text>']
    for column, cosine in enumerate(cosines):
        x = left + CELL * column
        parts += [
            f'<rect x="{x + 1}" y="{top + 1}" width="{CELL - 2}" height="{CELL - 2}" rx="4" '
            f'fill-opacity="{0.85 * _strength(cosine):.2f}"/>',
            f'<text class="value" x="{x + CELL // 2}" y="{middle}">{_shown(cosine)}</text>',
        ]
    return "".join(parts)
