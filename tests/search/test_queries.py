"""Queries and options of every kind: converted, or refused with a code."""

import numpy
import pytest
import spacy
import torch
from search.toys import TEXTS, letters, toy_vectors

from spacy_bert_suite.core.attributes import register_attributes
from spacy_bert_suite.search import SemanticIndex

QUERY = toy_vectors()[2]


@pytest.mark.parametrize(
    "query",
    [
        QUERY.tolist(),
        tuple(QUERY.tolist()),
        torch.from_numpy(QUERY),
        torch.nn.Parameter(torch.from_numpy(QUERY)),
        torch.from_numpy(QUERY).to(torch.bfloat16),
        QUERY.astype("int64"),
    ],
)
def test_vectors_of_every_kind(index, query):
    assert index.search(query) == index.search(QUERY)
    assert index.batch([query, query]) == [index.search(QUERY)] * 2


def test_matrices_are_many_queries(index):
    expected = index.batch(list(toy_vectors()))
    assert index.batch(toy_vectors()) == index.batch(torch.from_numpy(toy_vectors())) == expected
    assert index.batch(toy_vectors().tolist()) == expected


@pytest.mark.parametrize("k", [numpy.int64(3), numpy.uint8(3), torch.tensor(3)])
def test_whole_numbers_of_other_libraries(index, k):
    assert index.search(QUERY, k=k, ef=numpy.int32(9)) == index.search(QUERY, k=3)


@pytest.mark.parametrize(
    "query, code",
    [(None, "B132"), ({"a": 1}, "B132"), (7, "B132"), (["a", "b"], "B132"), ([[1], [1, 2]], "B114"),
     (numpy.ones((1, 8)), "B114")],
)  # fmt: skip
def test_what_is_no_query(index, query, code):
    with pytest.raises(ValueError, match=code):
        index.search(query)


def test_one_thing_in_the_place_of_many(index, nlp):
    index = SemanticIndex(nlp)
    doc = nlp("a text")
    for items in ("cats", doc, doc[:1]):
        with pytest.raises(ValueError, match="B121.*items"):
            index.add(items)
        with pytest.raises(ValueError, match="B121.*queries"):
            index.batch(items)
    with pytest.raises(ValueError, match="B121.*ids"):
        index.add(["one", "two"], ids="yz")
    with pytest.raises(ValueError, match="B132"):
        index.batch(QUERY)
    assert len(index) == 0


def test_docs_that_have_lost_their_hooks(nlp):
    """As from DocBin, from_bytes() and n_process: `doc._.embedding` counts, not `doc.vector`."""
    register_attributes("test", ["doc.embedding", "span.embedding"])
    docs = list(nlp.pipe(TEXTS))
    for doc in docs:
        doc.user_hooks.clear()
        doc._.embedding = letters(doc)
        doc.tensor = numpy.ones((len(doc), 26), dtype="float32")
    index = SemanticIndex(nlp)
    index.add(docs)
    expected = SemanticIndex(nlp)
    expected.add(TEXTS)
    query = "A baker in January"
    assert index.search(query) == expected.search(query)
    assert index.search(docs[3])[0].score == pytest.approx(1.0)


def test_lone_surrogates_are_replaced(nlp):
    index = SemanticIndex(nlp)
    assert index.add(["A zebra \ud800 here.", "Plain."], ids=["a", "b"]) == 2
    (hit,) = index.search("zebra \udfff", k=1)
    assert (hit.id, hit.text) == ("a", "A zebra \ufffd here.")


def test_another_pipeline_of_the_same_width_is_noticed(nlp, tmp_path):
    index = SemanticIndex(nlp, path=tmp_path / "index")
    index.add(["A zebra.", "Plain."])
    assert SemanticIndex.load(tmp_path / "index", nlp).search("zebra")[0].id == "0"

    def turned(doc):
        doc.user_hooks["vector"] = lambda doc: letters(doc)[::-1]
        return doc

    spacy.Language.component("test_turned", func=turned)
    other = spacy.blank("en")
    other.add_pipe("test_turned")
    loaded = SemanticIndex.load(tmp_path / "index", other)
    with pytest.warns(UserWarning, match="B911.*0[.]"):
        loaded.search("zebra")
    loaded.search("zebra")  # says it once
    loaded.search(letters("zebra"))
    with pytest.warns(UserWarning, match="B911"):
        SemanticIndex.load(tmp_path / "index", other).add(["More."])


def test_rounding_is_no_other_pipeline(nlp, tmp_path):
    index = SemanticIndex(nlp, path=tmp_path / "index")
    index.add(["A zebra."])

    def rounded(doc):
        exact = torch.from_numpy(letters(doc) / 7).to(torch.bfloat16).float().numpy()
        doc.user_hooks["vector"] = lambda doc: exact
        return doc

    spacy.Language.component("test_rounded", func=rounded)
    other = spacy.blank("en")
    other.add_pipe("test_rounded")
    assert SemanticIndex.load(tmp_path / "index", other).search("zebra")
