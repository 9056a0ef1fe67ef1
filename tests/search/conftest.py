import pytest
from search.toys import IDS, METADATA, TEXTS, toy_vectors

from spacy_bert_suite.search import SemanticIndex


@pytest.fixture
def index() -> SemanticIndex:
    index = SemanticIndex()
    index.add(TEXTS, ids=IDS, metadata=METADATA, vectors=toy_vectors())
    return index
