"""Scores of pretraining on development text."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from .losses import Outcome, Tally


def total(outcomes: Iterable[Outcome]) -> Outcome:
    """RETURNS (Outcome): That of all batches together."""
    outcomes = list(outcomes)
    words = add(outcome.words for outcome in outcomes)
    pairs = add(outcome.pairs for outcome in outcomes)
    return Outcome(words, pairs, words.mean_loss + pairs.mean_loss)


def add(tallies: Iterable[Tally]) -> Tally:
    columns = list(zip(*tallies))
    return Tally(*map(sum, columns)) if columns else Tally(0, 0.0, 0)


def make_pretraining_scorer() -> Callable:
    """Registered as "spacy-bert-suite.pretraining_scorer.v1"."""
    return score_outcome


def score_outcome(outcome: Outcome, **cfg: Any) -> dict[str, float | None]:
    """RETURNS (dict[str, float | None]): `mlm_loss`, mean cross-entropy of masked wordpieces in
    nats; `mlm_perplexity`, the exponential of it (pseudo-perplexity); `mlm_accuracy`, share of
    them for which the right one is the most probable; `nsp_accuracy`, share of the pairs that are
    told right, None where there are none.
    """
    words, pairs = outcome.words, outcome.pairs
    return {
        "mlm_accuracy": words.n_right / words.n if words.n else None,
        "mlm_loss": words.mean_loss if words.n else None,
        "mlm_perplexity": math.exp(min(words.mean_loss, 700.0)) if words.n else None,
        "nsp_accuracy": pairs.n_right / pairs.n if pairs.n else None,
    }
