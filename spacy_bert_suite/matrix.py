"""Vectors of a collection as one matrix: from docs, spans, or arrays."""

from typing import Any, Iterator, List, Optional, Sequence, Tuple, Union

import numpy
from spacy.tokens import Doc, Span

from .errors import Errors
from .vectors import any_vector, unit

Items = Union[numpy.ndarray, Sequence[Union[Doc, Span]], Sequence[numpy.ndarray]]
CHUNK_SIZE = 8192  # rows at a time


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
        raise ValueError(Errors.B141.format(shape=vectors.shape, dtype=vectors.dtype))
    if vectors.dtype.kind != "f":
        vectors = vectors.astype("float32")
    _check_finite(vectors)
    return vectors


def _collect(items: List[Any]) -> numpy.ndarray:
    if items and isinstance(items[0], (Doc, Span)):
        return _stack([vector_of(item, i) for i, item in enumerate(items)])
    return _to_array(items)


def vector_of(item: Union[Doc, Span], place: int) -> Optional[numpy.ndarray]:
    """RETURNS (Optional[ndarray]): (width,); None for a doc or span of white space, even if a
    vector was made of its special tokens.
    RAISES (ValueError): If it has a text but no vector.
    """
    if not item.text.strip():
        return None
    vector = any_vector(item)
    if not numpy.size(vector):
        raise ValueError(Errors.B142.format(place=place, text=item.text.strip()[:40]))
    return numpy.asarray(vector, dtype="float32")


def _stack(vectors: Sequence[Optional[numpy.ndarray]]) -> numpy.ndarray:
    widths = {vector.shape for vector in vectors if vector is not None}
    if len(widths) > 1:
        raise ValueError(Errors.B141.format(shape=sorted(widths), dtype="float32"))
    (shape,) = widths or {(0,)}
    zeros = numpy.zeros(shape, dtype="float32")
    return numpy.stack([zeros if vector is None else vector for vector in vectors])


def _to_array(vectors: Sequence[Any]) -> numpy.ndarray:
    shapes = {numpy.shape(vector) for vector in vectors}
    if len(shapes) > 1:
        raise ValueError(Errors.B141.format(shape=sorted(shapes), dtype="mixed"))
    return numpy.asarray(vectors) if len(vectors) else numpy.zeros((0, 0), dtype="float32")


def chunks(vectors: numpy.ndarray) -> Iterator[Tuple[int, numpy.ndarray]]:
    """YIELDS (Tuple[int, ndarray]): First row and some rows of a matrix."""
    for start in range(0, len(vectors), CHUNK_SIZE):
        yield start, vectors[start : start + CHUNK_SIZE]


def _check_finite(vectors: numpy.ndarray) -> None:
    for start, chunk in chunks(vectors):
        wrong = ~numpy.isfinite(chunk).all(axis=1)
        if wrong.any():
            raise ValueError(Errors.B140.format(row=start + int(wrong.argmax())))


def lengths(vectors: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (ndarray): Euclidean length of every row, float64. (n,)"""
    parts = [numpy.linalg.norm(chunk.astype("float64"), axis=1) for _, chunk in chunks(vectors)]
    return numpy.concatenate(parts) if parts else numpy.zeros(0)


def normalised(vectors: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (ndarray): The rows at length one, float32; zeros stay zeros."""
    units = numpy.empty(vectors.shape, dtype="float32")
    for start, chunk in chunks(vectors):
        units[start : start + len(chunk)] = unit(chunk.astype("float64"))
    return units
