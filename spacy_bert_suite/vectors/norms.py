"""Lengths of vectors, and vectors at length one."""

from collections.abc import Iterator

import numpy

CHUNK_SIZE = 8192  # rows at a time


def chunks(vectors: numpy.ndarray) -> Iterator[tuple[int, numpy.ndarray]]:
    """YIELDS (tuple[int, ndarray]): First row and some rows of a matrix."""
    for start in range(0, len(vectors), CHUNK_SIZE):
        yield start, vectors[start : start + CHUNK_SIZE]


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


def unit(vectors: numpy.ndarray) -> numpy.ndarray:
    """Scale vectors to length one; zeros stay. Values are first brought near to 1, so that the
    squares of huge ones are finite, and those of tiny ones not zero.

    vectors (ndarray): (..., width), finite.
    RETURNS (ndarray): The same shape and floating-point type.
    """
    largest = numpy.abs(vectors).max(axis=-1, keepdims=True, initial=0)
    scaled = vectors / numpy.where(largest > 0, largest, 1)
    lengths = numpy.linalg.norm(scaled, axis=-1, keepdims=True)
    return scaled / numpy.where(lengths > 0, lengths, 1)
