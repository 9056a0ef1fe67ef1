"""Scores of sentiment."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy
from spacy.scorer import PRFScore
from spacy.training import Example


def make_sentiment_scorer() -> Callable:
    """Registered as "spacy-bert-suite.sentiment_scorer.v1"."""
    return score_sentiment


def score_sentiment(
    examples: Iterable[Example], *, labels: Sequence[str], **cfg: Any
) -> dict[str, Any]:
    """Accuracy (`sentiment_acc`), macro F1 (`sentiment_macro_f`), F1 by label
    (`sentiment_f_per_type`) and mean absolute error of the polarity (`sentiment_mae`). A doc
    without a prediction is wrong, and left out of the last.
    """
    polarity = cfg["polarity"]
    by_label = {label: PRFScore() for label in labels}
    hits, errors = [], []
    for eg in examples:
        cats = {label: eg.reference.cats.get(label, 0.0) for label in labels}
        gold = max(labels, key=cats.__getitem__)
        predicted = eg.predicted._.sentiment or {}
        chosen = {predicted.get("label")}
        hits.append(gold in chosen)
        if predicted:
            errors.append(abs(predicted["polarity"] - polarity[gold]))
        for label, counts in by_label.items():
            counts.score_set({label} & chosen, {label} & {gold})
    return {
        "sentiment_acc": float(numpy.mean(hits)),
        "sentiment_macro_f": float(numpy.mean([c.fscore for c in by_label.values()])),
        "sentiment_f_per_type": {label: c.to_dict() for label, c in by_label.items()},
        "sentiment_mae": float(numpy.mean(errors)) if errors else None,
    }
