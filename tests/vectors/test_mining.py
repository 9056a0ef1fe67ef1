"""Paraphrase mining, against a comparison of all pairs."""

import numpy
import pytest
import spacy
import torch
from spacy.tokens import Doc

from spacy_bert_suite.core.attributes import register_attributes
from spacy_bert_suite.vectors import mining
from spacy_bert_suite.vectors import threshold_pairs as pairwise
from spacy_bert_suite.vectors.mining import ScoredPair, paraphrase_mining


def clustered(n_rows, width=16, n_centres=12, seed=0):
    rng = numpy.random.default_rng(seed)
    centres = rng.normal(size=(n_centres, width))
    rows = centres[rng.integers(n_centres, size=n_rows)] + 0.3 * rng.normal(size=(n_rows, width))
    return rows.astype("float32")


def on_a_grid(n_rows, seed=0):
    """Vectors whose cosines are exactly -1, -0.5, 0, 0.5 or 1, in bfloat16 as well."""
    rng = numpy.random.default_rng(seed)
    return rng.choice([-1.0, 1.0], size=(n_rows, 4)).astype("float32")


def brute_force(vectors, n, threshold=-1.0, k=None):
    norms = numpy.linalg.norm(vectors, axis=1)
    unit = vectors / numpy.where(norms == 0, 1, norms)[:, None]
    scores = numpy.clip(unit @ unit.T, -1, 1)
    live = numpy.flatnonzero(norms)
    pairs = [(-scores[i, j], i, j) for i in live for j in live if i < j]
    pairs = sorted(pair for pair in pairs if -pair[0] >= threshold)
    if k is not None:
        ranks = {}
        reach = []
        for _, i, j in pairs:
            ranks[i], ranks[j] = ranks.get(i, 0) + 1, ranks.get(j, 0) + 1
            reach.append(ranks[i] <= k or ranks[j] <= k)
        pairs = [pair for pair, near in zip(pairs, reach) if near]
    return [(-score, i, j) for score, i, j in pairs][:n]


@pytest.fixture(params=["bfloat16 first", "float32"])
def first_product(request, monkeypatch):
    is_fast = request.param != "float32"
    monkeypatch.setattr(pairwise, "has_fast_bf16", lambda device: is_fast)


@pytest.fixture
def small_blocks(monkeypatch, first_product):
    monkeypatch.setattr(pairwise, "BLOCK_SIZE", 16)
    monkeypatch.setattr(pairwise, "N_PANEL", 3)
    monkeypatch.setattr(pairwise, "MOST_SINGLE", 40)
    monkeypatch.setattr(mining, "LEAST_BUFFER", 50)


def same(found, expected):
    assert [(pair.i, pair.j) for pair in found] == [(i, j) for _, i, j in expected]
    numpy.testing.assert_allclose([p.score for p in found], [e[0] for e in expected], atol=1e-6)


@pytest.mark.parametrize("n", [1, 17, 400, 5000])
@pytest.mark.parametrize("threshold", [-1.0, 0.4, 0.9])
@pytest.mark.parametrize("k", [None, 1, 5])
def test_equals_brute_force(small_blocks, n, threshold, k):
    vectors = clustered(61)
    expected = brute_force(vectors, n, threshold, k)
    same(paraphrase_mining(vectors, n=n, threshold=threshold, k=k), expected)


@pytest.mark.parametrize("n", [3, 60, 1000])
@pytest.mark.parametrize("k", [None, 1, 4])
def test_equal_scores_come_by_row(small_blocks, n, k):
    vectors = on_a_grid(90)
    same(paraphrase_mining(vectors, n=n, threshold=0.5, k=k), brute_force(vectors, n, 0.5, k))


def test_ordinary_blocks(first_product):
    vectors = clustered(1500, width=32, n_centres=150)
    found = paraphrase_mining(vectors, n=500)
    unit = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
    scores = numpy.triu(unit @ unit.T, 1)
    best = numpy.sort(scores[numpy.triu_indices(1500, 1)])[::-1][:500]
    numpy.testing.assert_allclose([pair.score for pair in found], best, atol=1e-6)
    assert all(abs(scores[pair.i, pair.j] - pair.score) < 1e-6 for pair in found)


def test_no_pair_is_lost_to_rounding(monkeypatch):
    """Just at the threshold, where bfloat16 is wrong in both directions."""
    monkeypatch.setattr(pairwise, "has_fast_bf16", lambda device: True)
    vectors = clustered(600, width=24, n_centres=3, seed=4)
    unit = (vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)).astype("float64")
    scores = (unit @ unit.T)[numpy.triu_indices(600, 1)]
    coarse = torch.from_numpy(unit).bfloat16()
    errors = (coarse @ coarse.T).double().numpy()[numpy.triu_indices(600, 1)] - scores
    assert 1e-3 < abs(errors).max() < pairwise.ROUNDING
    for threshold in (0.7, 0.8, 0.9):
        found = paraphrase_mining(vectors, n=10**6, threshold=threshold)
        assert len(found) == (scores >= threshold).sum()


