import pytest

from spacy_bert_suite.search.fusion import reciprocal_ranks, weighted


def test_reciprocal_ranks_by_hand():
    fused = reciprocal_ranks([("a", 0.9), ("b", 0.8)], [("b", 7.0), ("c", 1.0)], 0.25)
    assert [key for key, _ in fused] == ["b", "c", "a"]
    expected = [0.25 / 62 + 0.75 / 61, 0.75 / 62, 0.25 / 61]
    assert [score for _, score in fused] == pytest.approx(expected)


def test_weighted_by_hand():
    """Cosines from their lowest, BM25 scores from 0."""
    fused = weighted([("a", 0.9), ("b", 0.7), ("c", 0.5)], [("b", 8.0), ("d", 2.0)], 0.5)
    assert [key for key, _ in fused] == ["b", "a", "d", "c"]
    assert [score for _, score in fused] == pytest.approx([0.25 + 0.5, 0.5, 0.125, 0.0])


@pytest.mark.parametrize("fuse", [weighted, reciprocal_ranks])
def test_one_ranking_may_be_empty_or_flat(fuse):
    assert fuse([], [], 0.5) == []
    assert [key for key, _ in fuse([], [("a", 2.0), ("b", 1.0)], 0.5)] == ["a", "b"]
    assert [key for key, _ in fuse([("a", 0.5), ("b", 0.5)], [], 0.5)] == ["a", "b"]
    assert [key for key, _ in fuse([("a", 0.0)], [("b", 0.1)], 0.4)] == ["b", "a"]
