"""Conversion of texts, Docs and spans to batches of vectors and records."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice, zip_longest
from typing import Any, NamedTuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc, Span

from ..core.text import replace_surrogates
from ..errors import CodedValueError, Errors
from ..vectors.norms import unit as unit_length
from .backend import Batch
from .new_ids import check_id
from .record import Item, Record, as_array, check_metadata, record_of, units_of, vector_of

BATCH_SIZE = 512  # texts annotated, and entries written, at a time
NOTHING: Any = object()


class Entry(NamedTuple):
    item: Any  # str, Doc or Span
    id: str
    metadata: dict
    vector: numpy.ndarray | None


def make_batches(
    items: Iterable[str | Item],
    ids: Iterable[str | None] | None,
    metadata: Iterable[Mapping[str, Any]] | None,
    vectors: Iterable[numpy.ndarray] | None,
    unit: str,
    nlp: Language | None,
    new_id: Callable[[], str],
) -> Iterator[Batch]:
    """Read entries bit by bit, so that a stream of any length takes little memory.

    items (Iterable[str | Doc | Span]): What to index.
    ids (Iterable[str | None] | None): One for each, all different; None for new ones.
    metadata (Iterable[Mapping[str, Any]] | None): One for each.
    vectors (Iterable[ndarray] | None): One for each; None to take those of the pipeline.
    unit (str): "doc" or "sentence".
    nlp (Language | None): Annotates texts.
    new_id (Callable[[], str]): Makes an id.
    YIELDS (Batch): Vectors of length one, their records, and ids of texts of white space.
    RAISES (ValueError): If something is of the wrong kind, or there are not as many of each.
    """
    entries = _entries(items, ids, metadata, vectors, new_id)
    while chunk := list(islice(entries, BATCH_SIZE)):
        rows: list[numpy.ndarray] = []
        records: list[Record] = []
        dropped: list[str] = []
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
            raise CodedValueError(Errors.B127.format(found=type(item).__name__))
        id_ = new_id() if id_ is None else id_
        check_id(id_)
        if id_ in seen:
            raise CodedValueError(Errors.B117.format(id=id_))
        seen.add(id_)
        yield Entry(item, id_, check_metadata(fields), vector)


def _aligned(items, *others) -> Iterator[tuple]:
    """Like zip; what is None is None for each, what has another length is an error."""
    given = [other for other in others if other is not None]
    for item, *values in zip_longest(items, *given, fillvalue=NOTHING):
        if item is NOTHING or any(value is NOTHING for value in values):
            raise CodedValueError(Errors.B115)
        left = iter(values)
        yield (item, *(None if other is None else next(left) for other in others))


def _annotated(chunk: list[Entry], nlp: Language | None) -> Iterator[Entry]:
    texts = [entry.item for entry in chunk if isinstance(entry.item, str) and entry.vector is None]
    docs = annotate(texts, nlp)
    for entry in chunk:
        needs_doc = isinstance(entry.item, str) and entry.vector is None
        yield entry._replace(item=next(docs)) if needs_doc else entry


def annotate(texts: list[str], nlp: Language | None) -> Iterator[Doc]:
    """RETURNS (Iterator[Doc]): The Docs of texts, if there are any."""
    if not texts:
        return iter(())
    if nlp is None:
        raise CodedValueError(Errors.B120)
    return iter(nlp.pipe(map(replace_surrogates, texts)))


def stack(rows: list[Any]) -> numpy.ndarray:
    """RETURNS (ndarray): (n_rows, width) float32
    RAISES (ValueError): If they are not vectors of one width and of finite numbers.
    """
    arrays = [as_array(row) for row in rows]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1 or len(shapes[0]) != 1 or not shapes[0][0]:
        raise CodedValueError(Errors.B114.format(what=f"of the shapes {shapes}"))
    if any(array.dtype.kind not in "fiu" for array in arrays):
        raise CodedValueError(Errors.B114.format(what="not of numbers"))
    stacked = numpy.stack(arrays).astype("float32")
    if not numpy.isfinite(stacked).all():
        raise CodedValueError(Errors.B114.format(what="not finite"))
    return stacked
