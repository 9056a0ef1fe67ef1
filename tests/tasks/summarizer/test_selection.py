"""Choosing sentences from vectors and scores."""

import time

import numpy
import pytest
from sklearn.cluster import KMeans

from spacy_bert_suite.tasks.summarizer.centrality import choose_by_mmr, measure_centrality
from spacy_bert_suite.tasks.summarizer.clusters import (
    choose_closest,
    cluster,
    count_by_elbow,
    find_knee,
)
from spacy_bert_suite.tasks.summarizer.length import Length, fill
from spacy_bert_suite.tasks.summarizer.selection import (
    Settings,
    choose_by_centrality,
    choose_by_clusters,
    choose_by_scores,
    to_units,
    without_repeats,
)

METHODS = [choose_by_clusters, choose_by_centrality]


def themes(n_themes, n_each, noise=0.1, seed=0, width=32):
    """Vectors around some directions, theme by theme."""
    rng = numpy.random.default_rng(seed)
    centers = numpy.eye(width)[:n_themes].repeat(n_each, axis=0)
    return (centers + noise * rng.normal(size=centers.shape)).astype("float32")


def texts_of(n, n_words=6):
    return [" ".join(f"w{i}{'abcdefghij'[j]}" for j in range(n_words)) for i in range(n)]


def settings(min_words=1, lead_weight=0.0, keep_first=False, center_weight=0.5, **length):
    """What is left out of the defaults hides what a method does by itself."""
    return Settings(Length(**length), min_words, lead_weight, center_weight, keep_first)


@pytest.mark.parametrize("n, k", [(1, 1), (5, 1), (5, 5), (40, 8), (200, 30)])
def test_clusters_are_about_as_tight_as_those_of_scikit_learn(n, k):
    vectors = themes(10, 20, noise=0.3)[:n]
    found = cluster(vectors, k)
    assert sorted(set(found.labels.tolist())) == list(range(k))
    means = [vectors[found.labels == i].mean(axis=0) for i in range(k)]
    assert found.centers == pytest.approx(numpy.array(means), abs=1e-5)
    inertia = ((vectors - found.centers[found.labels]) ** 2).sum()
    assert found.inertia == pytest.approx(inertia, abs=1e-3)
    theirs = KMeans(k, n_init=1, random_state=0).fit(vectors).inertia_
    assert found.inertia <= theirs * 1.1 + 1e-3


def test_clusters_find_the_themes():
    found = cluster(themes(4, 6), 4)
    groups = found.labels.reshape(4, 6)
    assert (groups == groups[:, :1]).all() and len(set(groups[:, 0].tolist())) == 4


def test_clusters_are_the_same_each_time():
    vectors = themes(5, 9, noise=0.5)
    assert cluster(vectors, 7).labels.tolist() == cluster(vectors, 7).labels.tolist()


def test_clusters_of_equal_vectors():
    found = cluster(numpy.ones((6, 4), dtype="float32"), 4)
    assert sorted(set(found.labels.tolist())) == [0, 1, 2, 3]
    assert found.inertia == pytest.approx(0.0, abs=1e-6)


def test_equal_vectors_make_a_summary_of_the_length_asked_for():
    vectors = numpy.ones((6, 4), dtype="float32")
    assert len(choose_by_clusters(vectors, texts_of(6), settings(n_sentences=4)).chosen) == 4
    assert len(choose_by_clusters(0 * vectors, texts_of(6), settings(n_sentences=4)).chosen) == 4
    assert len(choose_by_clusters(vectors, texts_of(6), settings(elbow=True)).chosen) == 1


def test_the_closest_member_of_each_cluster_from_large_to_small():
    closeness = numpy.array([[0.9, 0.95], [0.1, 0.2], [0.2, 0.8], [0.5, 0.7], [0.3, 0.1]])
    labels = numpy.array([0, 1, 1, 1, 0])
    assert choose_closest(closeness, labels) == [2, 0]


def test_elbow_counts_the_themes():
    assert count_by_elbow(themes(4, 8, noise=0.05)) == 4
    assert count_by_elbow(themes(1, 1)) == count_by_elbow(themes(1, 2)) == 1
    assert find_knee([10, 4, 3.5, 3, 2.5]) == 1
    assert find_knee([1, 1, 1]) == find_knee([3, 1]) == find_knee([]) == 0


def test_centrality_is_the_mean_cosine():
    units = to_units(themes(3, 4, noise=0.4))
    cosines = units @ units.T
    expected = [numpy.delete(row, i).mean() for i, row in enumerate(cosines)]
    assert measure_centrality(units) == pytest.approx(numpy.array(expected), abs=1e-5)
    assert measure_centrality(units[:1]).tolist() == [1.0]


