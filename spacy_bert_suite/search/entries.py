"""Texts, Docs and spans to batches of vectors and records."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice, zip_longest
from typing import Any, List, NamedTuple, Optional, Union

import numpy
from spacy.language import Language
from spacy.tokens import Doc, Span

from ..errors import Errors
from ..unicode import clean
from ..vectors import unit as unit_length
from .ids import check_id
from .records import Item, Record, as_array, check_metadata, record_of, units_of, vector_of
from .store import Batch

BATCH_SIZE = 512  # texts annotated, and entries written, at a time
NOTHING: Any = object()


class Entry(NamedTuple):
    item: Any  # str, Doc or Span
    id: str
    metadata: dict
    vector: Optional[numpy.ndarray]


def make_batches(
    items: Iterable[Union[str, Item]],
    ids: Optional[Iterable[Optional[str]]],
    metadata: Optional[Iterable[Mapping[str, Any]]],
    vectors: Optional[Iterable[numpy.ndarray]],
    unit: str,
    nlp: Optional[Language],
    new_id: Callable[[], str],
) -> Iterator[Batch]:
    """Read entries bit by bit, so that a stream of any length takes little memory.

    items (Iterable[Union[str, Doc, Span]]): What to index.
    ids (Optional[Iterable[Optional[str]]]): One for each, all different; None for new ones.
    metadata (Optional[Iterable[Mapping[str, Any]]]): One for each.
    vectors (Optional[Iterable[ndarray]]): One for each; None to take those of the pipeline.
    unit (str): "doc" or "sentence".
    nlp (Optional[Language]): Annotates texts.
    new_id (Callable[[], str]): Makes an id.
    YIELDS (Batch): Vectors of length one, their records, and ids of texts of white space.
    RAISES (ValueError): If something is of the wrong kind, or there are not as many of each.
    """
    entries = _entries(items, ids, metadata, vectors, new_id)
    while chunk := list(islice(entries, BATCH_SIZE)):
        rows: List[numpy.ndarray] = []
        records: List[Record] = []
        dropped: List[str] = []
        for entry in _annotated(chunk, nlp):
            given = entry.vector is not None
            parts = [entry.item] if given else list(units_of(entry.item, unit))
            if not parts:
                dropped.append(entry.id)
            for part in parts:
                rows.append(vector_of(part) if entry.vector is None else entry.vector)
                records.append(record_of(part, entry.id, entry.metadata))
        vectors = unit_length(stack(rows)) if rows else numpy.zeros((0, 0), dtype="float32")
        yield Batch(vectors, records, dropped)


def _entries(items, ids, metadata, vectors, new_id) -> Iterator[Entry]:
    seen = set()
    for item, id_, fields, vector in _aligned(items, ids, metadata, vectors):
        if not isinstance(item, (str, Doc, Span)):
            raise ValueError(Errors.B127.format(found=type(item).__name__))
        id_ = new_id() if id_ is None else id_
        check_id(id_)
        if id_ in seen:
            raise ValueError(Errors.B117.format(id=id_))
        seen.add(id_)
        yield Entry(item, id_, check_metadata(fields), vector)


def _aligned(items, *others) -> Iterator[tuple]:
    """Like zip; what is None is None for each, what has another length is an error."""
    given = [other for other in others if other is not None]
    for item, *values in zip_longest(items, *given, fillvalue=NOTHING):
        if item is NOTHING or any(value is NOTHING for value in values):
            raise ValueError(Errors.B115)
        left = iter(values)
        yield (item, *(None if other is None else next(left) for other in others))


def _annotated(chunk: List[Entry], nlp: Optional[Language]) -> Iterator[Entry]:
    texts = [entry.item for entry in chunk if isinstance(entry.item, str) and entry.vector is None]
    docs = annotate(texts, nlp)
    for entry in chunk:
        needs_doc = isinstance(entry.item, str) and entry.vector is None
        yield entry._replace(item=next(docs)) if needs_doc else entry


def annotate(texts: List[str], nlp: Optional[Language]) -> Iterator[Doc]:
    """RETURNS (Iterator[Doc]): The Docs of texts, if there are any."""
    if not texts:
        return iter(())
    if nlp is None:
        raise ValueError(Errors.B120)
    return iter(nlp.pipe(map(clean, texts)))


def stack(rows: List[Any]) -> numpy.ndarray:
    """RETURNS (ndarray): (n_rows, width) float32
    RAISES (ValueError): If they are not vectors of one width and of finite numbers.
    """
    arrays = [as_array(row) for row in rows]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1 or len(shapes[0]) != 1 or not shapes[0][0]:
        raise ValueError(Errors.B114.format(what=f"of the shapes {shapes}"))
    if any(array.dtype.kind not in "fiu" for array in arrays):
        raise ValueError(Errors.B114.format(what="not of numbers"))
    stacked = numpy.stack(arrays).astype("float32")
    if not numpy.isfinite(stacked).all():
        raise ValueError(Errors.B114.format(what="not finite"))
    return stacked
