"""Results of searches by vectors, or by vectors and words, and refused input."""

import numpy
import pytest
import spacy
from search.toys import IDS, METADATA, TEXTS, ids_of, random_vectors, toy_vectors

from spacy_bert_suite.search import Hit, SemanticIndex
from spacy_bert_suite.search.local import scan


def test_hit_says_all(index):
    (hit,) = index.search(toy_vectors()[2], k=1)
    assert hit == Hit("d2", TEXTS[2], 0, len(TEXTS[2]), METADATA[2], hit.score)
    assert hit.score == pytest.approx(1.0)
    with pytest.raises(AttributeError):
        hit.score = 0.0


def test_scores_are_cosines_whatever_the_length(index):
    hits = index.search(toy_vectors()[0] * 1e-20, k=3)
    assert ids_of(hits) == ["d0", "d1", "d2"]
    assert [hit.score for hit in hits] == pytest.approx([1.0, 1 / 1.25**0.5, 0.0])
    assert ids_of(index.search(toy_vectors()[0] * 1e30, k=3)) == ids_of(hits)


@pytest.mark.parametrize("storage", ["float32", "float16", "int8"])
def test_finds_what_a_full_sort_finds(storage):
    vectors, queries = random_vectors(3000), random_vectors(20, seed=1)
    index = SemanticIndex(storage=storage)
    for start in (0, 1000, 2900):  # several segments
        end = {0: 1000, 1000: 2900, 2900: 3000}[start]
        index.add([f"t{i}" for i in range(start, end)], vectors=vectors[start:end])
    expected = numpy.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    for hits, rows in zip(index.batch(list(queries)), expected):
        shared = len({hit.text for hit in hits} & {f"t{row}" for row in rows})
        assert shared == 10 if storage == "float32" else shared >= 9
    best = float((vectors @ queries[0]).max())
    assert index.search(queries[0], k=1)[0].score == pytest.approx(best, abs=1e-3)


def test_equal_scores_keep_the_order_of_adding():
    index = SemanticIndex()
    index.add(["same"] * 50, vectors=numpy.ones((50, 4)))
    assert ids_of(index.search(numpy.ones(4), k=5)) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    "where, expected",
    [
        ({"topic": "sea"}, ["d0", "d1"]),
        ({"topic": ["sea", "food"], "year": 2001}, ["d1", "d2"]),
        ({"year": {"gte": 2001, "lt": 2020}}, ["d1", "d2", "d3"]),
        ({"year": {"gt": 2001}}, ["d3", "d5"]),
        ({"year": None}, ["d4"]),
        ({"tags": "cold"}, ["d0", "d2"]),
        ({"live": None}, ["d0", "d1", "d2", "d3"]),
        ({"live": True}, ["d4"]),
        ({"live": 1}, ["d5"]),
        ({"topic": {"gte": "music"}}, ["d0", "d1", "d4", "d5"]),
        ({"topic": []}, []),
        ({"absent": "x"}, []),
        ({}, IDS),
    ],
)
def test_filters(index, where, expected):
    assert sorted(ids_of(index.search(toy_vectors()[0], where=where))) == expected
    found = ids_of(index.search(" ".join(TEXTS), where=where, mode="bm25"))
    assert sorted(found) == expected


@pytest.mark.parametrize(
    "where", [["topic"], {"year": {"from": 1}}, {"year": {}}, {"a": {"gt": "x", "lt": 1}},
              {"a": {"gt": True}}, {"a": [[1]]}, {1: 2}]
)  # fmt: skip
def test_malformed_filters(index, where):
    with pytest.raises(ValueError, match="B119"):
        index.search(toy_vectors()[0], where=where)


def test_hybrid_joins_both(index, nlp):
    index.nlp = nlp
    doc = nlp("harbour")  # its vector will say bread
    doc.user_hooks["vector"] = lambda doc: toy_vectors()[2]
    by_meaning = ids_of(index.search(doc, k=2))
    by_words = ids_of(index.search(doc, k=2, mode="bm25"))
    assert (by_meaning, set(by_words)) == (["d2", "d3"], {"d0", "d1"})
    assert ids_of(index.search(doc, mode="hybrid", weight=1.0))[:2] == by_meaning
    assert ids_of(index.search(doc, mode="hybrid", weight=0.0))[:2] == by_words
    scores = {hit.id: hit.score for hit in index.search(doc, mode="hybrid", weight=0.25)}
    assert (scores["d2"], scores["d0"]) == pytest.approx((0.25, 0.75))
    ranks = {hit.id: hit.score for hit in index.search(doc, mode="hybrid", fusion="rrf")}
    assert ranks["d2"] == pytest.approx(0.5 / 61)
    assert ranks["d0"] == pytest.approx(0.5 / 61 + 0.5 / 63)


