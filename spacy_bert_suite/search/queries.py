"""Queries and options of a search: their checks and conversions."""

import json
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any

import numpy
from spacy.tokens import Doc, Span

from ..core.validation import as_whole
from ..errors import CodedValueError, Errors
from .fusion import FUSIONS
from .record import Hit, Item, as_array

Query = str | Item | numpy.ndarray
Rerank = Callable[[str, Sequence[Hit]], Sequence[float]]
MODES = ("vector", "bm25", "hybrid")
QUERIES = "a list of texts, Docs, Spans or vectors"


def as_queries(queries: Iterable[Any]) -> list[Query]:
    """RETURNS (list[str | Doc | Span | ndarray]): Tensors and lists of numbers as arrays.
    RAISES (ValueError): If one of them, or all of them, are something else.
    """
    check_many("queries", queries, QUERIES)
    return [as_query(query) for query in queries]


def as_query(query: Any) -> Query:
    if isinstance(query, (str, Doc, Span)):
        return query
    vector = as_array(query)
    if vector.dtype.kind not in "fiu" or not vector.ndim:
        raise CodedValueError(Errors.B132.format(found=type(query).__name__))
    return vector


def text_of(query: Query) -> str:
    if isinstance(query, numpy.ndarray):
        raise CodedValueError(Errors.B125)
    return query if isinstance(query, str) else query.text


def reranked(text: str, hits: list[Hit], rerank: Rerank) -> list[Hit]:
    """Sort hits by new scores; equal ones stay in order."""
    found = rerank(text, hits) if hits else []
    try:
        scores = [float(score) for score in found]
    except (TypeError, ValueError):
        scores = []
    if len(scores) != len(hits) or not numpy.isfinite(scores).all():
        raise CodedValueError(Errors.B126.format(n_hits=len(hits), found=f"{found!r:.60}"))
    order = sorted(range(len(hits)), key=lambda i: -scores[i])
    return [Hit.of(hits[i], scores[i]) for i in order]


def check_options(mode: str, fusion: str, weight: Any) -> None:
    check_option("mode", mode, MODES)
    check_option("fusion", fusion, FUSIONS)
    if not isinstance(weight, Real) or not 0 <= float(weight) <= 1:
        expected = "a number from 0 to 1"
        raise CodedValueError(Errors.B121.format(key="weight", value=weight, expected=expected))


def check_option(key: str, value: str, options: Sequence[str]) -> None:
    if value not in options:
        expected = "one of: " + ", ".join(options)
        raise CodedValueError(Errors.B121.format(key=key, value=value, expected=expected))


def check_info(info: Any) -> None:
    """RAISES (ValueError): If it cannot be written beside an index."""
    try:
        json.dumps(info)
        is_right = info is None or isinstance(info, dict)
    except (TypeError, ValueError):
        is_right = False
    if not is_right:
        expected = "a dict of what JSON has: strings, numbers, lists"
        raise CodedValueError(Errors.B121.format(key="info", value=info, expected=expected))


def check_counts(**counts: Any) -> list[int]:
    """RETURNS (list[int]): Whole numbers, which numpy may have made."""
    numbers: dict[str, int] = {}
    for key, value in counts.items():
        number = as_whole(value)
        if number is None or number < 1:
            expected = "a whole number of at least 1"
            raise CodedValueError(Errors.B121.format(key=key, value=value, expected=expected))
        numbers[key] = number
    return list(numbers.values())


def check_many(key: str, values: Any, expected: str) -> None:
    """RAISES (ValueError): If one thing is given instead of many, of which the parts would count:
    the letters of a text, the tokens of a Doc.
    """
    if isinstance(values, (str, Doc, Span)):
        raise CodedValueError(
            Errors.B121.format(key=key, value=str(values)[:40], expected=expected)
        )
