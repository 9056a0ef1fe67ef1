"""Titles of clusters: the words that distinguish each from the others."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy
from spacy.tokens import Doc, Span, Token

from ..errors import CodedValueError, Errors
from .report import as_numbers


def cluster_titles(
    docs: Sequence[Doc | Span], labels: Sequence[int], n_words: int = 5
) -> list[str]:
    """RETURNS (list[str]): For every cluster from 0, its best words, separated by commas."""
    if len(docs) != len(labels):
        raise CodedValueError(Errors.B145.format(found=len(labels), what="labels", n=len(docs)))
    numbers = as_numbers(labels)
    counts: list[Counter] = [Counter() for _ in range(numbers.max(initial=-1) + 1)]
    for doc, label in zip(docs, numbers.tolist()):
        if label >= 0:
            counts[label].update(_words(doc))
    return [", ".join(_best(scores, n_words)) for scores in class_tfidf(counts)]


def class_tfidf(counts: Sequence[dict[str, int]]) -> list[dict[str, float]]:
    """Weigh words by how much they stand for a class (Grootendorst 2022, arXiv 2203.05794).

    counts (Sequence[dict[str, int]]): Words of each class.
    RETURNS (list[dict[str, float]]): For every class tf * log(1 + A / f): tf the word's share of
        its words, f the word's count in all classes, A the average number of words of a class.
    """
    totals = [sum(words.values()) for words in counts]
    average = sum(totals) / max(1, len(totals))
    everywhere: Counter = Counter()
    for words in counts:
        everywhere.update(words)
    return [
        {word: n / total * float(numpy.log1p(average / everywhere[word])) for word, n in c.items()}
        for c, total in zip(counts, totals)
    ]


def _words(doc: Doc | Span) -> Iterator[str]:
    return (token.lower_ for token in doc if _tells(token))


def _tells(token: Token) -> bool:
    return token.is_alpha and not token.is_stop and len(token) > 1


def _best(scores: dict[str, float], n_words: int) -> Iterable[str]:
    return sorted(scores, key=lambda word: (-scores[word], word))[:n_words]
