"""What a corpus of pairs holds, for settings that depend on it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import spacy
from spacy.training import Corpus

from ..errors import CodedValueError, Errors
from .corpora import is_spacy_corpus
from .pairs import get_pair, make_pair_corpus

PAIR_READER = "spacy-bert-suite.PairCorpus.v1"
PAIR_SUFFIXES = (".jsonl", ".tsv", ".csv")
ANY = 1e9  # a highest score that no file has


@dataclass(frozen=True)
class PairSurvey:
    """labels (frozenset[str]): Classes that occur.
    highest (float | None): The highest score; None if no pair has one.
    """

    labels: frozenset[str]
    highest: float | None

    @property
    def max_score(self) -> float:
        """RETURNS (float): What `PairCorpus` divides scores by: 1, or a whole number above."""
        return 1.0 if self.highest is None or self.highest <= 1 else float(math.ceil(self.highest))


def survey(*paths: Path) -> PairSurvey:
    """Read all pairs of some files.

    paths (Path): Files as for `PairCorpus`, or `.spacy`.
    RETURNS (PairSurvey): What they hold together.
    RAISES (ValueError): If a file holds no pairs.
    """
    labels, scores = set(), []
    for path in paths:
        n_pairs = 0
        for label, score in gold_of(path):
            n_pairs += 1
            if label is not None:
                labels.add(label)
            if score is not None:
                scores.append(score)
        if not n_pairs:
            raise CodedValueError(Errors.B065.format(path=path))
    return PairSurvey(frozenset(labels), max(scores, default=None))


def gold_of(path: Path) -> Iterator[tuple[str | None, float | None]]:
    """YIELDS (tuple[str | None, float | None]): Label and score of each pair."""
    if is_spacy_corpus(path):
        for eg in Corpus(path)(spacy.blank("xx")):
            pair = get_pair(eg)
            if pair is not None:
                yield pair.label, pair.score
        return
    for _, gold in make_pair_corpus(path, ANY).read():
        score = gold["score"]
        yield gold["label"], None if score is None else round(score * ANY, 6)
