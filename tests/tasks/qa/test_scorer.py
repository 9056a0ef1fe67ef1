"""Scores of answers, with values worked out by the official evaluate-v2.0.py."""

import pytest

from spacy_bert_suite.tasks.qa.scorer import (
    exact_match,
    f1_score,
    normalize_answer,
    squad_scores,
)
from spacy_bert_suite.tasks.qa.threshold import best_null_threshold


def test_normalization():
    assert normalize_answer("The  Cat's, an  apple-tree!") == "cats appletree"
    assert normalize_answer("The") == ""


@pytest.mark.parametrize(
    "answer, gold, em, f1",
    [
        ("the Paris!", ["Paris"], 1, 1),
        ("in Paris", ["Paris"], 0, 2 / 3),
        ("in Paris", ["Oslo", "Paris, France"], 0, 0.5),
        ("London", ["Paris"], 0, 0),
        ("", ["Paris"], 0, 0),
        ("", [], 1, 1),
        ("Paris", [], 0, 0),
        ("a", ["the", "Paris"], 0, 0),  # a right answer of articles only does not count
        ("a a b b c", ["b b b c"], 0, 2 * 3 / 7),
    ],
)
def test_official_scores(answer, gold, em, f1):
    assert exact_match(answer, gold) == em
    assert f1_score(answer, gold) == pytest.approx(f1)


def test_scores_are_split():
    scores = squad_scores(["Paris", "in Oslo", "", "x"], [["Paris"], ["Oslo"], [], []])
    assert scores == {
        "qa_em": 0.5,
        "qa_f1": pytest.approx((1 + 2 / 3 + 1) / 4),
        "qa_has_answer_em": 0.5,
        "qa_has_answer_f1": pytest.approx(5 / 6),
        "qa_no_answer_acc": 0.5,
    }
    assert squad_scores(["x"], [["x"]])["qa_no_answer_acc"] is None
    assert set(squad_scores([], []).values()) == {None}


def test_best_null_threshold():
    # Answering helps the first two, hurts the third.
    assert best_null_threshold([-3.0, 1.0, 2.0], [1, 0.5, 0], [0, 0, 1]) == 1.5
    assert best_null_threshold([1.0, 2.0], [1, 1], [0, 0]) > 2.0
    assert best_null_threshold([1.0, 2.0], [0, 0], [1, 1]) < 1.0
    # Equal null scores cannot be told apart.
    assert best_null_threshold([1.0, 1.0, 2.0], [1, 0, 0], [0, 1, 1]) < 1.0
