"""Clusters of vectors and docs."""

import numpy
import pytest
import spacy
from spacy.tokens import DocBin

from spacy_bert_suite.clustering import (
    class_tfidf,
    cluster_docs,
    cluster_titles,
    cluster_vectors,
    clustering_report,
    communities,
    purity,
    trees,
)
from spacy_bert_suite.clustering.communities import find_communities
from spacy_bert_suite.core.attributes import register_attributes
from spacy_bert_suite.vectors import threshold_pairs as pairwise

METHODS = ["kmeans", "agglomerative", "community"]
SIZES = (30, 20, 10)


def three_groups(noise=0.1, seed=0):
    """RETURNS: 60 vectors in three directions, shuffled, and which group each is of."""
    rng = numpy.random.default_rng(seed)
    gold = rng.permutation(numpy.repeat(range(3), SIZES))
    vectors = numpy.eye(3, 8)[gold] + noise * rng.normal(size=(60, 8))
    return (vectors * rng.uniform(0.5, 20, size=(60, 1))).astype("float32"), gold


@pytest.mark.parametrize("method", METHODS)
def test_finds_the_groups_and_their_number(method):
    vectors, gold = three_groups()
    found = cluster_vectors(vectors, method, threshold=0.8)
    assert found.n_clusters == 3 and found.sizes == [30, 20, 10]
    assert found.labels.tolist() == gold.tolist()  # both are numbered by size
    unit = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
    for label, rows in enumerate(found.representatives):
        mean = unit[gold == label].mean(axis=0)
        numpy.testing.assert_allclose(
            found.centres[label], mean / numpy.linalg.norm(mean), atol=1e-5
        )
        nearest = max(numpy.flatnonzero(gold == label), key=lambda row: unit[row] @ mean)
        assert rows[0] == nearest and len(rows) == 3
    if method != "community":
        assert max(found.silhouettes, key=found.silhouettes.get) == 3
        assert list(found.silhouettes) == list(range(2, 21))


@pytest.mark.parametrize("method", ["kmeans", "agglomerative"])
@pytest.mark.parametrize("n_clusters", [1, 2, 7, 60])
def test_fixed_number(method, n_clusters):
    vectors, _ = three_groups(noise=0.5)
    found = cluster_vectors(vectors, method, n_clusters=n_clusters)
    assert found.n_clusters == len(found.sizes) == len(found.representatives) == n_clusters
    assert sum(found.sizes) == 60 and min(found.sizes) >= 1
    assert found.sizes == sorted(found.sizes, reverse=True)
    assert found.silhouettes == {}


def test_tree_is_cut_as_scikit_learn_cuts_it():
    from sklearn.cluster import AgglomerativeClustering

    vectors, _ = three_groups(noise=0.7)
    unit = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
    tree = trees.make_tree(unit)
    for n_clusters in (1, 2, 5, 13, 59, 60):
        expected = AgglomerativeClustering(n_clusters).fit_predict(unit)
        labels = trees.cut_tree(tree, n_clusters)
        assert len(set(zip(expected, labels))) == len(set(labels)) == n_clusters


def slow_communities(vectors, threshold, min_size):
    """As in sentence-transformers, over the whole matrix."""
    unit = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
    near = unit @ unit.T >= threshold
    found, used = [], set()
    for row in sorted(range(len(near)), key=lambda row: -near[row].sum()):
        members = [j for j in numpy.flatnonzero(near[row]) if j not in used]
        if near[row].sum() >= min_size and len(members) >= min_size:
            found.append(members)
            used.update(members)
    return found


@pytest.mark.parametrize("threshold, min_size", [(0.5, 1), (0.7, 4), (0.9, 2), (0.99, 2)])
def test_communities_equal_a_slow_search(monkeypatch, threshold, min_size):
    monkeypatch.setattr(pairwise, "BLOCK_SIZE", 16)
    vectors, _ = three_groups(noise=0.4)
    labels = find_communities(vectors, threshold, min_size)
    expected = slow_communities(vectors, threshold, min_size)
    found = [numpy.flatnonzero(labels == i).tolist() for i in range(labels.max() + 1)]
    assert found == expected
    assert (labels < 0).sum() == 60 - sum(map(len, expected))


def test_communities_of_too_many_pairs(monkeypatch):
    monkeypatch.setattr(communities, "MOST_PAIRS", 100)
    with pytest.raises(ValueError, match="B143.*more than 100 pairs"):
        cluster_vectors(three_groups()[0], "community", threshold=-1.0)


