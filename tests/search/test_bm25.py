"""Results of searches by words, and saved BM25 indexes."""

import numpy
import pytest
from search.toys import IDS, TEXTS, ids_of, random_vectors, toy_vectors

from spacy_bert_suite.search import SemanticIndex


def test_bm25_finds_words(index):
    assert ids_of(index.search("Where is the harbour?", mode="bm25")) == ["d0", "d1"]
    assert index.search("zeppelin", mode="bm25") == []
    assert index.search("", mode="bm25") == []
    assert ids_of(index.search("ship", mode="bm25")) == ["d1"]


def test_bm25_values():
    """As by hand: idf = ln(1 + (N - n + 0.5) / (n + 0.5)), k1 = 1.2, b = 0.75."""
    index = SemanticIndex()
    index.add(["cat cat dog", "dog", "bird fish"], vectors=random_vectors(3))
    hits = index.search("cat", mode="bm25")
    idf = numpy.log(1 + 2.5 / 1.5)
    expected = idf * 2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2))
    assert [hit.score for hit in hits] == pytest.approx([expected], rel=1e-5)


def scores_of(index, query):
    return {hit.id: hit.score for hit in index.search(query, mode="bm25")}


def test_bm25_forgets_what_was_deleted_or_replaced(tmp_path):
    texts = ["cat dog dog dog", "dog", "bird fish", "cat"]
    ids = ["a", "b", "c", "d"]
    fresh = SemanticIndex()
    fresh.add(texts, ids=ids, vectors=random_vectors(4))
    expected = scores_of(fresh, "cat dog")
    index = SemanticIndex(path=tmp_path / "index")
    for _ in range(5):
        index.add(texts, ids=ids, vectors=random_vectors(4), replace=True)
        assert scores_of(index, "cat dog") == expected
    index.optimize(hnsw=False)
    loaded = SemanticIndex.load(tmp_path / "index")
    assert scores_of(loaded, "cat dog") == expected
    assert loaded.search("fish", mode="bm25", where={"absent": None})[0].id == "c"
    loaded.compact()
    assert scores_of(loaded, "cat dog") == expected


def test_saved_bm25_is_made_again_when_much_was_deleted(tmp_path):
    index = SemanticIndex(path=tmp_path / "index")
    texts = [f"cat t{i}" + " long" * (i % 5) for i in range(20)]
    ids = [f"d{i}" for i in range(20)]
    index.add(texts, ids=ids, vectors=random_vectors(20))
    index.optimize(hnsw=False)
    before = scores_of(index, "t7")
    index.delete(ids[:3])
    assert scores_of(index, "t7") == before
    assert not index.backend.due()["bm25"]
    index.delete(ids[3:6])
    few = SemanticIndex()
    few.add(texts[6:], ids=ids[6:], vectors=random_vectors(14))
    assert scores_of(index, "t7") == scores_of(few, "t7") != before
    assert index.backend.due()["bm25"]
    index.optimize(only_due=True)
    assert scores_of(SemanticIndex.load(tmp_path / "index"), "t7") == scores_of(few, "t7")


@pytest.mark.parametrize(
    "name, content",
    [
        ("keys.npy", b""),
        ("keys.npy", None),
        ("data.csc.index.npy", b"\x93NUMPY"),
        ("vocab.index.json", b'{"cut'),
        ("params.index.json", b"[]"),
        ("params.index.json", None),
    ],
)
def test_a_damaged_bm25_index_is_made_again(name, content, tmp_path):
    index = SemanticIndex(path=tmp_path / "index")
    index.add(TEXTS, ids=IDS, vectors=toy_vectors())
    index.optimize(hnsw=False)
    expected = index.search("harbour", mode="bm25")
    (path,) = (tmp_path / "index").glob(f"bm25-*/{name}")
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    loaded = SemanticIndex.load(tmp_path / "index")
    with pytest.warns(UserWarning, match="B910.*BM25"):
        assert loaded.search("harbour", mode="bm25") == expected
    loaded.optimize(hnsw=False)
    assert SemanticIndex.load(tmp_path / "index").search("harbour", mode="bm25") == expected


def test_bm25_of_scripts_without_spaces():
    index = SemanticIndex()
    index.add(
        ["山上有黑猫。", "黑山的猫", "สวนผัก"], ids=["cat", "hill", "garden"], vectors=numpy.eye(3)
    )
    assert ids_of(index.search("黑猫", mode="bm25")) == ["cat"]
    assert {hit.id for hit in index.search("猫", mode="bm25")} == {"cat", "hill"}
    assert ids_of(index.search("ผัก", mode="bm25")) == ["garden"]


def test_bm25_index_of_an_older_rule_is_made_again(tmp_path):
    index = SemanticIndex(path=tmp_path / "index")
    index.add(["黑猫", "dog"], ids=["cat", "dog"], vectors=numpy.eye(2))
    index.optimize(hnsw=False)
    assert not index.backend.due()["bm25"]
    (rule,) = (tmp_path / "index").glob("bm25-*/rule")
    rule.unlink()
    loaded = SemanticIndex.load(tmp_path / "index")
    assert loaded.backend.due()["bm25"]
    assert ids_of(loaded.search("猫", mode="bm25")) == ["cat"]
