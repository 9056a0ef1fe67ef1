"""Approximate search gives what exact search gives, also for what the graph does not know."""

import sys

import numpy
import pytest
from search.toys import random_vectors

from spacy_bert_suite.search import SemanticIndex
from spacy_bert_suite.search.local import backend as local

pytest.importorskip("qdrant_edge")
N = 2000


@pytest.fixture(autouse=True)
def always_use_the_graph(monkeypatch):
    monkeypatch.setattr(local, "SCANNED", 5)


def make(path, storage="float32") -> SemanticIndex:
    """Clusters, as real vectors have them."""
    centres = random_vectors(40, seed=5)[numpy.arange(N) % 40]
    vectors = centres + 0.4 * random_vectors(N, seed=6)
    index = SemanticIndex(path=path, storage=storage)
    ids = [f"d{i}" for i in range(N)]
    metadata = [{"i": i, "half": i % 2} for i in range(N)]
    index.add([f"text {i}" for i in range(N)], ids=ids, vectors=vectors, metadata=metadata)
    return index


@pytest.fixture
def queries():
    return list(random_vectors(30, seed=7))


def agreement(index, queries, **options) -> float:
    found = index.batch(queries, **options)
    expected = index.batch(queries, exact=True, **options)
    assert [len(hits) for hits in found] == [len(hits) for hits in expected]
    pairs = zip(found, expected)
    return sum(len({h.id for h in a} & {h.id for h in b}) for a, b in pairs) / sum(
        map(len, expected)
    )


@pytest.mark.parametrize("storage", ["float32", "float16", "int8"])
def test_agrees_with_exact_search(storage, tmp_path, queries):
    index = make(tmp_path / "index", storage)
    index.optimize()
    loaded = SemanticIndex.load(tmp_path / "index")
    assert loaded.backend._graph()[0] is not None
    assert agreement(loaded, queries) >= 0.98
    same = [loaded.search(queries[0], exact=exact) for exact in (True, False)]
    assert [hit.id for hit in same[0]] == [hit.id for hit in same[1]]
    assert [hit.score for hit in same[0]] == pytest.approx([hit.score for hit in same[1]])
    assert agreement(loaded, queries, where={"half": 1}) >= 0.98
    assert agreement(loaded, queries, where={"i": {"lt": 7}}) == 1.0


def test_sees_what_was_added_and_deleted_later(tmp_path, queries):
    index = make(tmp_path / "index")
    index.optimize(bm25=False)
    best = index.search(queries[0], k=1)[0]
    index.delete([best.id])
    index.add(["new"], ids=["new"], vectors=[queries[1]])
    for opened in (index, SemanticIndex.load(tmp_path / "index")):
        assert opened.backend._graph()[0] is not None
        assert best.id not in {hit.id for hit in opened.search(queries[0], k=50)}
        assert opened.search(queries[1], k=1)[0].id == "new"
        assert agreement(opened, queries) >= 0.98
    index.optimize(bm25=False)
    assert len(list((tmp_path / "index").glob("hnsw-*"))) == 1
    assert agreement(index, queries) >= 0.98


def test_small_additions_joined_across_the_end_of_the_graph(tmp_path, queries):
    index = make(tmp_path / "index")
    index.optimize(bm25=False)
    for i, vector in enumerate(queries[:20]):
        index.add([f"new {i}"], ids=[f"new{i}"], vectors=[vector])
    assert len(index.backend.store.segments) < 20
    found = [hits[0].id for hits in index.batch(queries[:20], k=1)]
    assert found == [f"new{i}" for i in range(20)]


def test_a_broken_graph_is_left_out_and_made_again(tmp_path, queries):
    index = make(tmp_path / "index")
    index.optimize(bm25=False)
    (folder,) = (tmp_path / "index").glob("hnsw-*")
    for path in folder.rglob("*.json"):
        path.write_text("broken")
    del index
    loaded = SemanticIndex.load(tmp_path / "index")
    with pytest.warns(UserWarning, match="B910"):
        hits = loaded.search(queries[0])
    assert hits == loaded.search(queries[0], exact=True)
    loaded.optimize(bm25=False)
    assert loaded.backend._graph()[0] is not None
    assert agreement(loaded, queries) >= 0.98


def test_saved_words_are_read_again(tmp_path):
    index = make(tmp_path / "index")
    index.optimize(hnsw=False)
    loaded = SemanticIndex.load(tmp_path / "index")
    assert [hit.id for hit in loaded.search("77", mode="bm25")] == ["d77"]
    assert loaded.search("77", mode="bm25") == index.search("77", mode="bm25")
    loaded.delete(["d77"])
    assert loaded.search("77", mode="bm25") == []
    loaded.add(["77 again"], ids=["x"], vectors=random_vectors(1))
    assert [hit.id for hit in loaded.search("77", mode="bm25")] == ["x"]


def test_only_what_is_due_is_made(tmp_path, monkeypatch):
    index = make(tmp_path / "index")
    monkeypatch.setattr(local, "SCANNED", N)
    index.optimize(only_due=True)
    made = index.backend.store.manifest.accelerators
    assert set(made) == {"bm25"}  # a graph of so few is not used
    monkeypatch.setattr(local, "SCANNED", 5)
    index.optimize(only_due=True)
    first = index.backend.store.manifest.accelerators
    assert set(first) == {"bm25", "hnsw"} and first["bm25"] == made["bm25"]
    index.add(["new"], ids=["new"], vectors=random_vectors(1))
    generation = index.backend.store.manifest.generation
    index.optimize(only_due=True)
    assert index.backend.store.manifest.generation == generation
    index.add(["more"] * 600, vectors=random_vectors(600))
    index.optimize(only_due=True)
    made = index.backend.store.manifest.accelerators
    assert {made[kind].n_keys for kind in made} == {N + 601}


def test_without_the_extra_all_is_scanned(tmp_path, queries, monkeypatch):
    index = make(tmp_path / "index")
    index.optimize(bm25=False)
    expected = index.search(queries[0], exact=True)
    monkeypatch.setitem(sys.modules, "qdrant_edge", None)
    monkeypatch.setitem(sys.modules, "bm25s", None)
    loaded = SemanticIndex.load(tmp_path / "index")
    with pytest.warns(UserWarning, match="B910.*B122"):
        assert loaded.search(queries[0]) == expected
    loaded.optimize(only_due=True)
    with pytest.raises(ImportError, match="B122.*bm25s"):
        loaded.search("text", mode="bm25")


def test_two_processes_may_read_one_graph(tmp_path, queries):
    make(tmp_path / "index").optimize(bm25=False)
    first, second = (SemanticIndex.load(tmp_path / "index") for _ in range(2))
    assert first.search(queries[0]) == second.search(queries[0])