def test_agglomerative_of_too_many_vectors(monkeypatch):
    monkeypatch.setattr(trees, "MOST_VECTORS", 50)
    with pytest.raises(ValueError, match="B144.*60 vectors"):
        cluster_vectors(three_groups()[0], "agglomerative")


@pytest.mark.parametrize("method", METHODS)
def test_the_same_again(method):
    vectors, _ = three_groups(noise=0.6)
    first, second = (cluster_vectors(vectors, method, threshold=0.6, seed=3) for _ in range(2))
    assert first.labels.tolist() == second.labels.tolist()
    assert first.silhouettes == second.silhouettes


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_rows", [0, 1, 2, 3])
def test_few_vectors(method, n_rows):
    found = cluster_vectors(numpy.eye(3)[:n_rows], method)
    assert len(found.labels) == n_rows
    assert sum(found.sizes) == (found.labels >= 0).sum()


def test_empty_list():
    assert cluster_vectors([]).n_clusters == 0
    assert cluster_docs([]).titles == []


@pytest.mark.parametrize("method", METHODS)
def test_only_copies(method):
    found = cluster_vectors(numpy.ones((12, 4)), method)
    assert found.labels.tolist() == [0] * 12
    with pytest.raises(ValueError, match="B143"):
        cluster_vectors(numpy.ones((12, 4)), method, n_clusters=2)


@pytest.mark.parametrize("method", METHODS)
def test_zero_vectors_have_no_cluster(method):
    vectors, gold = three_groups()
    vectors[[0, 7]] = 0
    labels = cluster_vectors(vectors, method, threshold=0.8).labels
    assert labels[[0, 7]].tolist() == [-1, -1]
    assert purity(numpy.delete(gold, [0, 7]), numpy.delete(labels, [0, 7])) == 1.0
    assert cluster_vectors(numpy.zeros((4, 2)), method).labels.tolist() == [-1] * 4


def test_values_that_are_not_finite():
    vectors, _ = three_groups()
    vectors[5, 2] = numpy.nan
    with pytest.raises(ValueError, match="B140.*row 5"):
        cluster_vectors(vectors)


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "dbscan"},
        {"n_clusters": 0},
        {"n_clusters": 61},
        {"method": "community", "n_clusters": 3},
        {"max_clusters": 1},
        {"threshold": 2.0},
        {"min_size": 0},
        {"n_clusters": 2.0},
        {"max_clusters": 4.5},
        {"min_size": 2.5, "method": "community"},
        {"n_representatives": -1},
    ],
)
def test_wrong_settings(settings):
    with pytest.raises(ValueError, match="B143"):
        cluster_vectors(three_groups()[0], **settings)


# Reports


def test_report_against_gold():
    vectors, gold = three_groups()
    names = [("tea", "rail", "law")[label] for label in gold]
    perfect = clustering_report(vectors, gold, names)
    assert perfect["n_clusters"] == 3 and perfect["n_unclustered"] == 0
    assert perfect["purity"] == perfect["v_measure"] == 1.0
    assert perfect["silhouette"] > 0.7
    one = clustering_report(vectors, numpy.zeros(60), names)
    assert one["purity"] == 0.5 and one["v_measure"] == 0.0 and one["silhouette"] is None
    assert clustering_report(vectors, gold).keys() == {"n_clusters", "n_unclustered", "silhouette"}


def test_report_by_hand():
    gold, labels = ["a", "a", "b", "b", "b"], [0, 0, 0, 1, -1]
    report = clustering_report(numpy.eye(5), labels, gold)
    assert report["purity"] == pytest.approx(4 / 5)
    assert report["n_unclustered"] == 1 and report["n_clusters"] == 2
    of_gold = -(0.4 * numpy.log(0.4) + 0.6 * numpy.log(0.6))
    of_gold_in_clusters = -0.6 * (2 / 3 * numpy.log(2 / 3) + 1 / 3 * numpy.log(1 / 3))
    assert report["homogeneity"] == pytest.approx(1 - of_gold_in_clusters / of_gold)


