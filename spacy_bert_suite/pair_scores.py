"""How well cosines agree with what people say about pairs."""

from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence

import numpy
from spacy.training import Example

from .pairs import Pair, get_pair, is_positive
from .vectors import unit

Encode = Callable[[Sequence[str]], numpy.ndarray]


def score_pairs(
    examples: Iterable[Example], *, encode: Encode, **cfg: Any
) -> Dict[str, Optional[float]]:
    """Score the cosines of pairs.

    examples (Iterable[Example]): Whose predicted docs have vectors; the rest is encoded here.
    encode (Callable): Vectors of texts, (n, width).
    RETURNS (Dict[str, Optional[float]]): For pairs with scores, `similarity_spearman` and
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
    scores = {**_score_graded(pairs, cosines), **_score_binary(pairs, cosines)}
    plain = numpy.asarray([i for i, p in enumerate(pairs) if p.score is None and p.label is None])
    scores["similarity_acc"] = _accuracy(anchors, others, offsets, plain) if len(plain) else None
    order = ("similarity_spearman", "similarity_ap", "similarity_acc")
    scores["similarity_score"] = next((scores[k] for k in order if scores[k] is not None), None)
    return scores


def vector_of(eg: Example, encode: Encode) -> numpy.ndarray:
    embedding = eg.predicted._.embedding
    return encode([eg.predicted.text])[0] if embedding is None else embedding


def _score_graded(pairs: List[Pair], cosines: numpy.ndarray) -> Dict[str, Optional[float]]:
    from scipy.stats import pearsonr, spearmanr

    rows = [i for i, pair in enumerate(pairs) if pair.score is not None]
    gold = numpy.asarray([pairs[i].score for i in rows])
    if len(set(gold.tolist())) < 2 or len(set(cosines[rows].tolist())) < 2:
        return {"similarity_spearman": None, "similarity_pearson": None}
    return {
        "similarity_spearman": float(spearmanr(gold, cosines[rows])[0]),
        "similarity_pearson": float(pearsonr(gold, cosines[rows])[0]),
    }


def _score_binary(pairs: List[Pair], cosines: numpy.ndarray) -> Dict[str, Optional[float]]:
    rows = [i for i, pair in enumerate(pairs) if pair.label is not None]
    gold = numpy.asarray([is_positive(pairs[i].label) for i in rows], dtype=bool)
    keys = ("similarity_ap", "similarity_f", "similarity_threshold")
    if not gold.any() or gold.all():
        return dict.fromkeys(keys)
    return dict(zip(keys, rank_binary(gold, cosines[rows])))


def score_predictions(
    pairs: Sequence[Pair], predicted: numpy.ndarray, *, labels: Sequence[str], mode: str, **cfg: Any
) -> Dict[str, Optional[float]]:
    """Score what a cross-encoder says of pairs.

    pairs (Sequence[Pair]): With gold.
    predicted (ndarray): (n_pairs,), or (n_pairs, n_labels) in the mode "classes".
    RETURNS (Dict[str, Optional[float]]): `paraphrase_acc`; in the mode "binary" also
        `paraphrase_f` (F1 at 0.5), `paraphrase_ap` (average precision), `paraphrase_best_f` and
        `paraphrase_threshold`; in the mode "classes" also `paraphrase_macro_f`, the mean of F1
        over all labels; in the mode "graded" `paraphrase_spearman` and `paraphrase_pearson`
        instead. `paraphrase_score` is the accuracy, or the Spearman.
    """
    if mode == "graded":
        graded = _score_graded(list(pairs), predicted)
        found = {key.replace("similarity", "paraphrase"): value for key, value in graded.items()}
        return {**found, "paraphrase_score": found["paraphrase_spearman"]}
    if mode == "classes":
        chosen = [labels[i] for i in predicted.argmax(axis=1)]
        return _score_classes([pair.label for pair in pairs], chosen, labels)
    gold = numpy.asarray([is_positive(pair.label) for pair in pairs], dtype=bool)
    is_chosen = predicted >= 0.5
    accuracy = float((gold == is_chosen).mean())
    scores: Dict[str, Optional[float]] = {
        "paraphrase_acc": accuracy,
        "paraphrase_f": _f1(gold, is_chosen),
        "paraphrase_score": accuracy,
    }
    ranked = rank_binary(gold, predicted) if gold.any() and not gold.all() else (None,) * 3
    keys = ("paraphrase_ap", "paraphrase_best_f", "paraphrase_threshold")
    return {**scores, **dict(zip(keys, ranked))}


def _score_classes(
    gold: Sequence[Optional[str]], chosen: Sequence[str], labels: Sequence[str]
) -> Dict[str, Optional[float]]:
    is_gold = numpy.asarray(gold)[:, None] == numpy.asarray(labels)  # (n_pairs, n_labels)
    is_chosen = numpy.asarray(chosen)[:, None] == numpy.asarray(labels)
    accuracy = float((is_gold & is_chosen).sum() / len(gold))
    by_label = [_f1(is_gold[:, j], is_chosen[:, j]) for j in range(len(labels))]
    macro_f = float(numpy.mean(by_label))
    return {
        "paraphrase_acc": accuracy,
        "paraphrase_macro_f": macro_f,
        "paraphrase_score": accuracy,
    }


def _f1(gold: numpy.ndarray, chosen: numpy.ndarray) -> float:
    """RETURNS (float): F1 of what is chosen, (n,) bool; 0 where nothing is right."""
    return 2.0 * float((gold & chosen).sum()) / max(1, int(gold.sum() + chosen.sum()))


def rank_binary(gold: numpy.ndarray, scores: numpy.ndarray) -> "tuple[float, float, float]":
    """RETURNS (Tuple[float, float, float]): Average precision, the best F1 over all thresholds,
    and the threshold that gives it, half way between two scores.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve

    precision, recall, thresholds = precision_recall_curve(gold, scores)
    total = numpy.maximum(precision + recall, 1e-12)
    f1 = (2 * precision * recall / total)[:-1]
    best = int(f1.argmax())
    below = scores[scores < thresholds[best]]
    threshold = (thresholds[best] + below.max()) / 2 if len(below) else thresholds[best]
    return float(average_precision_score(gold, scores)), float(f1[best]), float(threshold)


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
