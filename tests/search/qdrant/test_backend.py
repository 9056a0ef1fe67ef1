"""The same interface over a collection of a Qdrant server: here its client in memory."""

import json
from types import SimpleNamespace

import pytest
import spacy
from click.testing import CliRunner
from search.toys import IDS, METADATA, TEXTS, ids_of, random_vectors, toy_vectors

from spacy_bert_suite.cli import search as commands
from spacy_bert_suite.cli.main import cli
from spacy_bert_suite.search import Hit, SemanticIndex
from spacy_bert_suite.search.qdrant import connection, points
from spacy_bert_suite.search.qdrant.backend import ServerBackend

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
    expected = index.batch(queries, where=where)
    for hits, local_hits in zip(remote.batch(queries, where=where), expected):
        assert ids_of(hits) == ids_of(local_hits)
        scores = [hit.score for hit in local_hits]
        assert [hit.score for hit in hits] == pytest.approx(scores, abs=1e-5)


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


URL = "http://localhost:6333/books"


@pytest.fixture
def by_url(client, monkeypatch):
    """All addresses lead to the client in memory, which has no indexed payloads to warn of."""

    def connect(url, **options):
        assert url == "http://localhost:6333"
        return client

    monkeypatch.setattr(client, "create_payload_index", lambda *args: None)
    monkeypatch.setattr(connection, "import_client", lambda: (connect, ConnectionError))
    return client


def test_opened_by_its_address(by_url, index):
    remote = SemanticIndex.load(URL)
    assert len(remote) == 0
    remote.add(TEXTS, ids=IDS, metadata=METADATA, vectors=toy_vectors())
    again = SemanticIndex.load(URL)
    assert len(again) == 6 and again.info == {}
    query = random_vectors(1, width=8)[0]
    assert ids_of(again.search(query)) == ids_of(index.search(query))
    assert set(ids_of(again.search("the harbour", mode="bm25"))) == {"d0", "d1"}


def test_a_new_collection_by_its_address(by_url, nlp):
    options = {"path": URL, "storage": "int8", "info": {"model": "letters"}}
    index = SemanticIndex(nlp, **options)
    index.add(["A zebra.", "A quick fox."], ids=["z", "f"])
    stored = by_url.get_collection("books").config.params.vectors
    assert stored.quantization_config.scalar.type == "int8" and stored.datatype == "float16"
    loaded = SemanticIndex.load(URL, nlp)
    assert loaded.info == {"model": "letters"}
    assert ids_of(loaded.search("zebra", k=1)) == ["z"]
    with pytest.raises(ValueError, match="B106"):
        SemanticIndex(nlp, **options)
    loaded.nlp = spacy.blank("en")
    loaded.nlp.add_pipe("test_letters")
    loaded.nlp.add_pipe("test_backwards")
    with pytest.warns(UserWarning, match="B911"):
        loaded.add(["A jay."])


@spacy.Language.component("test_backwards")
def backwards(doc):
    vector = doc.vector[::-1]
    doc.user_hooks["vector"] = lambda doc: vector
    return doc


@pytest.mark.parametrize("storage", ["float32", "float16", "int8"])
def test_codes_are_oversampled_whoever_opens_the_collection(client, monkeypatch, storage):
    made = ServerBackend(client, "texts", storage=storage, indexed=False)
    SemanticIndex.on(made).add(TEXTS, ids=IDS, vectors=toy_vectors())
    requests = []
    original = client.query_batch_points

    def note(collection, batch):
        requests.extend(batch)
        return original(collection, batch)

    monkeypatch.setattr(client, "query_batch_points", note)
    SemanticIndex.on(ServerBackend(client, "texts")).search(toy_vectors()[0])
    (asked,) = [request.params.quantization for request in requests]
    assert (asked is not None) == (storage == "int8")
    assert asked is None or (asked.rescore and asked.oversampling == 4.0)


def test_how_a_collection_is_stored_is_asked_once(client, monkeypatch):
    made = ServerBackend(client, "texts", indexed=False)
    assert made.dense(toy_vectors()[:1], 1, {}, exact=True) == [[]]  # not made yet
    SemanticIndex.on(made).add(TEXTS, ids=IDS, vectors=toy_vectors())
    found = made.dense(toy_vectors()[:1], 1, {}, exact=True)
    monkeypatch.setattr(client, "get_collection", None)
    assert made.dense(toy_vectors()[:1], 1, {}, exact=True) == found != [[]]