def test_texts_docs_sentences_and_spans(nlp):
    index = SemanticIndex(nlp)
    text = "Zebra. Owl!\n\n Fox."
    assert index.add([text, nlp("quartz")]) == 2
    assert index.add([nlp(text)], ids=["s"], unit="sentence", metadata=[{"n": 1}]) == 3
    hits = index.search("owl", k=1)
    assert hits == [Hit("s", "Owl!", 7, 11, {"n": 1}, hits[0].score)]
    assert text[hits[0].start : hits[0].end] == "Owl!"
    span = nlp("a quartz")[1:2]
    assert index.search(span, k=1)[0].id == "1"
    assert index.add([span]) == 1
    assert index.search(nlp("quartz"), where={"n": None}, k=2)[1].start == 2


def test_sentences_of_a_span_end_where_it_ends(nlp):
    index = SemanticIndex(nlp)
    doc = nlp("One zebra runs. A quick fox. An owl sleeps here.")
    assert index.add([doc[1:9], doc[5:6]], ids=["part", "word"], unit="sentence") == 4
    found = {(hit.id, hit.text, hit.start) for hit in index.search("x", k=9)}
    expected = {("part", "zebra runs.", 4), ("part", "A quick fox.", 16), ("part", "An", 29)}
    assert found == expected | {("word", "quick", 18)}
    assert all(doc.text[start:].startswith(text) for _, text, start in found)


def test_ids_are_given_on_after_deleting_and_loading(nlp, tmp_path):
    index = SemanticIndex(nlp, path=tmp_path / "index")
    index.add(["a", "b"])
    assert index.delete(["0", "1", "absent"]) == 2
    index = SemanticIndex.load(tmp_path / "index", nlp)
    assert (len(index), index.search("a")) == (0, [])
    index.add(["c"])
    assert ids_of(index.search("c")) == ["2"]


def test_replace_puts_in_place(index):
    index.add(["New text."], ids=["d0"], vectors=toy_vectors()[5:], replace=True)
    assert len(index) == 6
    assert ids_of(index.search(toy_vectors()[0], k=1)) == ["d1"]
    assert [h.text for h in index.search("new", mode="bm25")] == ["New text."]
    assert [h.text for h in index.search("froze", mode="bm25")] == []


def test_rerank_sorts_anew(index):
    seen = []

    def by_length(text, hits):
        seen.append((text, len(hits)))
        return [-len(hit.text) for hit in hits]

    hits = index.search("harbour bread strings", mode="bm25", k=2, rerank=by_length)
    assert [hit.text for hit in hits] == sorted(TEXTS[:6], key=len)[:2]
    assert hits[0].score == -len(hits[0].text)
    assert seen == [("harbour bread strings", 6)]


@pytest.mark.parametrize("scores", [[1.0], [float("nan")] * 6, [], None, ["a"] * 6])
def test_rerank_must_score_every_hit(index, scores):
    with pytest.raises(ValueError, match="B126"):
        index.search("harbour bread strings", mode="bm25", rerank=lambda text, hits: scores)


def test_empty_things(nlp):
    index = SemanticIndex(nlp)
    assert index.add([]) == 0
    assert index.add(["", "   ", "\n"]) == 0
    for mode in ("vector", "bm25", "hybrid"):
        assert index.search("x", mode=mode) == []
    assert index.batch([]) == []
    index.compact()
    index.optimize()
    index.add(["one"])
    assert len(index.search("one", k=100, mode="hybrid")) == 1
    assert len(index.search(nlp("?"))) == 1


def test_vector_of_zeros_is_found_last(index):
    index.add(["nothing"], vectors=numpy.zeros((1, 8)), ids=["zero"])
    query = toy_vectors()[0] + 0.1
    assert ids_of(index.search(query, k=7))[-1] == "zero"
    assert {hit.score for hit in index.search(numpy.zeros(8))} == {0.0}


@pytest.mark.parametrize(
    "options, code",
    [
        ({"vectors": [numpy.array([1.0, numpy.nan] * 4)]}, "B114"),
        ({"vectors": [numpy.ones(9)]}, "B114"),
        ({"vectors": [numpy.ones((2, 8))]}, "B114"),
        ({"vectors": [numpy.ones(0)]}, "B114"),
        ({"vectors": [["a"] * 8]}, "B114"),
        ({"vectors": numpy.ones((2, 8))}, "B115"),
        ({"vectors": numpy.ones((1, 8)), "ids": []}, "B115"),
        ({"vectors": numpy.ones((1, 8)), "metadata": [{}, {}]}, "B115"),
        ({"vectors": numpy.ones((1, 8)), "ids": ["d3"]}, "B117"),
        ({"vectors": numpy.ones((1, 8)), "ids": [7]}, "B121"),
        ({"vectors": numpy.ones((1, 8)), "metadata": [{"a": {}}]}, "B118"),
        ({"vectors": numpy.ones((1, 8)), "metadata": [{"a": float("inf")}]}, "B118"),
        ({"vectors": numpy.ones((1, 8)), "metadata": [7]}, "B118"),
        ({"unit": "word"}, "B121"),
        ({}, "B120"),
    ],
)
def test_bad_input_adds_nothing(index, options, code):
    with pytest.raises(ValueError, match=code):
        index.add(["text"], **options)
    assert len(index) == 6
    folder = index.backend.store.folder
    assert sum(path.name.startswith("segment") for path in folder.iterdir()) == 1


