"""Sentence boundaries of a Doc."""

import numpy
from spacy.tokens import Doc


def has_sentences(doc: Doc) -> bool:
    """RETURNS (bool): Whether it has words and sentence boundaries, on tokens or by a hook."""
    return len(doc) > 0 and doc.has_annotation("SENT_START")


def sentence_bounds(doc: Doc) -> numpy.ndarray:
    """RETURNS (ndarray): First token of each sentence and the one after its last, as in `doc.sents`
    but without a Span for each where tokens say it. (n_sentences, 2)
    """
    if "sents" in doc.user_hooks:
        bounds = [(sent.start, sent.end) for sent in doc.sents]
        return numpy.asarray(bounds, dtype="int64").reshape(-1, 2)
    is_start = doc.to_array("SENT_START") == 1
    is_start[:1] = True
    edges = numpy.append(numpy.flatnonzero(is_start), len(doc))
    return numpy.stack([edges[:-1], edges[1:]], axis=1)
