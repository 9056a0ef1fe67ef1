"""Sentence boundaries on tokens, by a hook, or none."""

import pytest
import spacy
from conftest import bert_model, make_examples
from spacy.language import Language
from spacy.tokens import Doc

from spacy_bert_suite.core.sentences import has_sentences, sentence_bounds
from spacy_bert_suite.vectors.isotropy import Centring

WORDS = ["Anna", "works", "here", ".", "It", "was", "bad", ".", "Ben"]


def hooked(doc):
    """Boundaries that only the hook tells."""
    doc.user_hooks["sents"] = lambda doc: (doc[i : i + 4] for i in range(0, len(doc), 4))
    return doc


@Language.component("test_hooked_sentences")
def add_hook(doc):
    return hooked(doc)


@pytest.mark.parametrize("starts", [[0], [0, 4], [0, 1, 2, 3, 4, 5, 6, 7, 8]])
def test_bounds_on_tokens(starts):
    doc = Doc(spacy.blank("en").vocab, words=WORDS, sent_starts=[i in starts for i in range(9)])
    assert has_sentences(doc)
    assert sentence_bounds(doc).tolist() == [[sent.start, sent.end] for sent in doc.sents]


def test_bounds_by_a_hook():
    vocab = spacy.blank("en").vocab
    for starts in (None, [True] * 9):
        doc = hooked(Doc(vocab, words=WORDS, sent_starts=starts))
        assert has_sentences(doc)
        assert sentence_bounds(doc).tolist() == [[0, 4], [4, 8], [8, 9]]


def test_none():
    vocab = spacy.blank("en").vocab
    assert not has_sentences(Doc(vocab, words=WORDS))
    for empty in (Doc(vocab), hooked(Doc(vocab))):
        assert not has_sentences(empty) and sentence_bounds(empty).tolist() == []


@pytest.mark.parametrize("sentence_vectors", ["context", "alone"])
def test_components_annotate_the_sentences_of_a_hook(tiny_bert, sentence_vectors):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    nlp.add_pipe("bert_sentiment")
    nlp.add_pipe("bert_similarity", config={"sentence_vectors": sentence_vectors})
    nlp.add_pipe("bert_summarizer", config={"n_sentences": 2, "min_words": 1})
    nlp.initialize(lambda: make_examples(nlp))
    nlp.add_pipe("test_hooked_sentences", first=True)
    doc = nlp(Doc(nlp.vocab, words=WORDS))
    for sent in doc.sents:
        assert sent._.sentiment["label"] and sent._.embedding.any()
        assert isinstance(sent._.summary_score, float)
    assert set(doc.spans["summary"]) < set(doc.sents) and len(doc.spans["summary"]) == 2
    given = list(doc.sents)[0]._.embedding.copy()
    Centring().fit([doc, *doc.sents]).set_embeddings([doc])
    assert (list(doc.sents)[0]._.embedding != given).any()
