"""Metrics of scored pairs: correlation with graded gold, ranking of two classes."""

import numpy

from ..data.pairs import PairAnnotation


def score_graded(pairs: list[PairAnnotation], cosines: numpy.ndarray) -> dict[str, float | None]:
    from scipy.stats import pearsonr, spearmanr

    rows = [i for i, pair in enumerate(pairs) if pair.score is not None]
    gold = numpy.asarray([pairs[i].score for i in rows])
    if len(set(gold.tolist())) < 2 or len(set(cosines[rows].tolist())) < 2:
        return {"similarity_spearman": None, "similarity_pearson": None}
    return {
        "similarity_spearman": float(spearmanr(gold, cosines[rows])[0]),
        "similarity_pearson": float(pearsonr(gold, cosines[rows])[0]),
    }


def rank_binary(gold: numpy.ndarray, scores: numpy.ndarray) -> "tuple[float, float, float]":
    """RETURNS (tuple[float, float, float]): Average precision, the best F1 over all thresholds,
    and the threshold that gives it, half way between two scores.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve

    precision, recall, thresholds = precision_recall_curve(gold, scores)
    total = numpy.maximum(precision + recall, 1e-12)
    f1 = (2 * precision * recall / total)[:-1]
    best = int(f1.argmax())
    below = scores[scores < thresholds[best]]
    threshold = (thresholds[best] + below.max()) / 2 if len(below) else thresholds[best]
    return float(average_precision_score(gold, scores)), float(f1[best]), float(threshold)
