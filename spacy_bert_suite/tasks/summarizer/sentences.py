"""Sentences of a doc, and which of them may be in a summary."""

from collections.abc import Sequence

import numpy
import torch
from spacy.pipeline import Sentencizer
from spacy.tokens import Doc, Span

from ...backbone.hidden_states import BertStates
from ...core.sentences import sentence_bounds
from ...core.text import is_blank
from ...core.words import normal_form
from ...heads.pooling import mean_of_ranges, sentence_rows


def with_boundaries(doc: Doc) -> Doc:
    """RETURNS (Doc): The doc itself or, if it has no sentence boundaries, another with the same
    tokens and those of spaCy's rule-based `Sentencizer`.
    """
    if doc.has_annotation("SENT_START"):
        return doc
    words = [token.text for token in doc]
    spaces = [bool(token.whitespace_) for token in doc]
    return Doc(doc.vocab, words=words, spaces=spaces, sent_starts=Sentencizer().predict([doc])[0])


def sentences_of(doc: Doc) -> list[Span]:
    """RETURNS (list[Span]): The sentences, by the doc's boundaries or by rule."""
    return [doc[int(start) : int(end)] for start, end in sentence_bounds(with_boundaries(doc))]


def sentence_states(states: BertStates, docs: Sequence[Doc]) -> tuple[torch.Tensor, numpy.ndarray]:
    """The mean of the wordpiece states of each sentence.

    states (BertStates): Of the docs.
    RETURNS (tuple[Tensor, ndarray]): Vectors of all sentences, (n_sentences, width) float32, and
        the number of sentences of each doc, (n_docs,).
    """
    bounded = [with_boundaries(doc) for doc in docs]
    counts = [len(sentence_bounds(doc)) for doc in bounded]
    starts, ends = sentence_rows(states, bounded)
    return mean_of_ranges(states.hidden, starts, ends), numpy.asarray(counts, dtype="int64")


def plain_text(sentence: Span) -> str:
    """RETURNS (str): The text of a sentence with single spaces, as it stands in a summary."""
    return " ".join(sentence.text.split())


def choose_usable(texts: Sequence[str]) -> list[int]:
    """RETURNS (list[int]): Sentences that hold more than white space and invisible characters,
    and do not repeat another in whatever form of Unicode."""
    first_place: dict[str, int] = {}
    for i, text in enumerate(texts):
        if not is_blank(text):
            first_place.setdefault(normal_form(text).casefold(), i)
    return list(first_place.values())
