"""Vectors of a collection as one matrix: from docs, spans, or arrays."""

from collections.abc import Sequence
from typing import Any

import numpy
from spacy.tokens import Doc, Span

from ..errors import CodedValueError, Errors
from .hooks import any_vector
from .norms import chunks

Items = numpy.ndarray | Sequence[Doc | Span] | Sequence[numpy.ndarray]


def as_matrix(items: Items) -> numpy.ndarray:
    """Vectors of docs, spans or sentences, or vectors as they are.

    items (Items): Docs or spans with `._.embedding`, or else with `.vector` (one of white
        space counts as zeros); or an array, (n, width), which may be memory-mapped; or a list of
        vectors.
    RETURNS (ndarray): (n, width), floating point; an array of floats is not copied.
    RAISES (ValueError): If there is no vector, or the shape is another, or a value is not finite.
    """
    vectors = items if isinstance(items, numpy.ndarray) else _collect(list(items))
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        raise CodedValueError(Errors.B141.format(shape=vectors.shape, dtype=vectors.dtype))
    if vectors.dtype.kind != "f":
        vectors = vectors.astype("float32")
    _check_finite(vectors)
    return vectors


def _collect(items: list[Any]) -> numpy.ndarray:
    if items and isinstance(items[0], (Doc, Span)):
        return _stack([vector_of(item, i) for i, item in enumerate(items)])
    return _to_array(items)


def vector_of(item: Doc | Span, place: int) -> numpy.ndarray | None:
    """RETURNS (ndarray | None): (width,); None for a doc or span of white space, even if a
    vector was made of its special tokens.
    RAISES (ValueError): If it has a text but no vector.
    """
    if not item.text.strip():
        return None
    vector = any_vector(item)
    if not numpy.size(vector):
        raise CodedValueError(Errors.B142.format(place=place, text=item.text.strip()[:40]))
    return numpy.asarray(vector, dtype="float32")


def _stack(vectors: Sequence[numpy.ndarray | None]) -> numpy.ndarray:
    widths = {vector.shape for vector in vectors if vector is not None}
    if len(widths) > 1:
        raise CodedValueError(Errors.B141.format(shape=sorted(widths), dtype="float32"))
    (shape,) = widths or {(0,)}
    zeros = numpy.zeros(shape, dtype="float32")
    return numpy.stack([zeros if vector is None else vector for vector in vectors])


def _to_array(vectors: Sequence[Any]) -> numpy.ndarray:
    shapes = {numpy.shape(vector) for vector in vectors}
    if len(shapes) > 1:
        raise CodedValueError(Errors.B141.format(shape=sorted(shapes), dtype="mixed"))
    return numpy.asarray(vectors) if len(vectors) else numpy.zeros((0, 0), dtype="float32")


def _check_finite(vectors: numpy.ndarray) -> None:
    for start, chunk in chunks(vectors):
        wrong = ~numpy.isfinite(chunk).all(axis=1)
        if wrong.any():
            raise CodedValueError(Errors.B140.format(row=start + int(wrong.argmax())))