def test_copies_do_not_fill_the_list_with_k():
    vectors = numpy.concatenate([numpy.ones((300, 8)), clustered(40, width=8, n_centres=20)])
    alone = paraphrase_mining(vectors, n=1000)
    assert all(pair.j < 300 for pair in alone)
    limited = paraphrase_mining(vectors, n=1000, k=2, threshold=0.5)
    assert any(pair.i >= 300 for pair in limited)
    assert {pair.i for pair in limited} | {pair.j for pair in limited} >= set(range(300))


def test_many_copies_need_little(small_blocks):
    assert paraphrase_mining(numpy.ones((200, 4)), n=3) == [(1, 0, 1), (1, 0, 2), (1, 0, 3)]


def test_results_are_named_tuples_and_the_same_again():
    vectors = clustered(300)
    first = paraphrase_mining(vectors, n=50)
    assert isinstance(first[0], ScoredPair) and first[0].score == first[0][0]
    assert isinstance(first[0].i, int) and isinstance(first[0].score, float)
    assert paraphrase_mining(vectors, n=50) == first
    assert [pair.score for pair in first] == sorted((p.score for p in first), reverse=True)


def test_zero_vectors_pair_with_none(first_product):
    vectors = numpy.zeros((5, 3), dtype="float32")
    vectors[1] = vectors[4] = 1, 2, 3
    vectors[2] = -1, -2, -3
    found = paraphrase_mining(vectors)
    assert [(pair.i, pair.j) for pair in found] == [(1, 4), (1, 2), (2, 4)]


def test_length_does_not_matter():
    vectors = clustered(60)
    scaled = vectors * numpy.logspace(-15, 15, 60)[:, None]
    found = [(pair.i, pair.j) for pair in paraphrase_mining(scaled, n=40)]
    assert found == [(i, j) for _, i, j in brute_force(vectors, 40)]


@pytest.mark.parametrize("vectors", [numpy.zeros((0, 4)), numpy.ones((1, 4)), [], [[1.0, 2.0]]])
def test_nothing_to_pair(vectors):
    assert paraphrase_mining(vectors) == []


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
def test_values_that_are_not_finite(value):
    vectors = clustered(9000)
    vectors[8500, 3] = value
    with pytest.raises(ValueError, match=r"B140.*row 8500"):
        paraphrase_mining(vectors)


@pytest.mark.parametrize(
    "vectors", [numpy.ones(4), numpy.ones((2, 2, 2)), [[1.0], [1.0, 2.0]], numpy.array([["a"]])]
)
def test_wrong_shapes(vectors):
    with pytest.raises(ValueError, match="B141"):
        paraphrase_mining(vectors)


@pytest.mark.parametrize(
    "settings",
    [{"n": 0}, {"threshold": 1.5}, {"threshold": numpy.nan}, {"k": 0}, {"n": 2.0}, {"k": 1.5}],
)
def test_wrong_settings(settings):
    with pytest.raises(ValueError, match="B143"):
        paraphrase_mining(numpy.ones((3, 2)), **settings)


def test_half_precision_on_disk(tmp_path):
    vectors = clustered(200).astype("float16")
    numpy.save(tmp_path / "vectors.npy", vectors)
    stored = numpy.load(tmp_path / "vectors.npy", mmap_mode="r")
    same(paraphrase_mining(stored, n=30), brute_force(vectors.astype("float32"), 30))


def test_docs_and_sentences():
    register_attributes("test", ["doc.embedding", "span.embedding"])
    nlp = spacy.blank("en")
    docs = list(nlp.pipe(["One text.", "", "Another text.", "One text."]))
    for doc, vector in zip(docs, ([1, 2], None, [3, -1], [1, 2])):
        doc._.embedding = None if vector is None else numpy.array(vector, dtype="float32")
    assert [(pair.i, pair.j) for pair in paraphrase_mining(docs, threshold=0.9)] == [(0, 3)]
    spans = [doc[:2] for doc in (docs[0], docs[2])]
    for span in spans:
        span._.embedding = numpy.array([0.0, 1.0])
    assert paraphrase_mining(spans) == [(1.0, 0, 1)]


def test_whole_numbers_of_numpy():
    vectors = clustered(30)
    found = paraphrase_mining(vectors, n=numpy.int64(5), k=numpy.int32(2))
    assert found == paraphrase_mining(vectors, n=5, k=2)


def test_blank_docs_pair_with_none():
    """Even if they have a vector, which a BERT makes of the special tokens alone."""
    register_attributes("test", ["doc.embedding", "span.embedding"])
    docs = list(spacy.blank("en").pipe(["", " \n", "One text.", "Another."]))
    for doc in docs:
        doc._.embedding = numpy.ones(3, dtype="float32")
    assert [(pair.i, pair.j) for pair in paraphrase_mining(docs)] == [(2, 3)]


def test_docs_without_vectors():
    doc = Doc(spacy.blank("en").vocab, words=["text"])
    with pytest.raises(ValueError, match=r"B142.*Item 0 \('text'\)"):
        paraphrase_mining([doc, doc])
