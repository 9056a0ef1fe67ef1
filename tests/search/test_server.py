"""The same interface over a collection of a Qdrant server: here its client in memory."""

import pytest
import spacy
from search.toys import IDS, METADATA, TEXTS, ids_of, random_vectors, toy_vectors

from spacy_bert_suite.search import Hit, SemanticIndex
from spacy_bert_suite.search.server import ServerBackend

qdrant_client = pytest.importorskip("qdrant_client")
pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")


@pytest.fixture
def client():
    return qdrant_client.QdrantClient(":memory:")


@pytest.fixture
def remote(client):
    index = SemanticIndex.on(ServerBackend(client, "texts", indexed=False))
    index.add(TEXTS, ids=IDS, metadata=METADATA, vectors=toy_vectors())
    return index


@pytest.mark.parametrize(
    "where",
    [
        {},
        {"topic": "sea"},
        {"topic": ["sea", "food"], "year": 2001},
        {"year": {"gte": 2001, "lt": 2020}},
        {"year": None},
        {"tags": "cold"},
        {"live": True},
        {"live": [None, 1]},
        {"topic": []},
        {"absent": "x"},
    ],
)
def test_finds_what_a_local_index_finds(index, remote, where):
    queries = list(random_vectors(4, width=8))
    for ours, theirs in zip(index.batch(queries, where=where), remote.batch(queries, where=where)):
        assert ids_of(theirs) == ids_of(ours)
        assert [h.score for h in theirs] == pytest.approx([h.score for h in ours], abs=1e-5)


def test_hits_words_and_hybrid(remote):
    (hit,) = remote.search(toy_vectors()[2], k=1)
    assert hit == Hit("d2", TEXTS[2], 0, len(TEXTS[2]), METADATA[2], hit.score)
    assert set(ids_of(remote.search("the harbour", mode="bm25"))) == {"d0", "d1"}
    assert remote.search("zeppelin", mode="bm25") == []
    assert ids_of(remote.search("bread", mode="bm25", where={"year": 2001})) == ["d2"]
    remote.nlp = None
    with pytest.raises(ValueError, match="B120"):
        remote.search("text")


def test_add_replace_delete(remote, client):
    with pytest.raises(ValueError, match="B117"):
        remote.add(["again"], ids=["d0"], vectors=toy_vectors()[:1])
    with pytest.raises(ValueError, match="B114"):
        remote.add(["wide"], vectors=random_vectors(1, width=9))
    remote.add(["New."], ids=["d0"], vectors=toy_vectors()[5:], replace=True)
    assert len(remote) == 6
    assert remote.search("new", mode="bm25")[0].id == "d0"
    assert remote.add([spacy.blank("en")("  ")], ids=["d2"], replace=True) == 0
    assert len(remote) == 5 and remote.search("kitchen", mode="bm25") == []
    assert remote.delete(["d0", "d1", "absent"]) == 2
    assert len(remote) == 3
    remote.add(["auto"], vectors=toy_vectors()[:1])
    assert len(SemanticIndex.on(ServerBackend(client, "texts", indexed=False))) == 4
    remote.compact()
    remote.optimize()


def test_a_collection_that_is_not_there_is_empty(client, tmp_path):
    index = SemanticIndex.on(ServerBackend(client, "new", storage="int8", indexed=False))
    assert (len(index), index.search(toy_vectors()[0]), index.delete(["x"])) == (0, [], 0)
    assert index.search("word", mode="bm25") == []
    with pytest.raises(ValueError, match="B129"):
        index.save(tmp_path)
    index.add(["a"], ids=["a"], vectors=toy_vectors()[:1])
    assert ids_of(index.search(toy_vectors()[0])) == ["a"]


@pytest.mark.parametrize(
    "where",
    [
        {"topic": {"gte": "music"}},
        {"topic": {"gte": "2020"}},
        {"topic": {"gte": "2020-13-01"}},
        {"year": {"gte": 10**400}},
        {"year": 10**400},
        {'to"pic': "sea"},
        {"": "sea"},
        {"to\ud800pic": "sea"},
        {"topic": ["sea", "\ud800"]},
    ],
)
def test_conditions_that_a_server_cannot_test(remote, where):
    with pytest.raises(ValueError, match="B135"):
        remote.search(toy_vectors()[0], where=where)


def test_ranges_of_dates(remote):
    dates = [{"date": f"20{year}-06-30"} for year in (19, 20, 21)]
    remote.add(["x", "y", "z"], ids=["x", "y", "z"], vectors=toy_vectors()[:3], metadata=dates)
    where = {"date": {"gte": "2020-01-01", "lt": "2021-01-01T00:00:00"}}
    assert ids_of(remote.search(toy_vectors()[0], where=where)) == ["y"]


def test_half_characters_are_refused(remote):
    for text, id_, fields in (
        ("\ud800", "a", {}),
        ("x", "\ud800", {}),
        ("x", "a", {"f": ["\ud800"]}),
    ):
        with pytest.raises(ValueError, match="B136"):
            remote.add([text], ids=[id_], vectors=toy_vectors()[:1], metadata=[fields])
    assert len(remote) == 6 and remote.delete(["\ud800"]) == 0
    remote.add(["😀"], ids=["😀"], vectors=toy_vectors()[:1])
    assert remote.delete(["😀", "\ud800"]) == 1


def test_addresses():
    with pytest.raises(ValueError, match="B121"):
        SemanticIndex.load("http://localhost:6333")
    with pytest.raises(ValueError, match="B128"):
        SemanticIndex.load("http://127.0.0.1:9/texts")
