"""Small collections with known neighbours; no model is needed."""

import numpy

TEXTS = [
    "The harbour froze in January.",
    "Ships wait outside the harbour.",
    "Bread rises slowly in a cold kitchen.",
    "A baker sells bread and rolls.",
    "The orchestra tuned its strings.",
    "Strings and brass played together.",
]
IDS = [f"d{i}" for i in range(len(TEXTS))]
METADATA = [
    {"topic": "sea", "year": 1990, "tags": ["cold", "port"]},
    {"topic": "sea", "year": 2001, "tags": ["port"]},
    {"topic": "food", "year": 2001, "tags": ["cold"]},
    {"topic": "food", "year": 2010.5, "tags": []},
    {"topic": "music", "year": None, "live": True},
    {"topic": "music", "year": 2020, "live": 1},
]


def toy_vectors() -> numpy.ndarray:
    """Pairs of near neighbours: d0 and d1, d2 and d3, d4 and d5."""
    vectors = numpy.repeat(numpy.eye(3, 8, dtype="float32"), 2, axis=0)
    vectors[1::2, 3] = 0.5
    return vectors


def random_vectors(n: int, width: int = 16, seed: int = 0) -> numpy.ndarray:
    vectors = numpy.random.default_rng(seed).standard_normal((n, width))
    return (vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)).astype("float32")


def ids_of(hits):
    return [hit.id for hit in hits]


def letters(doc_or_text) -> numpy.ndarray:
    text = getattr(doc_or_text, "text", doc_or_text).lower()
    return numpy.array([text.count(c) for c in "abcdefghijklmnopqrstuvwxyz"], dtype="float32")