def test_mmr_by_hand():
    units = to_units(numpy.array([[1, 0], [1, 0.01], [0, 1], [1, 1]], dtype="float32"))
    relevance = numpy.array([1.0, 0.9, 0.0, 0.5], dtype="float32")
    assert choose_by_mmr(units, relevance, 4, 0.0) == [0, 1, 3, 2]
    assert choose_by_mmr(units, relevance, 2, 0.9) == [0, 2]  # the least like the first


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "length, n", [({}, 4), ({"ratio": 0.5}, 10), ({"ratio": 1.0}, 20), ({"ratio": 0.001}, 1),
                  ({"n_sentences": 3}, 3), ({"n_sentences": 99}, 20), ({"max_words": 30}, 5)],
)  # fmt: skip
def test_length(method, length, n):
    choice = method(themes(4, 5), texts_of(20), settings(**length))
    assert len(choice.chosen) == n
    assert choice.chosen == sorted(set(choice.chosen))
    assert len(choice.scores) == 20 and numpy.isfinite(choice.scores).all()


def test_one_sentence_for_each_theme():
    chosen = choose_by_clusters(themes(4, 5), texts_of(20), settings(n_sentences=4)).chosen
    assert [i // 5 for i in chosen] == [0, 1, 2, 3]
    by_elbow = choose_by_clusters(themes(4, 5), texts_of(20), settings(elbow=True)).chosen
    assert [i // 5 for i in by_elbow] == [0, 1, 2, 3]


def test_the_center_of_a_cluster_alone():
    """The plain choice of Miller (2019), by hand; by default the text's center has a say."""
    vectors, texts = themes(4, 6), texts_of(24)
    units = to_units(vectors)
    groups = [numpy.arange(6 * i, 6 * i + 6) for i in range(4)]

    def closest_to(target_of):
        away = [numpy.linalg.norm(units[g] - target_of(units[g]), axis=1) for g in groups]
        return [int(rows[distances.argmin()]) for rows, distances in zip(groups, away)]

    def choose(center_weight):
        given = settings(n_sentences=4, center_weight=center_weight)
        return choose_by_clusters(vectors, texts, given).chosen

    plain = choose(0.0)
    assert plain == closest_to(lambda rows: rows.mean(axis=0))
    assert choose(0.5) != plain
    center = to_units(units.mean(axis=0, keepdims=True))
    assert choose(1.0) == closest_to(lambda rows: center)


def test_centrality_prefers_the_large_theme():
    vectors = numpy.concatenate([themes(1, 8), themes(2, 3)[3:]])
    chosen = choose_by_centrality(vectors, texts_of(11), settings(n_sentences=1)).chosen
    assert chosen[0] < 8
    both = Settings(Length(n_sentences=2), diversity=0.9)
    assert choose_by_centrality(vectors, texts_of(11), both).chosen[1] >= 8


@pytest.mark.parametrize("method", METHODS)
def test_lead_weight_prefers_the_beginning(method):
    vectors, texts = themes(1, 10), texts_of(10)
    vectors[0, 5] += 1.0  # the first is the least like the others
    assert method(vectors, texts, settings(n_sentences=1)).chosen != [0]
    assert method(vectors, texts, settings(n_sentences=1, lead_weight=9.0)).chosen == [0]


def test_keep_first():
    vectors, texts = themes(3, 4), texts_of(12)
    vectors[0, 5] += 0.5
    kept = Settings(Length(n_sentences=3), keep_first=True)
    assert choose_by_clusters(vectors, texts, kept).chosen[0] == 0
    assert choose_by_clusters(vectors, texts, settings(n_sentences=3)).chosen[0] != 0


@pytest.mark.parametrize("method", METHODS)
def test_white_space_and_repeats_are_never_chosen(method):
    texts = ["", "one two three", "One two three", "", "four five six", "one two three"]
    choice = method(themes(2, 3), texts, settings(ratio=1.0))
    assert choice.chosen == [1, 4]
    assert method(themes(1, 2), ["", ""], settings()).chosen == []
    assert method(themes(1, 2)[:0], [], settings()).chosen == []


@pytest.mark.parametrize("method", METHODS)
def test_short_sentences_come_last(method):
    texts = ["Yes.", "No.", "one two three four", "five six seven eight"]
    vectors = themes(2, 2)
    assert method(vectors, texts, settings(min_words=3, n_sentences=2)).chosen == [2, 3]
    assert len(method(vectors, texts, settings(min_words=3, n_sentences=3)).chosen) == 3
    assert len(method(vectors[:2], texts[:2], settings(min_words=3)).chosen) == 1


def score_by_first(vectors, texts, settings):
    return choose_by_scores(vectors[:, 0], texts, settings)


@pytest.mark.parametrize("method", [*METHODS, score_by_first])
@pytest.mark.parametrize("keep_first", [True, False])
@pytest.mark.parametrize("length", [{"n_sentences": 3}, {"ratio": 0.3}, {"max_words": 14}])
def test_all_that_are_long_enough_come_before_the_short_ones(method, keep_first, length):
    texts = [f"x{i} y{i}." for i in range(10)]
    texts[4], texts[9] = texts_of(2)
    chosen = method(
        themes(5, 2), texts, Settings(Length(**length), min_words=5, keep_first=keep_first)
    ).chosen
    assert {4, 9} < set(chosen) and len(chosen) == 3


def test_a_short_sentence_blocks_no_long_one():
    texts = ["yes we can", "and yes we can do all of that", "no"]
    scores = numpy.array([0.9, 0.2, 0.1], dtype="float32")
    given = settings(min_words=5, n_sentences=2)
    assert choose_by_scores(scores, texts, given).chosen == [1, 2]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [numpy.nan, numpy.inf, 0.0, 1e30])
def test_strange_vectors(method, value):
    vectors = numpy.full((5, 4), value, dtype="float32")
    assert len(method(vectors, texts_of(5), settings(n_sentences=2)).chosen) == 2


def test_scores_and_trigram_blocking():
    texts = ["a b c d", "x a b c", "e f g h", "i j k l"]
    scores = numpy.array([0.9, 0.8, 0.1, 0.3], dtype="float32")
    assert choose_by_scores(scores, texts, settings(n_sentences=2)).chosen == [0, 3]
    free = Settings(Length(n_sentences=2), trigram_blocking=False)
    assert choose_by_scores(scores, texts, free).chosen == [0, 1]
    assert choose_by_scores(scores, texts, settings(max_words=8)).chosen == [0, 3]
    assert choose_by_scores(scores, texts, settings(elbow=True)).chosen
    assert without_repeats(["a b", "a b", "a b c", "z a b c"]) == [0, 1, 2]


@pytest.mark.parametrize("method", METHODS)
def test_a_short_sentence_that_fits_is_better_than_a_longer_one_that_does_not(method):
    texts = ["one two three four five six", "It is closed.", "a b c d e f g", "h i j k l m n"]
    vectors = themes(2, 2)
    assert method(vectors, texts, settings(min_words=5, max_words=4)).chosen == [1]
    assert method(vectors, texts, settings(min_words=5, max_words=6)).chosen == [0]
    assert method(vectors, texts, settings(min_words=5, max_words=2)).chosen == [1]


def test_a_sentence_that_does_not_fit_blocks_no_other():
    scores = numpy.array([0.9, 0.1], dtype="float32")
    texts = ["a b c d e f", "z a b c"]
    assert choose_by_scores(scores, texts, settings(max_words=4)).chosen == [1]


def test_fill_takes_what_fits():
    assert fill([0, 1, 2], [8, 5, 2], 10) == [0, 2]
    assert fill([0, 1], [8, 5], 3) == [1]


@pytest.mark.parametrize(
    "length, code",
    [({"ratio": 0.0}, "B022.*ratio"), ({"ratio": 1.1}, "B022.*ratio"),
     ({"ratio": float("nan")}, "B022.*ratio"), ({"n_sentences": 0}, "B022.*n_sentences"),
     ({"max_words": -1}, "B022.*max_words"), ({"n_sentences": True}, "B022"),
     ({"ratio": 0.5, "n_sentences": 2}, "B080.*ratio = 0.5, n_sentences = 2"),
     ({"elbow": True, "max_words": 9}, "B080")],
)  # fmt: skip
def test_wrong_lengths(length, code):
    with pytest.raises(ValueError, match=code):
        Length(**length)


@pytest.mark.parametrize("method", METHODS)
def test_thousands_of_sentences(method):
    """A text of 50 000 words has about 2 500."""
    vectors = themes(40, 63, noise=0.2, width=64)[:2500]
    start = time.perf_counter()
    choice = method(vectors, texts_of(2500), settings(ratio=0.2))
    assert len(choice.chosen) == 500
    assert time.perf_counter() - start < 30


def test_many_clusters_of_many_sentences():
    vectors = themes(300, 5, noise=0.01, width=300)
    begin = time.process_time()
    found = cluster(vectors, 300)
    assert numpy.bincount(found.labels).min() > 0
    assert found.inertia < 0.2 * ((vectors - vectors.mean(axis=0)) ** 2).sum()
    same = cluster(numpy.ones((4000, 8), dtype="float32"), 1500)
    assert numpy.bincount(same.labels, minlength=1500).min() > 0 and same.inertia == 0.0
    assert time.process_time() - begin < 2


def test_characters_count_as_words_in_scripts_without_spaces():
    texts = ["山上有很多古老的树木。", "。", "Too short.", "\u200b"]
    settings = Settings(Length(n_sentences=1))
    assert choose_by_scores(numpy.array([0.1, 0.5, 0.9, 0.8]), texts, settings).chosen == [0]
