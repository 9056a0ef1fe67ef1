"""The length of a summary: a ratio, a number of sentences, words or characters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from ...core.validation import check_config
from ...errors import CodedValueError, Errors

DEFAULT_RATIO = 0.2


@dataclass(frozen=True)
class Length:
    """One of four limits; without any, a fifth of the sentences.

    ratio (float | None): Part of the sentences, above 0 and at most 1; rounded, at least one.
    n_sentences (int | None): Number of sentences; all where there are fewer.
    max_words (int | None): Most words, as white space parts them; characters in scripts
        without spaces.
    elbow (bool): As many as the text has themes.
    RAISES (ValueError): If a value is out of range, or more than one is set.
    """

    ratio: float | None = None
    n_sentences: int | None = None
    max_words: int | None = None
    elbow: bool = False
    name: str = "bert_summarizer"

    def __post_init__(self):
        given = {
            "ratio": self.ratio,
            "n_sentences": self.n_sentences,
            "max_words": self.max_words,
            "elbow": self.elbow or None,
        }
        found = [f"{key} = {value}" for key, value in given.items() if value is not None]
        if len(found) > 1:
            raise CodedValueError(Errors.B080.format(name=self.name, found=", ".join(found)))
        is_share = self.ratio is None or 0 < self.ratio <= 1
        check_config(self.name, "ratio", self.ratio, is_share, "above 0 and at most 1")
        for key in ("n_sentences", "max_words"):
            is_right = given[key] is None or _is_count(given[key])
            check_config(self.name, key, given[key], is_right, "a whole number of at least 1")

    def choose_fitting(self, places: Sequence[int], n_words: Sequence[int]) -> list[int]:
        """places (Sequence[int]): Sentences that could be chosen.
        n_words (Sequence[int]): Words in each sentence of the text.
        RETURNS (list[int]): Those not longer than the whole summary may be; the shortest alone if
            every one is longer.
        """
        most = self.max_words or max(n_words, default=0)
        shortest = sorted(places, key=lambda i: n_words[i])[:1]
        return [i for i in places if n_words[i] <= most] or shortest

    def count(self, n_words: Sequence[int]) -> int:
        """n_words (Sequence[int]): Words in each sentence that could be chosen, at least one.
        RETURNS (int): Sentences to choose; for `max_words` about as many as will fit.
        """
        n = len(n_words)
        if self.n_sentences is not None:
            return min(n, self.n_sentences)
        if self.max_words is not None:
            return min(n, max(1, round(self.max_words / float(numpy.mean(n_words)))))
        return min(n, max(1, round(n * (self.ratio or DEFAULT_RATIO))))


def fill(order: Sequence[int], n_words: Sequence[int], max_words: int) -> list[int]:
    """Take what fits, one after the other.

    order (Sequence[int]): Sentences, the best first.
    n_words (Sequence[int]): Words in each sentence.
    max_words (int): Most words altogether.
    RETURNS (list[int]): Those taken; the shortest alone if every one is longer.
    """
    taken: list[int] = []
    left = max_words
    for i in order:
        if n_words[i] <= left:
            taken.append(i)
            left -= n_words[i]
    return taken or [min(order, key=lambda i: n_words[i])]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
