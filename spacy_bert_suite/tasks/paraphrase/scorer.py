"""Scores of cross-encoder predictions: accuracy, F1, average precision, correlation."""

from collections.abc import Callable, Sequence
from typing import (
    Any,
)

import numpy

from ...data.pairs import PairAnnotation, is_positive
from ...heads.pair_metrics import rank_binary, score_graded


def make_paraphrase_scorer() -> Callable:
    """Registered as "spacy-bert-suite.paraphrase_scorer.v1"."""
    return score_predictions


def score_predictions(
    pairs: Sequence[PairAnnotation],
    predicted: numpy.ndarray,
    *,
    labels: Sequence[str],
    mode: str,
    **cfg: Any,
) -> dict[str, float | None]:
    """Score what a cross-encoder says of pairs.

    pairs (Sequence[PairAnnotation]): With gold.
    predicted (ndarray): (n_pairs,), or (n_pairs, n_labels) in the mode "classes".
    RETURNS (dict[str, float | None]): `paraphrase_acc`; in the mode "binary" also
        `paraphrase_f` (F1 at 0.5), `paraphrase_ap` (average precision), `paraphrase_best_f` and
        `paraphrase_threshold`; in the mode "classes" also `paraphrase_macro_f`, the mean of F1
        over all labels; in the mode "graded" `paraphrase_spearman` and `paraphrase_pearson`
        instead. `paraphrase_score` is the accuracy, or the Spearman.
    """
    if mode == "graded":
        graded = score_graded(list(pairs), predicted)
        found = {key.replace("similarity", "paraphrase"): value for key, value in graded.items()}
        return {**found, "paraphrase_score": found["paraphrase_spearman"]}
    if mode == "classes":
        chosen = [labels[i] for i in predicted.argmax(axis=1)]
        return _score_classes([pair.label for pair in pairs], chosen, labels)
    gold = numpy.asarray([is_positive(pair.label) for pair in pairs], dtype=bool)
    is_chosen = predicted >= 0.5
    accuracy = float((gold == is_chosen).mean())
    scores: dict[str, float | None] = {
        "paraphrase_acc": accuracy,
        "paraphrase_f": _f1(gold, is_chosen),
        "paraphrase_score": accuracy,
    }
    ranked = rank_binary(gold, predicted) if gold.any() and not gold.all() else (None,) * 3
    keys = ("paraphrase_ap", "paraphrase_best_f", "paraphrase_threshold")
    return {**scores, **dict(zip(keys, ranked))}


def _score_classes(
    gold: Sequence[str | None], chosen: Sequence[str], labels: Sequence[str]
) -> dict[str, float | None]:
    is_gold = numpy.asarray(gold)[:, None] == numpy.asarray(labels)  # (n_pairs, n_labels)
    is_chosen = numpy.asarray(chosen)[:, None] == numpy.asarray(labels)
    accuracy = float((is_gold & is_chosen).sum() / len(gold))
    by_label = [_f1(is_gold[:, j], is_chosen[:, j]) for j in range(len(labels))]
    macro_f = float(numpy.mean(by_label))
    return {
        "paraphrase_acc": accuracy,
        "paraphrase_macro_f": macro_f,
        "paraphrase_score": accuracy,
    }


def _f1(gold: numpy.ndarray, chosen: numpy.ndarray) -> float:
    """RETURNS (float): F1 of what is chosen, (n,) bool; 0 where nothing is right."""
    return 2.0 * float((gold & chosen).sum()) / max(1, int(gold.sum() + chosen.sum()))
