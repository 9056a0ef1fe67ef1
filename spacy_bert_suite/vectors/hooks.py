"""User hooks: `.vector` and `.similarity` of Doc, Span and Token.

The hooks are functions of this module and hold nothing, so docs with hooks can be pickled.
A doc's own vector is `doc._.embedding`, a sentence's `sent._.embedding`, a token's its row of
`doc._.token_vectors`; any other span has the mean of its tokens. `doc.tensor` is left alone: of
docs that have lost their hooks, spaCy would take its mean for their vector, which is another one.
A sentence that has become a doc by `sent.as_doc(copy_user_data=True)` keeps the vector of the
sentence.
"""

import warnings
from typing import Any

import numpy
from spacy.tokens import Doc, Span, Token

from ..core.attributes import register_attributes
from ..errors import CodedValueError, Errors, Warnings
from .norms import unit

Spacy = Doc | Span | Token
ATTRIBUTES = ("doc.embedding", "span.embedding", "doc.token_vectors")
VECTORS = ("._.", "token_vectors", None, None)
PLACES = "bert_similarity.token_places"  # characters where each of these tokens begins and ends


def install_hooks(doc: Doc) -> Doc:
    """Let a doc with `doc._.embedding` answer `.vector`, `.vector_norm`, `.has_vector` and
    `.similarity`, for itself, its spans and its tokens. Needed again where spaCy drops hooks:
    after `Doc.from_bytes` (`to_bytes` warns of it, W109), `DocBin`, and `nlp.pipe(n_process=2)`.

    RETURNS (Doc): The doc.
    RAISES (ValueError): If another package has taken `doc._.embedding` or `doc._.token_vectors`.
    """
    register_attributes("install_hooks", ATTRIBUTES)
    for hooks, vector in (
        (doc.user_hooks, doc_vector),
        (doc.user_span_hooks, span_vector),
        (doc.user_token_hooks, token_vector),
    ):
        hooks["vector"] = vector
        hooks["has_vector"] = has_vector
        hooks["similarity"] = similarity
    # Not for spans: of these, spaCy would return the vector itself. By default it takes the norm.
    doc.user_hooks["vector_norm"] = doc.user_token_hooks["vector_norm"] = vector_norm
    return doc


def own_vector(item: Doc | Span) -> numpy.ndarray | None:
    """RETURNS (ndarray | None): What `.vector` gives with the hooks, also of docs that have lost
    them; None where 'bert_similarity' made no vector, or a part of a doc has lost those of its
    tokens. (width,) float32
    """
    embedding = _embedding_of(item)
    if embedding is not None:
        return embedding
    if isinstance(item, Doc):
        return _embedding_of(item[:])
    if own_vector(item.doc) is None:
        return None
    is_part = 0 < len(item) < len(item.doc)
    return None if is_part and not len(rows_of(item)) else span_vector(item)


def any_vector(item: Doc | Span) -> Any:
    """RETURNS (Any): Its own vector, or where 'bert_similarity' has not run, `.vector`; empty where
    there is none.
    """
    own = own_vector(item)
    doc = item.doc if isinstance(item, Span) else item
    if own is None:
        return item.vector if own_vector(doc) is None else _nothing()
    return own


def doc_vector(doc: Doc) -> numpy.ndarray:
    """RETURNS (ndarray): (width,) float32; empty where there is no embedding."""
    embedding = own_vector(doc)
    return _nothing() if embedding is None else embedding


def span_vector(span: Span) -> numpy.ndarray:
    """RETURNS (ndarray): (width,) float32; zero for a span without tokens."""
    embedding = _embedding_of(span)
    if embedding is not None:
        return embedding
    if span.start == 0 and span.end == len(span.doc):
        return doc_vector(span.doc)
    tokens = rows_of(span)
    return unit(tokens.mean(axis=0)) if len(tokens) else numpy.zeros_like(doc_vector(span.doc))


def token_vector(token: Token) -> numpy.ndarray:
    """RETURNS (ndarray): (width,) float32; empty where token vectors were not kept."""
    rows = rows_of(token.doc[token.i : token.i + 1])
    return rows[0] if len(rows) else _nothing()


def keep_token_vectors(doc: Doc, vectors: numpy.ndarray) -> None:
    """vectors (ndarray): Of its tokens, (n_tokens, width) float32."""
    doc._.token_vectors = vectors
    doc.user_data[PLACES] = numpy.asarray(_places(doc), dtype="int64").reshape(-1, 2)


def rows_of(span: Span) -> numpy.ndarray:
    """RETURNS (ndarray): Vectors of the tokens of a span, (n_tokens, width) float32; empty where
    they were not kept, or are of tokens that were merged or split since.
    """
    doc, first, last = span.doc, span.start, span.end
    user_data: Any = doc.user_data  # its keys are not only strings
    kept, places = user_data.get(VECTORS), user_data.get(PLACES)
    if kept is not None and places is not None:
        is_same = places[first:last].tolist() == _places(span)
        return kept[first:last] if is_same else _nothing()
    # Docs saved by earlier versions have them in the tensor; that of "tok2vec" is of another width.
    is_ours = doc.tensor is not None and doc.tensor.shape[1:] == doc_vector(doc).shape
    return doc.tensor[first:last] if is_ours else _nothing()


def _places(tokens: Doc | Span) -> list[list[int]]:
    return [[token.idx, token.idx + len(token)] for token in tokens]


def vector_norm(item: Spacy) -> float:
    vector: Any = item.vector
    return float(numpy.linalg.norm(vector))


def has_vector(item: Spacy) -> bool:
    return bool(item.vector.any())


def similarity(item: Spacy, other: Spacy) -> float:
    """RETURNS (float): Cosine of the two vectors; 0 where one of them is empty.
    RAISES (ValueError): If the vectors come from different models.
    """
    first, second = item.vector, other.vector
    if not first.any() or not second.any():
        warnings.warn(Warnings.B920.format(kind=type(item).__name__), stacklevel=2)
        return 0.0
    if first.shape != second.shape:
        raise CodedValueError(Errors.B069.format(width=len(first), other=len(second)))
    cosine = first @ second / (numpy.linalg.norm(first) * numpy.linalg.norm(second))
    return float(numpy.clip(cosine, -1.0, 1.0))


def _embedding_of(item: Doc | Span) -> numpy.ndarray | None:
    return item._.embedding if item.has_extension("embedding") else None


def _nothing() -> numpy.ndarray:
    return numpy.zeros(0, dtype="float32")
