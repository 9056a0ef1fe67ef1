"""Records of indexed texts, hits, and the vectors and metadata that they are made from."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy
from spacy.tokens import Doc, Span

from ..errors import CodedValueError, Errors
from ..vectors.hooks import any_vector
from .filters import SCALARS, plain

Item = Doc | Span
UNITS = ("doc", "sentence")


@dataclass(frozen=True)
class Record:
    """One entry of an index: a Doc, or a span of it.

    id (str): Id of the Doc; all its spans have it.
    text (str): Text of the span.
    start (int): First character of the span in the Doc.
    end (int): Character after the last one.
    metadata (dict[str, Any]): What was given with the Doc.
    """

    id: str
    text: str
    start: int
    end: int
    metadata: dict[str, Any]

    def to_json(self) -> bytes:
        """RETURNS (bytes): One line; lone surrogates, which no file can hold, are escaped."""
        return (json.dumps(asdict(self), ensure_ascii=True, allow_nan=False) + "\n").encode()

    @classmethod
    def from_json(cls, line: bytes) -> "Record":
        return cls(**json.loads(line))


@dataclass(frozen=True)
class Hit(Record):
    """A result of a search.

    score (float): Cosine for "vector"; the BM25 score for "bm25"; the fused score for "hybrid";
        what `rerank` gave, if there was one. Higher is better.
    """

    score: float

    @classmethod
    def of(cls, record: Record, score: float) -> "Hit":
        return cls(record.id, record.text, record.start, record.end, record.metadata, score)


def units_of(item: Item, unit: str) -> Iterator[Item]:
    """Cut a Doc or Span into what gets a vector of its own.

    item (Doc | Span): What to cut.
    unit (str): "doc" for all of it, "sentence" for its sentences.
    YIELDS (Doc | Span): The parts that hold more than whitespace.
    RAISES (ValueError): If sentences are asked for and the Doc has no boundaries.
    """
    doc = item.doc if isinstance(item, Span) else item
    if unit == "sentence" and len(doc) and not doc.has_annotation("SENT_START"):
        raise CodedValueError(Errors.B113)
    cut = unit == "sentence" and len(doc)
    for part in _sentences_within(item) if cut else [item]:
        if part.text.strip():
            yield part


def _sentences_within(item: Item) -> Iterator[Span]:
    """YIELDS (Span): Sentences; of those that reach beyond a Span, the part in it."""
    whole = item if isinstance(item, Span) else item[:]
    for sent in item.sents:  # type: ignore[union-attr]
        yield whole.doc[max(sent.start, whole.start) : min(sent.end, whole.end)]


def record_of(item: str | Item, id_: str, metadata: dict[str, Any]) -> Record:
    if not isinstance(item, Span):
        text = item if isinstance(item, str) else item.text
        return Record(id_, text, 0, len(text), metadata)
    return Record(id_, item.text, item.start_char, item.end_char, metadata)


def vector_of(item: Item) -> numpy.ndarray:
    """RETURNS (ndarray): The vector of a Doc or Span, (width,) float32.
    RAISES (ValueError): If no component made one.
    """
    vector = as_array(any_vector(item))
    if vector.ndim != 1 or not vector.size:
        raise CodedValueError(Errors.B112)
    return vector.astype("float32")


def as_array(vector: Any) -> numpy.ndarray:
    """RETURNS (ndarray): An array, tensor or list, of any device, in main memory."""
    if hasattr(vector, "detach"):  # torch
        return vector.detach().cpu().float().numpy()
    if hasattr(vector, "__cuda_array_interface__"):  # cupy
        return vector.get()
    try:
        return numpy.asarray(vector)
    except ValueError as error:
        raise CodedValueError(Errors.B114.format(what="not of numbers")) from error


def check_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): A copy.
    RAISES (ValueError): If it holds more than strings, finite numbers, True, False, None, and
        lists of them.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise CodedValueError(Errors.B118.format(field="metadata", value=metadata))
    checked = {field: plain(value) for field, value in metadata.items()}
    for field, value in checked.items():
        if not isinstance(field, str) or not is_metadata(value):
            raise CodedValueError(Errors.B118.format(field=field, value=value))
    return checked


def is_metadata(value: Any) -> bool:
    """RETURNS (bool): Whether it is a plain value, or a list of them."""
    return all(map(_is_plain, value if isinstance(value, list) else [value]))


def _is_plain(value: Any) -> bool:
    is_finite = not isinstance(value, float) or bool(numpy.isfinite(value))
    return isinstance(value, SCALARS) and is_finite
