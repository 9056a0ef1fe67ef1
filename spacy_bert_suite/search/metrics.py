"""Measures of rankings: nDCG, recall and reciprocal rank."""

import math
from collections.abc import Mapping, Sequence

from ..errors import CodedValueError, Errors

Judged = Mapping[str, float]  # relevance of documents to one query; 0 or absent is irrelevant


def ndcg(ranking: Sequence[str], judged: Judged, k: int = 10) -> float:
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen 2002), with the relevance
    itself as gain.

    ranking (Sequence[str]): Ids of documents, best first.
    judged (Mapping[str, float]): Relevance of documents to the query.
    k (int): Ranks that count.
    RETURNS (float): From 0 to 1; 0 if nothing is relevant.
    """
    ideal = _gain(sorted((max(0.0, gain) for gain in judged.values()), reverse=True)[:k])
    gains = [max(0.0, judged.get(id_, 0.0)) for id_ in _distinct(ranking)[:k]]
    return _gain(gains) / ideal if ideal else 0.0


def recall(ranking: Sequence[str], judged: Judged, k: int = 100) -> float:
    """RETURNS (float): Share of the relevant documents that are among the first k."""
    relevant = {id_ for id_, gain in judged.items() if gain > 0}
    return len(relevant & set(_distinct(ranking)[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranking: Sequence[str], judged: Judged, k: int = 10) -> float:
    """RETURNS (float): 1 / rank of the first relevant document, 0 if it is not in the first k."""
    for rank, id_ in enumerate(_distinct(ranking)[:k], start=1):
        if judged.get(id_, 0.0) > 0:
            return 1.0 / rank
    return 0.0


def evaluate(
    rankings: Mapping[str, Sequence[str]], judgements: Mapping[str, Judged]
) -> dict[str, float]:
    """Mean over the queries that have something relevant; a query without a ranking counts 0.

    rankings (Mapping[str, Sequence[str]]): For each query, ids of documents, best first.
    judgements (Mapping[str, Mapping[str, float]]): For each query, relevance of documents.
    RETURNS (dict[str, float]): "ndcg@10", "recall@10", "recall@100", "mrr@10".
    RAISES (ValueError): If no query has anything relevant.
    """
    queries = [q for q, judged in judgements.items() if any(g > 0 for g in judged.values())]
    if not queries:
        raise CodedValueError(Errors.B130)
    rows = [(rankings.get(query, ()), judgements[query]) for query in queries]
    return {
        "ndcg@10": sum(ndcg(*row) for row in rows) / len(rows),
        "recall@10": sum(recall(*row, k=10) for row in rows) / len(rows),
        "recall@100": sum(recall(*row) for row in rows) / len(rows),
        "mrr@10": sum(reciprocal_rank(*row) for row in rows) / len(rows),
    }


def _gain(gains: Sequence[float]) -> float:
    return math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _distinct(ranking: Sequence[str]) -> list[str]:
    """Several spans of one document: the best one counts."""
    return list(dict.fromkeys(ranking))
