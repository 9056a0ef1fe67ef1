"""Vectors of texts and docs: made in bulk, and written to docs."""

from collections.abc import Iterator, Sequence

import numpy
import torch
from spacy.tokens import Doc

from ...backbone.hidden_states import BertStates
from ...backbone.passes.texts import TextEncoder
from ...core.batching import rows_in_batches
from ...core.sentences import has_sentences, sentence_bounds
from ...vectors.hooks import install_hooks, keep_token_vectors
from .model import Embeddings, SentenceEmbedder

ENCODED_AT_ONCE = 512  # texts


def encode_texts(
    texts: Sequence[str], encoder: TextEncoder, module: SentenceEmbedder
) -> numpy.ndarray:
    """Encode texts that are in no Doc, in a pass of their own.

    encoder (TextEncoder): Gives their states.
    module (SentenceEmbedder): Makes vectors of these.
    RETURNS (ndarray): *Shape:* ``(n_texts, n_out)``, float32
    """

    def encode(batch: list[str]) -> numpy.ndarray:
        with torch.no_grad():
            return module.embed(encoder.predict(batch)).cpu().numpy()

    return rows_in_batches(encode, texts, len, width=module.n_out, at_once=ENCODED_AT_ONCE)


def embed_docs(
    docs: Sequence[Doc],
    states: BertStates,
    encoder: TextEncoder,
    module: SentenceEmbedder,
    *,
    sentences: str,
    tokens: bool,
) -> Embeddings:
    """Make vectors from the states of docs.

    encoder (TextEncoder): Reads what these states do not tell.
    sentences (str): "context" takes those of sentences from the states, "alone" from a pass over
        each sentence by itself; "none" makes none.
    tokens (bool): Make vectors of tokens.
    RETURNS (Embeddings): The vectors.
    """
    with torch.no_grad():
        found = module(states, docs, sentences=sentences == "context", tokens=tokens)
    if module.cfg["long_documents"] == "first":
        found = found._replace(docs=_with_beginnings(found.docs, docs, states, encoder, module))
    if sentences == "alone":
        texts = [sent.text for doc in docs if has_sentences(doc) for sent in doc.sents]
        alone = torch.from_numpy(encode_texts(texts, encoder, module))
        found = found._replace(sentences=alone.to(found.docs))
    return found


def _with_beginnings(
    vectors: torch.Tensor,
    docs: Sequence[Doc],
    states: BertStates,
    encoder: TextEncoder,
    module: SentenceEmbedder,
) -> torch.Tensor:
    """Give the docs with several windows the vectors of the first. It is read once more: where
    windows overlap, a wordpiece has but one state, and its last ones are of the second.
    """
    n_windows = numpy.diff(states.layout.window_offsets)
    long = numpy.flatnonzero(n_windows > 1).tolist()
    if not long:
        return vectors
    beginnings = encode_texts([docs[i].text for i in long], encoder, module)
    rows = torch.tensor(long, device=vectors.device)
    return vectors.index_copy(0, rows, torch.from_numpy(beginnings).to(vectors))


def sentences_from(setting: str, pooling: str) -> str:
    """RETURNS (str): What "auto" of `sentence_vectors` means for a way of pooling."""
    if setting != "auto":
        return setting
    return "alone" if "cls" in pooling or "pooler" in pooling or "+" in pooling else "context"


def write_vectors(docs: Sequence[Doc], vectors: Embeddings, *, has_sentence_vectors: bool) -> None:
    """Write `doc._.embedding`, `sent._.embedding` and `doc._.token_vectors`, and install the
    hooks.
    """
    sentences = iter(vectors.sentences.cpu().numpy())
    tokens = _split(vectors.tokens.cpu().numpy(), docs)
    for doc, vector, of_tokens in zip(docs, vectors.docs.cpu().numpy(), tokens):
        doc._.embedding = vector.copy()
        if of_tokens is not None:
            keep_token_vectors(doc, of_tokens)
        if has_sentence_vectors and has_sentences(doc):
            for start, end in sentence_bounds(doc):
                doc[start:end]._.embedding = next(sentences).copy()
        install_hooks(doc)


def _split(rows: numpy.ndarray, docs: Sequence[Doc]) -> Iterator[numpy.ndarray | None]:
    """YIELDS (ndarray | None): The tokens' rows of each doc, a copy; None where there are none."""
    begin = 0
    for doc in docs:
        yield rows[begin : begin + len(doc)].copy() if len(rows) else None
        begin += len(doc)
