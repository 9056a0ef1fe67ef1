"""Metrics of pairs, against values by hand."""

import numpy
import pytest

from spacy_bert_suite.data.pairs import PairAnnotation
from spacy_bert_suite.heads.pair_metrics import rank_binary, score_graded


def test_rank_binary():
    gold = numpy.asarray([True, False, True, False])
    precision, f1, threshold = rank_binary(gold, numpy.asarray([0.9, 0.7, 0.6, 0.1]))
    assert precision == pytest.approx((1 + 2 / 3) / 2)
    assert f1 == pytest.approx(0.8)  # the first three: precision 2/3, recall 1
    assert threshold == pytest.approx(0.35)  # between 0.6 and 0.1
    assert rank_binary(gold, numpy.asarray([0.9, 0.1, 0.8, 0.2]))[:2] == (1.0, 1.0)


def test_score_graded_is_of_the_pairs_with_a_score():
    pairs = [PairAnnotation(["b"], score, None) for score in (0.1, 0.5, 0.9)]
    pairs.append(PairAnnotation(["b"], None, "1"))
    found = score_graded(pairs, numpy.asarray([0.0, 0.2, 0.9, -1.0]))
    assert found["similarity_spearman"] == pytest.approx(1.0)
    assert 0.9 < found["similarity_pearson"] < 1.0
    nothing = {"similarity_spearman": None, "similarity_pearson": None}
    assert score_graded(pairs[:1], numpy.asarray([0.0])) == nothing
    assert score_graded(pairs, numpy.zeros(4)) == nothing
