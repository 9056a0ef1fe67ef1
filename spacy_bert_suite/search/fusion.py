"""Fusion of two rankings, by ranks or by scores."""

from typing import Any

Ranking = list[tuple[Any, float]]  # keys and scores, best first
FUSIONS = ("weighted", "rrf")
RANK_CONSTANT = 60


def reciprocal_ranks(by_vector: Ranking, by_words: Ranking, weight: float) -> Ranking:
    """Reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): a key gets share / (60 + rank)
    from each ranking that it is in.

    by_vector (list[tuple[Any, float]]): Keys and scores, best first.
    by_words (list[tuple[Any, float]]): The same.
    weight (float): Share of the vectors, from 0 to 1; that of the words is the rest.
    RETURNS (list[tuple[Any, float]]): Keys and fused scores, best first.
    """
    scores: dict[Any, float] = {}
    for ranking, share in ((by_vector, weight), (by_words, 1 - weight)):
        for rank, (key, _) in enumerate(ranking, start=1):
            scores[key] = scores.get(key, 0.0) + share / (RANK_CONSTANT + rank)
    return sorted_ranking(scores)


def weighted(by_vector: Ranking, by_words: Ranking, weight: float) -> Ranking:
    """Convex combination of scores (Bruch, Gai and Ingber 2023). Cosines are scaled to [0, 1] over
    their ranking, since even unrelated texts are far from 0; BM25 scores, which are 0 where no
    word is shared, are divided by the highest. A key that a ranking lacks has 0 there.

    by_vector (list[tuple[Any, float]]): Keys and cosines, best first.
    by_words (list[tuple[Any, float]]): Keys and BM25 scores, best first.
    weight (float): Share of the vectors, from 0 to 1.
    RETURNS (list[tuple[Any, float]]): Keys and fused scores, best first.
    """
    scores: dict[Any, float] = {}
    lowest = by_vector[-1][1] if by_vector else 0.0
    for ranking, share, floor in ((by_vector, weight, lowest), (by_words, 1 - weight, 0.0)):
        for key, score in ranking:
            span = ranking[0][1] - floor
            scaled = (score - floor) / span if span > 0 else 1.0
            scores[key] = scores.get(key, 0.0) + share * scaled
    return sorted_ranking(scores)


def sorted_ranking(scores: dict[Any, float]) -> Ranking:
    """Best first; equal scores in the order in which they were found."""
    return sorted(scores.items(), key=lambda item: -item[1])