def test_error_in_a_later_batch_adds_nothing(index):
    def stream():
        yield from [f"text {i}" for i in range(1200)]
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError):
        index.add(stream(), vectors=(numpy.ones(8) for _ in range(2000)))
    assert len(index) == 6
    ids = [f"x{i}" for i in range(1200)] + ["x0"]
    with pytest.raises(ValueError, match="B117"):
        index.add(["t"] * 1201, ids=ids, vectors=numpy.ones((1201, 8)))
    assert len(index) == 6
    assert index.add(["t"], vectors=numpy.ones((1, 8)), ids=["x0"]) == 1


@pytest.mark.parametrize(
    "options, code",
    [
        ({"mode": "magic"}, "B121"),
        ({"k": 0}, "B121"),
        ({"k": 1.5}, "B121"),
        ({"weight": 1.5, "mode": "hybrid"}, "B121"),
        ({"weight": "0.5", "mode": "hybrid"}, "B121"),
        ({"weight": None}, "B121"),
        ({"weight": float("nan")}, "B121"),
        ({"fusion": "sum"}, "B121"),
        ({"mode": "bm25"}, "B125"),
        ({"rerank": len}, "B125"),
    ],
)
def test_bad_options(index, options, code):
    with pytest.raises(ValueError, match=code):
        index.search(toy_vectors()[0], **options)


def test_bad_queries_and_settings(index):
    with pytest.raises(ValueError, match="B114"):
        index.search(numpy.ones(5))
    with pytest.raises(ValueError, match="B120"):
        index.search("text")
    with pytest.raises(ValueError, match="B121"):
        index.delete("d1")
    with pytest.raises(ValueError, match="B121"):
        SemanticIndex(storage="int4")
    for info in ({"model": object()}, ["model"], {("a", "b"): 1}):
        with pytest.raises(ValueError, match="B121.*info"):
            SemanticIndex(info=info)
    with pytest.raises(ValueError, match="B112"):
        SemanticIndex(spacy.blank("en")).add(["no vectors"])
    with pytest.raises(ValueError, match="B113"):
        SemanticIndex(spacy.blank("en")).add(["no sentences"], unit="sentence")
    with pytest.raises(ValueError, match="B127"):
        index.add([b"bytes"])


def test_any_text_survives(tmp_path):
    texts = ["\ud800 lone", "\u2028line\nbreak\r\x00", "😀" * 1000, '"quoted" \\']
    index = SemanticIndex(path=tmp_path / "index")
    index.add(texts, ids=texts, vectors=random_vectors(4))
    index = SemanticIndex.load(tmp_path / "index")
    for text, vector in zip(texts, random_vectors(4)):
        assert index.search(vector, k=1)[0].text == text
    assert index.delete(texts) == 4


def test_ids_to_delete_are_strings(index):
    for id_ in (1, None, b"d0", ""):
        with pytest.raises(ValueError, match="B121.*id"):
            index.delete(["d0", id_])
    assert len(index) == 6
    assert index.delete([numpy.str_("d0")]) == 1


@pytest.mark.parametrize("n_values", [1, 40, 1000, scan.MOST_VALUES])
def test_rescoring_reads_few_values_at_a_time(monkeypatch, n_values):
    """However many queries there are, and however many hits are wanted of each."""
    vectors, queries = random_vectors(300, width=8), random_vectors(7, width=8, seed=1)
    index = SemanticIndex(storage="int8")
    index.add([f"t{i}" for i in range(300)], vectors=vectors)
    (segment,) = index.backend.store.segments
    rows = numpy.random.default_rng(0).permutation(300)[None, :50].repeat(7, axis=0)
    expected = numpy.einsum("qw,qfw->qf", queries, segment.vectors[rows].astype("float32"))
    monkeypatch.setattr(scan, "MOST_VALUES", n_values)
    segment.vectors = Counted(segment.vectors)
    numpy.testing.assert_array_equal(scan.rescore(queries, segment, rows), expected)
    assert max(segment.vectors.sizes) <= max(n_values, 8)


class Counted:
    def __init__(self, vectors):
        self.vectors, self.sizes = vectors, []
        self.shape = vectors.shape

    def __getitem__(self, rows):
        found = self.vectors[rows]
        self.sizes.append(found.size)
        return found