def test_codes_of_the_whole_collection_count_too():
    vectors = SimpleNamespace(quantization_config=None)
    config = SimpleNamespace(params=SimpleNamespace(vectors=vectors), quantization_config=object())
    assert points.is_quantized(config)


def foreign(client, vectors, sparse=True, payload=None):
    models = qdrant_client.models
    words = {"bm25": models.SparseVectorParams()} if sparse else None
    client.create_collection("foreign", vectors_config=vectors, sparse_vectors_config=words)
    if payload is not None:
        point = models.PointStruct(id=1, vector=[1.0, 0.0], payload=payload)
        client.upsert("foreign", [point])


def dense(distance="DOT"):
    return qdrant_client.models.VectorParams(
        size=2, distance=qdrant_client.models.Distance[distance]
    )


@pytest.mark.parametrize(
    "make, reason",
    [
        (lambda client: foreign(client, {"title": dense()}), "no single dense vector"),
        (lambda client: foreign(client, dense("EUCLID")), "by dot product"),
        (lambda client: foreign(client, dense(), sparse=False), "no sparse vectors 'bm25'"),
        (lambda client: foreign(client, dense(), payload={"page": "x"}), "payload.*end, id"),
        (lambda client: foreign(client, dense(), payload={}), "payload.*end, id"),
    ],
)
def test_collections_of_others_are_refused_when_they_are_opened(client, make, reason):
    make(client)
    with pytest.raises(ValueError, match=f"B139.*'foreign'.*{reason}"):
        ServerBackend(client, "foreign")


@pytest.fixture
def texts(tmp_path, monkeypatch, nlp):
    monkeypatch.setattr(commands, "load_or_assemble", lambda name: nlp)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "corpus.jsonl", {"1": "A zebra. A fox.", "2": "Jade."})
    write(tmp_path / "queries.jsonl", {"q": "zebra"})
    (tmp_path / "qrels.jsonl").write_text('{"query_id": "q", "doc_id": "1", "relevance": 1}')
    return tmp_path


def write(path, rows):
    lines = [json.dumps({"id": id_, "text": text}) for id_, text in rows.items()]
    path.write_text("\n".join(lines))


def run(*args):
    return CliRunner().invoke(cli, [str(arg) for arg in args])


def test_commands_take_addresses(by_url, texts):
    built = run("index", "build", texts, URL, "--unit", "sentence", "--storage", "int8")
    assert built.exit_code == 0 and "3 entries" in built.output, built.output
    assert by_url.get_collection("books").config.params.vectors.quantization_config
    write(texts / "more.jsonl", {"3": "Quartz. Onyx."})
    added = run("index", "add", texts / "more.jsonl", URL)
    assert added.exit_code == 0 and "2 entries" in added.output, added.output
    hit = json.loads(run("search", URL, "zebra", "-k", 1, "--json").output)
    assert (hit["id"], hit["text"]) == ("1", "A zebra.")
    measured = run("index", "evaluate", texts, URL)
    assert measured.exit_code == 0 and "1.000" in measured.output, measured.output
    assert not (texts / "http:").exists()


def test_commands_that_a_server_does_not_need(by_url, texts):
    assert run("index", "build", texts, URL).exit_code == 0
    for args, code in (
        (["index", "optimize", URL], "B138"),
        (["index", "build", texts, URL, "--overwrite"], "B138"),
        (["index", "build", texts, URL], "B106"),
    ):
        result = run(*args)
        assert result.exit_code == 1 and code in result.output, result.output
    assert len(SemanticIndex.load(URL)) == 2


def test_a_build_that_fails_leaves_no_collection(by_url, texts):
    rows = [{"id": str(i % 600), "text": f"Text {i}."} for i in range(601)]
    (texts / "bad.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = run("index", "build", texts / "bad.jsonl", URL)
    assert result.exit_code == 1 and "B117" in result.output
    assert not by_url.collection_exists("books")
