"""Ids that the user does not give never meet those that exist."""

import numpy
import pytest
from search.toys import ids_of, random_vectors

from spacy_bert_suite.search import SemanticIndex
from spacy_bert_suite.search import new_ids as ids

ONE = numpy.ones((1, 4))


def all_ids(index):
    return sorted(ids_of(index.search(numpy.ones(index.backend.width), k=10_000)))


def test_new_numbers_pass_over_ids_that_exist(tmp_path):
    index = SemanticIndex(path=tmp_path / "index")
    index.add(["a", "b", "c"], ids=["0", "1", "3"], vectors=numpy.ones((3, 4)))
    index.add(["d", "e"], vectors=numpy.ones((2, 4)))
    assert all_ids(index) == ["0", "1", "2", "3", "4"]
    loaded = SemanticIndex.load(tmp_path / "index")
    loaded.add(["f"], vectors=ONE)
    assert all_ids(loaded) == ["0", "1", "2", "3", "4", "5"]


def test_long_runs_of_numbers(monkeypatch):
    monkeypatch.setattr(ids, "MOST_BLOCK", 64)
    index = SemanticIndex()
    index.add(["t"] * 500, ids=map(str, range(500)), vectors=random_vectors(500, 4))
    index.add(["t"] * 300, vectors=random_vectors(300, 4))
    assert all_ids(index) == sorted(map(str, range(800)))


def test_none_beside_ids_is_a_random_id():
    index = SemanticIndex()
    index.add(["a", "b", "c"], ids=[None, "0", None], vectors=numpy.ones((3, 4)))
    index.add(["d", "e"], ids=["1", None], vectors=numpy.ones((2, 4)), replace=True)
    found = all_ids(index)
    assert {"0", "1"} < set(found) and len(set(found)) == 5


def test_replace_needs_ids():
    index = SemanticIndex()
    index.add(["a"], ids=["0"], vectors=ONE)
    with pytest.raises(ValueError, match="B131"):
        index.add(["b"], vectors=ONE, replace=True)
    assert index.search(ONE[0])[0].text == "a"


def test_a_text_without_a_word_replaces_too(index, nlp):
    index.nlp = nlp
    index.add([nlp("A harbour.")], ids=["s"], vectors=ONE.repeat(2, axis=1))
    assert index.add(["  ", "\n"], ids=["d0", "new"], replace=True) == 0
    assert len(index) == 6
    assert "d0" not in ids_of(index.search("froze harbour", mode="bm25"))
    with pytest.raises(ValueError, match="B117.*d1"):
        index.add([" "], ids=["d1"])
    assert index.add([" "], ids=["new"]) == 0
