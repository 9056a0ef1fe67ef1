"""Scores of categories, and of the labels chosen by thresholds."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from spacy.scorer import PRFScore, Scorer
from spacy.training import Example


def make_textcat_scorer() -> Callable:
    """Registered as "spacy-bert-suite.textcat_scorer.v1"."""
    return score_categories


def score_categories(
    examples: Iterable[Example],
    *,
    labels: Sequence[str],
    exclusive: bool,
    threshold: float | None = None,
    **cfg: Any,
) -> dict[str, Any]:
    """spaCy's scores of `doc.cats` (`cats_*`), and F1 of the decisions in `doc._.labels`
    (`labels_micro_f`, `labels_macro_f`), which follow the tuned thresholds. The macro average
    is over all labels, as in `cats_macro_f`.
    """
    examples = list(examples)
    multi_label = not exclusive
    scores = Scorer.score_cats(
        examples, "cats", labels=labels, multi_label=multi_label, threshold=threshold
    )
    by_label = {label: PRFScore() for label in labels}
    for eg in examples:
        gold, judged = gold_decisions(eg.reference.cats, labels, exclusive)
        chosen = set(eg.predicted._.labels or [])
        for label in judged:
            by_label[label].score_set({label} & chosen, {label} & gold)
    total = PRFScore()
    for counts in by_label.values():
        total += counts
    scores["labels_micro_f"] = total.fscore
    scores["labels_macro_f"] = sum(c.fscore for c in by_label.values()) / max(1, len(by_label))
    return scores


def gold_decisions(
    cats: dict[str, float], labels: Sequence[str], exclusive: bool
) -> tuple[set[str], set[str]]:
    """RETURNS (tuple[set[str], set[str]]): The labels that are right, and those of which it is
    known whether they are: the ones that are given, or all if one excludes the others.
    """
    given = {label: cats[label] for label in labels if label in cats}
    if not exclusive:
        return {label for label, value in given.items() if value >= 0.5}, set(given)
    best = max(given, key=given.__getitem__, default=None)
    if best is None or not given[best] > 0:
        return set(), set(given)
    return {best}, set(labels)
