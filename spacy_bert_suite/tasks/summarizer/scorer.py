"""ROUGE of summaries against references."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy
from spacy.training import Example

from .gold import references_of
from .rouge import score_summary


def make_summary_scorer() -> Callable:
    """Registered as "spacy-bert-suite.summary_scorer.v1"."""
    return score_summaries


def score_summaries(
    examples: Iterable[Example], *, spans_key: str = "summary", **cfg: Any
) -> dict[str, Any]:
    """F1 of ROUGE-1, ROUGE-2 and ROUGE-L against the reference that fits best, the mean over the
    docs (`summary_rouge1`, `summary_rouge2`, `summary_rougeL`); nothing without references.
    """
    scores = []
    for eg in examples:
        references = references_of(eg, spans_key)
        if references:
            scores.append(score_summary(eg.predicted._.summary or "", references))
    if not scores:
        return {}
    return {
        f"summary_{key}": float(numpy.mean([score[key] for score in scores])) for key in scores[0]
    }
