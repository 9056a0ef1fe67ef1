"""ROUGE (Lin 2004): overlap of a summary with a reference, as F1 of words, pairs and sequence."""

from collections import Counter
from collections.abc import Iterable, Sequence

from ...core.words import words_of


def count_ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[i:] for i in range(n))))


def rouge_n(candidate: Sequence[str], reference: Sequence[str], n: int) -> float:
    """RETURNS (float): F1 of n-grams, each counted as often as it occurs in both."""
    found, gold = count_ngrams(candidate, n), count_ngrams(reference, n)
    return f1((found & gold).total(), found.total(), gold.total())


def rouge_l(candidate: Sequence[str], reference: Sequence[str]) -> float:
    """RETURNS (float): F1 of the longest common subsequence of the whole texts."""
    return f1(length_of_lcs(candidate, reference), len(candidate), len(reference))


def length_of_lcs(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, with a row of the table held as the bits of one
    integer (Hyyrö 2004): quick for texts of thousands of words.
    """
    places: dict[str, int] = {}
    for i, word in enumerate(a):
        places[word] = places.get(word, 0) | (1 << i)
    every = (1 << len(a)) - 1
    row = every  # a zero bit is a step in the table's row
    for word in b:
        matches = row & places.get(word, 0)
        row = ((row + matches) | (row - matches)) & every
    return len(a) - row.bit_count()


def f1(n_common: int, n_candidate: int, n_reference: int) -> float:
    return 2 * n_common / (n_candidate + n_reference) if n_common else 0.0


def score_summary(summary: str, references: Iterable[str]) -> dict[str, float]:
    """RETURNS (dict[str, float]): "rouge1", "rouge2" and "rougeL", each against the reference
    that fits best.
    """
    words = words_of(summary)
    best = {"rouge1": 0.0, "rouge2": 0.0, "rougeL": 0.0}
    for reference in references:
        gold = words_of(reference)
        found = (rouge_n(words, gold, 1), rouge_n(words, gold, 2), rouge_l(words, gold))
        for key, value in zip(best, found):
            best[key] = max(best[key], value)
    return best
