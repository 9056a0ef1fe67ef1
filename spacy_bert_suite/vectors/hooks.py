"""User hooks: `.vector` and `.similarity` of Doc, Span and Token.

The hooks are functions of this module and hold nothing, so docs with hooks can be pickled.
A doc's own vector is `doc._.embedding`, a sentence's `sent._.embedding`, a token's its row of
`doc.tensor`; any other span has the mean of its tokens. A sentence that has become a doc by
`sent.as_doc(copy_user_data=True)` keeps the vector of the sentence.
"""

import warnings
from typing import Any

import numpy
from spacy.tokens import Doc, Span, Token

from ..errors import CodedValueError, Errors, Warnings
from .norms import unit

Spacy = Doc | Span | Token


def install_hooks(doc: Doc) -> Doc:
    """Let a doc with `doc._.embedding` answer `.vector`, `.vector_norm`, `.has_vector` and
    `.similarity`, for itself, its spans and its tokens. Needed again where spaCy drops hooks:
    after `Doc.from_bytes` (`to_bytes` warns of it, W109), `DocBin`, and `nlp.pipe(n_process=2)`.

    RETURNS (Doc): The doc.
    """
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
    return None if is_part and not len(token_vectors(item.doc)) else span_vector(item)


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
    tokens = token_vectors(span.doc)[span.start : span.end]
    return unit(tokens.mean(axis=0)) if len(tokens) else numpy.zeros_like(doc_vector(span.doc))


def token_vector(token: Token) -> numpy.ndarray:
    """RETURNS (ndarray): (width,) float32; empty where token vectors were not kept."""
    tensor = token_vectors(token.doc)
    return tensor[token.i] if len(tensor) else _nothing()


def token_vectors(doc: Doc) -> numpy.ndarray:
    """RETURNS (ndarray): (n_tokens, width) float32; empty where they were not kept, removed, as by
    the component "doc_cleaner", or replaced by what has another width, as by "tok2vec".
    """
    is_ours = doc.tensor is not None and doc.tensor.shape[1:] == doc_vector(doc).shape
    return doc.tensor if is_ours else _nothing()


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
