"""Titles of clusters: the words that distinguish each from the others."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import numpy
from spacy.tokens import Doc, Span, Token

from ..core.words import has_only_letters, is_one_character, pairs_of, stands_alone
from ..errors import CodedValueError, Errors
from .report import as_numbers

CHARACTER, WORD = "character", "word"


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
    """Some tokenizers part Chinese and the like into characters: two that stand side by side tell
    more than one.
    """
    for kind, tokens in groupby(doc, _kind):
        words = [unicodedata.normalize("NFC", token.lower_) for token in tokens]
        if kind == CHARACTER:
            yield from pairs_of(words)
        elif kind == WORD:
            yield from (word.replace("i\u0307", "i") for word in words)


def _kind(token: Token) -> str | None:
    if token.is_stop or not has_only_letters(token.text):
        return None
    if stands_alone(token.text):
        return CHARACTER
    return None if is_one_character(token.text) else WORD


def _best(scores: dict[str, float], n_words: int) -> Iterable[str]:
    return sorted(scores, key=lambda word: (-scores[word], word))[:n_words]
