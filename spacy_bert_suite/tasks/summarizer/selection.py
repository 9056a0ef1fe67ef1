"""Sentence selection: from vectors or scores to the sentences of a summary."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy

from ...core.words import chunks_of, words_of
from .centrality import choose_by_mmr, measure_centrality
from .clusters import choose_closest, cluster, count_by_elbow, find_knee
from .length import Length, fill
from .sentences import choose_usable

# From places of sentences, and how many of them to choose (None: find out), to the scores of all
# sentences and the places in order, the best first; only as many as to choose if that was open.
Rank = Callable[[numpy.ndarray, int | None], tuple[numpy.ndarray, Sequence[int]]]


class Choice(NamedTuple):
    """scores (ndarray): How well each sentence stands for the doc, (n_sentences,) float32.
    chosen (list[int]): The summary, in the order of the doc.
    """

    scores: numpy.ndarray
    chosen: list[int]


@dataclass(frozen=True)
class Settings:
    """How sentences are chosen.

    length (Length): How many.
    min_words (int): Shorter sentences are taken only where the others do not suffice. Words are
        counted as for `Length`.
    lead_weight (float): What the first sentence gets on top; it falls with the logarithm of the
        place. For "kmeans" and "centrality", whose scores are cosines.
    center_weight (float): For "kmeans": share of the doc's center, from 0 to 1, in the point whose
        closest sentence stands for a cluster; 0 is the cluster's own center, as in Miller 2019.
    keep_first (bool): For "kmeans": a summary of two or more sentences has the first one.
    diversity (float): For "centrality": how much likeness to a chosen sentence counts against
        another, from 0 to 1.
    trigram_blocking (bool): For "trained": leave out a sentence that has three words in a row in
        common with one that is chosen already.
    """

    length: Length = field(default_factory=Length)
    min_words: int = 5
    lead_weight: float = 0.2
    center_weight: float = 0.5
    keep_first: bool = True
    diversity: float = 0.3
    trigram_blocking: bool = True


def choose_by_clusters(vectors: numpy.ndarray, texts: Sequence[str], settings: Settings) -> Choice:
    """The sentence closest to the center of each cluster (Miller 2019), or to a point between that
    and the center of the doc.

    vectors (ndarray): Of all sentences of a doc, (n_sentences, width).
    texts (Sequence[str]): Of all sentences.
    RETURNS (Choice): Scores are the cosine of each sentence with the closest center.
    """
    units = to_units(vectors)
    bonus = settings.lead_weight * lead_prior(len(texts))

    def rank(places, count):
        n = count or count_by_elbow(units[places])
        n_kept = int(settings.keep_first and n > 1)
        rest = places[n_kept:]
        clusters = cluster(units[rest], n - n_kept)
        # Both members of a pair are as close to its center, so the center of the doc decides.
        share = settings.center_weight
        points = (1 - share) * clusters.centers + share * units[rest].mean(axis=0)
        closeness = units[rest] @ to_units(points).T + bonus[rest, None]  # (n_rest, n_clusters)
        closest = rest[choose_closest(closeness, clusters.labels)]
        chosen = numpy.concatenate([places[:n_kept], closest])
        scores = (units @ to_units(clusters.centers).T).max(axis=1)
        return scores, with_rest(chosen, places, scores) if count else chosen

    return choose(texts, settings, rank)


def choose_by_centrality(
    vectors: numpy.ndarray, texts: Sequence[str], settings: Settings
) -> Choice:
    """What is like all other sentences, and not like those that are chosen.

    RETURNS (Choice): Scores are the mean cosine of each sentence with the others.
    """
    units = to_units(vectors)
    scores = measure_centrality(units)
    relevance = scores + settings.lead_weight * lead_prior(len(texts))

    def rank(places, count):
        own = relevance[places]
        n = count or count_by_knee(own)
        chosen = places[choose_by_mmr(units[places], own, n, settings.diversity)]
        return scores, with_rest(chosen, places, scores) if count else chosen

    return choose(texts, settings, rank)


def choose_by_scores(scores: numpy.ndarray, texts: Sequence[str], settings: Settings) -> Choice:
    """The sentences with the highest scores, as in BertSumExt (Liu and Lapata 2019).

    scores (ndarray): Of all sentences of a doc, (n_sentences,).
    RETURNS (Choice): With the scores as they were given.
    """

    def rank(places, count):
        order = long_first(places[numpy.argsort(-scores[places], kind="stable")], texts, settings)
        if settings.trigram_blocking:
            order = [order[i] for i in without_repeats([texts[i] for i in order])]
        return scores, order if count else order[: count_by_knee(scores[places])]

    return choose(texts, settings, rank)


def choose(texts: Sequence[str], settings: Settings, rank: Rank) -> Choice:
    """Leave out white space, repeated sentences and what is too long, and keep to the length."""
    n_words = [len(chunks_of(text)) for text in texts]
    length = settings.length
    usable = length.choose_fitting(choose_usable(texts), n_words)
    if not usable:
        return Choice(numpy.zeros(len(texts), dtype="float32"), [])
    count = None if length.elbow else length.count([n_words[i] for i in usable])
    long_enough = [i for i in usable if n_words[i] >= settings.min_words]
    places = long_enough if len(long_enough) >= (count or 1) else usable
    scores, order = rank(numpy.asarray(places), count)
    ordered = long_first(order, texts, settings)
    if length.max_words is not None:
        return Choice(scores, sorted(fill(ordered, n_words, length.max_words)))
    return Choice(scores, sorted(ordered[:count]))


def long_first(order: Sequence[int], texts: Sequence[str], settings: Settings) -> list[int]:
    """RETURNS (list[int]): The same order, with those of less than `min_words` at the end."""
    places = [int(i) for i in order]
    return sorted(places, key=lambda i: len(chunks_of(texts[i])) < settings.min_words)


def with_rest(chosen: numpy.ndarray, places: numpy.ndarray, scores: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (ndarray): Those chosen, and then the other places by their scores."""
    rest = numpy.setdiff1d(places, chosen)
    return numpy.concatenate([chosen, rest[numpy.argsort(-scores[rest], kind="stable")]])


def without_repeats(texts: Sequence[str]) -> list[int]:
    """RETURNS (list[int]): Those that share no three words in a row with one that is kept."""
    seen: set[tuple[str, ...]] = set()
    kept = []
    for i, text in enumerate(texts):
        words = words_of(text)
        trigrams = set(zip(words, words[1:], words[2:]))
        if not trigrams & seen:
            kept.append(i)
            seen |= trigrams
    return kept


def count_by_knee(scores: numpy.ndarray) -> int:
    """RETURNS (int): How many stand out from the rest."""
    return max(1, find_knee(sorted(scores.tolist(), reverse=True)))


def lead_prior(n: int) -> numpy.ndarray:
    """RETURNS (ndarray): 1 for the first sentence, 0.63 for the second, 0.5 for the third ..."""
    return (1 / numpy.log2(2 + numpy.arange(n))).astype("float32")


def to_units(vectors: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (ndarray): Vectors of length one; zero where there is nothing to measure."""
    finite = numpy.nan_to_num(vectors.astype("float64"), posinf=0.0, neginf=0.0)
    lengths = numpy.linalg.norm(finite, axis=1, keepdims=True)
    return (finite / numpy.maximum(lengths, 1e-12)).astype("float32")
