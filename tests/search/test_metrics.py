"""Values by hand."""

from math import log2

import pytest

from spacy_bert_suite.search.metrics import evaluate, ndcg, recall, reciprocal_rank

JUDGED = {"a": 2.0, "b": 1.0, "c": 0.0, "d": 1.0}


def test_ndcg():
    ideal = 2 / log2(2) + 1 / log2(3) + 1 / log2(4)
    assert ndcg(["b", "x", "a"], JUDGED) == pytest.approx((1 + 2 / log2(4)) / ideal)
    assert ndcg(["a", "b", "d"], JUDGED) == ndcg(["a", "d", "b", "c"], JUDGED) == pytest.approx(1)
    assert ndcg(["x", "a"], JUDGED, k=1) == 0.0
    assert ndcg(["b"], JUDGED, k=1) == pytest.approx(0.5)
    assert ndcg([], JUDGED) == ndcg(["a"], {}) == ndcg(["c"], {"c": 0.0}) == 0.0


def test_a_document_counts_once():
    assert ndcg(["a", "a", "a"], JUDGED) == ndcg(["a"], JUDGED)
    assert ndcg(["x", "x", "a"], {"a": 1}, k=2) == pytest.approx(1 / log2(3))
    assert recall(["b", "b", "a"], JUDGED, k=2) == pytest.approx(2 / 3)


def test_recall_and_reciprocal_rank():
    assert recall(["x", "a", "c", "d"], JUDGED) == pytest.approx(2 / 3)
    assert recall(["x", "a"], JUDGED, k=1) == recall(["a"], {}) == 0.0
    assert reciprocal_rank(["c", "x", "b"], JUDGED) == pytest.approx(1 / 3)
    assert reciprocal_rank(["c", "x", "b"], JUDGED, k=2) == 0.0


def test_evaluate_is_the_mean_over_judged_queries():
    judgements = {"q1": {"a": 1.0}, "q2": {"b": 1.0}, "q3": {"c": 0.0}}
    found = evaluate({"q1": ["x", "a"], "q3": ["c"], "q9": ["z"]}, judgements)
    expected = {"ndcg@10": 0.5 / log2(3), "recall@10": 0.5, "recall@100": 0.5, "mrr@10": 0.25}
    assert found == pytest.approx(expected)
    with pytest.raises(ValueError, match="B130"):
        evaluate({"q1": ["a"]}, {"q1": {"a": 0}})


def test_matches_ir_measures():
    ir_measures = pytest.importorskip("ir_measures")
    rankings = {"q1": ["b", "x", "a", "y"], "q2": ["x", "d"], "q3": []}
    judgements = {"q1": JUDGED, "q2": {"d": 1.0, "e": 3.0}, "q3": {"a": 1.0}}
    qrels = {q: {d: int(v) for d, v in judged.items()} for q, judged in judgements.items()}
    run = {q: {d: -float(i) for i, d in enumerate(ids)} for q, ids in rankings.items()}
    run["q3"] = {"nothing": 0.0}
    names = {"ndcg@10": "nDCG@10", "recall@100": "R@100", "mrr@10": "RR@10"}
    measures = {key: ir_measures.parse_measure(name) for key, name in names.items()}
    expected = ir_measures.calc_aggregate(measures.values(), qrels, run)
    found = evaluate(rankings, judgements)
    for key, measure in measures.items():
        assert found[key] == pytest.approx(expected[measure])
