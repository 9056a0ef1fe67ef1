"""Questions to a collection."""

import numpy
import pytest
import spacy
from tasks.qa.pipelines import TABLE, train

from spacy_bert_suite.tasks.qa.open_domain import ask


@pytest.fixture(scope="module")
def trained(still_bert):
    return train(still_bert)


class Hit:
    def __init__(self, text, place):
        self.text, self.id = text, str(place)


class Index:
    """Finds its first k texts, whatever is asked."""

    def __init__(self, texts):
        self.hits = [Hit(text, place) for place, text in enumerate(texts)]

    def search(self, query, k, **options):
        self.options = options
        return self.hits[:k]


def test_ask(trained):
    index = Index(["Carla met Ben at the match.", TABLE[0][0], TABLE[2][0]])
    (found,) = ask(index, "where is anna", nlp=trained, mode="bm25")
    assert found.answer.text == "Paris" and found.hit.id == "1"
    assert index.options == {"mode": "bm25"}
    assert found.answer.sentence.text == "Anna works in Paris."
    assert found.answer.span.doc.text == TABLE[0][0]
    several = ask(index, "where is anna", nlp=trained, top_k=4)
    assert several[0].answer.text == "Paris" and len(several) == 4
    total = sum(f.answer.probability for f in several if f.hit)
    assert total + found.answer.null_probability <= 1 + 1e-6
    (none,) = ask(index, "where is the law", nlp=trained, k=1)
    assert none.answer.span is None and none.hit is None


def test_ask_goes_wrong(trained):
    (nothing,) = ask(Index([]), "where", nlp=trained)
    assert nothing.answer.span is None and nothing.hit is None
    with pytest.raises(ValueError, match="B240"):
        ask(Index(["Anna"]), " ", nlp=trained)
    with pytest.raises(ValueError, match="B246.*reader"):
        ask(Index(["Anna"]), "who", nlp=trained, name="reader")
    with pytest.raises(ValueError, match="B246"):
        ask(Index(["Anna"]), "who", nlp=spacy.blank("en"))


def test_ask_a_semantic_index(trained):
    from spacy_bert_suite.search import SemanticIndex

    index = SemanticIndex()
    texts = [TABLE[0][0], TABLE[2][0], "The film was awful."]
    index.add(texts, ids=["a", "b", "c"], vectors=numpy.eye(3, dtype="float32"))
    (found,) = ask(index, "where is the bank", nlp=trained, k=3, mode="bm25")
    assert found.hit.id == "b" and found.answer.text == "London"
