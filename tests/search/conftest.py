import pytest
import spacy
from search.toys import IDS, METADATA, TEXTS, letters, toy_vectors

from spacy_bert_suite.search import SemanticIndex


@pytest.fixture
def index() -> SemanticIndex:
    index = SemanticIndex()
    index.add(TEXTS, ids=IDS, metadata=METADATA, vectors=toy_vectors())
    return index


@pytest.fixture
def nlp():
    """Vectors are counts of letters: the same letters, the same vector."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")

    def set_hooks(doc):
        doc.user_hooks["vector"] = letters
        doc.user_span_hooks["vector"] = letters
        return doc

    spacy.Language.component("test_letters", func=set_hooks)
    nlp.add_pipe("test_letters")
    return nlp
