"""Exact nearest neighbours, against numpy."""

import numpy
import pytest

from spacy_bert_suite.vectors import knn as neighbors
from spacy_bert_suite.vectors.knn import nearest


def brute_force(queries, vectors, k, first_row=None):
    scores = queries.astype("float32") @ vectors.astype("float32").T
    if first_row is not None:
        own = numpy.arange(len(queries))
        scores[own, own + first_row] = -numpy.inf
    rows = numpy.argsort(-scores, axis=1, kind="stable")[:, :k]
    return numpy.take_along_axis(scores, rows, axis=1), rows


def whole_numbers(n_rows, width=4, seed=0):
    """Vectors whose products are exact in any order of adding, with many equal ones."""
    return numpy.random.default_rng(seed).integers(-3, 4, (n_rows, width)).astype("float32")


@pytest.fixture(params=["one block", "many blocks"])
def blocks(request, monkeypatch):
    if request.param == "many blocks":
        monkeypatch.setattr(neighbors, "CHUNK_SIZE", 7)
        monkeypatch.setattr(neighbors, "MOST_SCORES", 7 * 83)


@pytest.mark.parametrize("k", [1, 3, 50, 300, 1000])
@pytest.mark.parametrize("first_row", [None, 0, 40])
def test_equals_brute_force_ties_included(blocks, k, first_row):
    vectors = whole_numbers(301)
    queries = whole_numbers(30, seed=1) if first_row is None else vectors[first_row:][:30]
    expected_scores, expected_rows = brute_force(queries, vectors, k, first_row)
    n_found = min(k, 301 - (first_row is not None))
    scores, rows = nearest(queries, vectors, k, first_row=first_row)
    assert scores.dtype == "float32" and rows.dtype == "int64"
    assert scores.shape == rows.shape == (30, n_found)
    numpy.testing.assert_array_equal(scores, expected_scores[:, :n_found])
    numpy.testing.assert_array_equal(rows, expected_rows[:, :n_found])


def test_real_numbers_and_wide_rows():
    rng = numpy.random.default_rng(2)
    vectors = rng.normal(size=(40_000, 8)).astype("float32")
    scores, rows = nearest(vectors[:20], vectors, 10)
    expected, expected_rows = brute_force(vectors[:20], vectors, 10)
    numpy.testing.assert_allclose(scores, expected, rtol=1e-5)
    numpy.testing.assert_array_equal(rows, expected_rows)


def test_equal_vectors_come_in_order():
    vectors = numpy.ones((5000, 4), dtype="float32")
    _, rows = nearest(vectors[100:102], vectors, 4, first_row=100)
    assert rows.tolist() == [[0, 1, 2, 3], [0, 1, 2, 3]]
    _, rows = nearest(vectors[1:2], vectors, 4, first_row=1)
    assert rows.tolist() == [[0, 2, 3, 4]]


def test_scores_below_zero_and_both_zeros():
    vectors = numpy.array([[-1.0], [-0.0], [0.0], [-3.0], [2.0]], dtype="float32")
    scores, rows = nearest(numpy.ones((1, 1), dtype="float32"), vectors, 5)
    assert rows.tolist() == [[4, 1, 2, 0, 3]]
    assert scores.tolist() == [[2.0, 0.0, 0.0, -1.0, -3.0]]


@pytest.mark.parametrize("n_queries, n_vectors, k", [(0, 5, 2), (3, 0, 2), (3, 5, 0)])
def test_nothing_to_find(n_queries, n_vectors, k):
    scores, rows = nearest(numpy.ones((n_queries, 4)), numpy.ones((n_vectors, 4)), k)
    assert scores.shape == rows.shape == (n_queries, min(k, n_vectors))


def test_one_vector_has_no_neighbour():
    scores, rows = nearest(numpy.ones((1, 4)), numpy.ones((1, 4)), 3, first_row=0)
    assert scores.shape == rows.shape == (1, 0)


def test_half_precision_on_disk(tmp_path):
    numpy.save(tmp_path / "vectors.npy", whole_numbers(200).astype("float16"))
    vectors = numpy.load(tmp_path / "vectors.npy", mmap_mode="r")
    scores, rows = nearest(vectors[:5], vectors, 6)
    expected, expected_rows = brute_force(vectors[:5], vectors, 6)
    numpy.testing.assert_array_equal(scores, expected)
    numpy.testing.assert_array_equal(rows, expected_rows)


def test_arrays_stay_as_they_are():
    vectors = whole_numbers(50)
    before = vectors.copy()
    nearest(vectors, vectors, 3, first_row=0)
    numpy.testing.assert_array_equal(vectors, before)