def test_report_equals_scikit_learn():
    from sklearn.metrics import homogeneity_completeness_v_measure

    rng = numpy.random.default_rng(1)
    gold, labels = rng.integers(0, 4, 200), rng.integers(-1, 6, 200)
    report = clustering_report(rng.normal(size=(200, 3)), labels, gold.tolist())
    found = [report[key] for key in ("homogeneity", "completeness", "v_measure")]
    numpy.testing.assert_allclose(found, homogeneity_completeness_v_measure(gold, labels))


def test_report_of_a_sample_is_the_same_again():
    rng = numpy.random.default_rng(0)
    vectors, labels = rng.normal(size=(5000, 4)), rng.integers(0, 5, 5000)
    first, second = (clustering_report(vectors, labels) for _ in range(2))
    assert first == second and -0.3 < first["silhouette"] < 0.1


def test_report_of_another_length():
    with pytest.raises(ValueError, match="B145.*2 labels for 3"):
        clustering_report(numpy.eye(3), [0, 1])
    with pytest.raises(ValueError, match="B145.*1 gold labels for 3"):
        clustering_report(numpy.eye(3), [0, 1, 2], ["a"])


@pytest.mark.parametrize("labels", [["a", "b", "c"], [0.5, 1, 2], [[0], [1], [2]], [None] * 3])
def test_labels_that_are_no_numbers(labels):
    with pytest.raises(ValueError, match="B143.*labels"):
        clustering_report(numpy.eye(3), labels)
    with pytest.raises(ValueError, match="B143.*labels"):
        purity(["x"] * 3, labels)
    with pytest.raises(ValueError, match="B143.*labels"):
        cluster_titles(list(spacy.blank("en").pipe(["a", "b", "c"])), labels)


# Docs and titles

TEXTS = [
    ("The striker scored a late goal.", 0),
    ("A goal decided the match.", 0),
    ("The keeper saved the match.", 0),
    ("The bank raised its rate.", 1),
    ("A rate rise hit the bank.", 1),
    ("", -1),
]


@pytest.fixture
def docs():
    register_attributes("test", ["doc.embedding"])
    made = list(spacy.blank("en").pipe(text for text, _ in TEXTS))
    for doc, (_, label) in zip(made, TEXTS):
        if label >= 0:
            doc._.embedding = numpy.eye(2, 4, dtype="float32")[label]
    return made


@pytest.mark.parametrize("method", METHODS)
def test_docs_get_labels_and_titles(docs, method):
    found = cluster_docs(
        docs, method, n_words=2, **({"min_size": 2} if method == "community" else {})
    )
    assert [doc._.cluster for doc in docs] == found.labels.tolist() == [label for _, label in TEXTS]
    assert found.titles == ["goal, match", "bank, rate"]
    stored = DocBin(store_user_data=True, docs=docs).to_bytes()
    again = list(DocBin().from_bytes(stored).get_docs(docs[0].vocab))
    assert [doc._.cluster for doc in again] == found.labels.tolist()


def test_a_blank_doc_with_a_vector_belongs_to_none(docs):
    docs[-1]._.embedding = numpy.eye(2, 4, dtype="float32")[0]
    assert cluster_docs(docs, n_clusters=2).labels.tolist() == [label for _, label in TEXTS]


def test_docs_from_a_generator(docs):
    assert cluster_docs((doc for doc in docs), n_clusters=2).sizes == [3, 2]


def test_class_tfidf_by_hand():
    first, second = class_tfidf([{"goal": 3, "the": 1}, {"rate": 1, "the": 1}])
    assert first["goal"] == pytest.approx(3 / 4 * numpy.log(1 + 3 / 3))
    assert first["the"] == pytest.approx(1 / 4 * numpy.log(1 + 3 / 2))
    assert second["rate"] > second["the"] == pytest.approx(1 / 2 * numpy.log(1 + 3 / 2))
    assert class_tfidf([{}, {"a": 1}])[0] == {} and class_tfidf([]) == []


def test_titles_of_another_length(docs):
    with pytest.raises(ValueError, match="B145"):
        cluster_titles(docs, [0])


def test_titles_of_sentences(docs):
    assert cluster_titles([doc[:] for doc in docs[:2]], [0, 1], 3)[1] == "decided, match, goal"


def test_titles_of_words_with_marks_and_of_characters():
    bengali = spacy.blank("bn")("ছোট নদী")
    chinese = spacy.blank("zh")("青山")
    assert cluster_titles([bengali, chinese], [0, 1]) == ["ছোট, নদী", "青山"]
