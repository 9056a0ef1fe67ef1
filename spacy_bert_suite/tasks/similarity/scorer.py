"""Scores of cosines against gold pairs: correlation, average precision, F1, accuracy."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy
from spacy.training import Example

from ...data.pairs import PairAnnotation, get_pair, is_positive
from ...heads.pair_metrics import rank_binary, score_graded
from ...vectors.norms import unit

Encode = Callable[[Sequence[str]], numpy.ndarray]


def score_pairs(
    examples: Iterable[Example], *, encode: Encode, **cfg: Any
) -> dict[str, float | None]:
    """Score the cosines of pairs.

    examples (Iterable[Example]): Whose predicted docs have vectors; the rest is encoded here.
    encode (Callable): Vectors of texts, (n, width).
    RETURNS (dict[str, float | None]): For pairs with scores, `similarity_spearman` and
        `similarity_pearson` (-1 to 1). For pairs of two classes, average precision
        `similarity_ap`, and with the best threshold, `similarity_threshold`, their F1,
        `similarity_f`. For anchors with positives, `similarity_acc`: how often the positive is
        nearer than all the other examples' (and than the example's own negatives).
        `similarity_score` is the first of spearman, ap and acc that there is.
    """
    examples = list(examples)
    pairs = [pair for eg in examples if (pair := get_pair(eg)) is not None]
    others = unit(encode([text for pair in pairs for text in pair.others]))
    offsets = numpy.cumsum([0] + [len(pair.others) for pair in pairs])[:-1]
    anchors = unit(numpy.stack([vector_of(eg, encode) for eg in examples]))
    cosines = (anchors * others[offsets]).sum(axis=1)
    scores = {**score_graded(pairs, cosines), **_score_binary(pairs, cosines)}
    plain = numpy.asarray([i for i, p in enumerate(pairs) if p.score is None and p.label is None])
    scores["similarity_acc"] = _accuracy(anchors, others, offsets, plain) if len(plain) else None
    order = ("similarity_spearman", "similarity_ap", "similarity_acc")
    scores["similarity_score"] = next((scores[k] for k in order if scores[k] is not None), None)
    return scores


def vector_of(eg: Example, encode: Encode) -> numpy.ndarray:
    embedding = eg.predicted._.embedding
    return encode([eg.predicted.text])[0] if embedding is None else embedding


def _score_binary(pairs: list[PairAnnotation], cosines: numpy.ndarray) -> dict[str, float | None]:
    rows = [i for i, pair in enumerate(pairs) if pair.label is not None]
    gold = numpy.asarray([is_positive(pairs[i].label) for i in rows], dtype=bool)
    keys = ("similarity_ap", "similarity_f", "similarity_threshold")
    if not gold.any() or gold.all():
        return dict.fromkeys(keys)
    return dict(zip(keys, rank_binary(gold, cosines[rows])))


def _accuracy(
    anchors: numpy.ndarray, others: numpy.ndarray, offsets: numpy.ndarray, rows: numpy.ndarray
) -> float:
    """Share of anchors whose positive is the nearest of all positives and its own negatives."""
    positives = others[offsets[rows]]
    similarity = anchors[rows] @ positives.T
    own = similarity.diagonal()
    # Two examples may share a positive: an equal score is no error.
    is_best = (own >= similarity.max(axis=1) - 1e-6).astype(bool)
    ends = numpy.append(offsets[1:], len(others))
    for place, row in enumerate(rows):
        negatives = others[offsets[row] + 1 : ends[row]]
        if len(negatives):
            is_best[place] &= bool(own[place] > (negatives @ anchors[row]).max())
    return float(is_best.mean())


def make_similarity_scorer() -> Callable:
    """Registered as "spacy-bert-suite.similarity_scorer.v1"."""
    return score_pairs
