"""Quality of clusters: internal measures, and agreement with gold labels."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy

from ..core.validation import check
from ..errors import CodedValueError, Errors
from ..vectors.matrix import Items, as_matrix
from ..vectors.norms import normalised

Labels = Sequence[int] | numpy.ndarray
MOST_COMPARED = 2000  # vectors that a silhouette compares with each other


def clustering_report(
    items: Items,
    labels: Labels,
    gold: Sequence[Any] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Judge clusters.

    items (Items): Docs, spans or vectors.
    labels (Labels): Cluster of each, -1 for none.
    gold (Sequence[Any] | None): What each really is.
    RETURNS (dict[str, Any]): "n_clusters", "n_unclustered", "silhouette" (of a sample, by cosine;
        None below two clusters), and with gold "purity", "homogeneity", "completeness" and
        "v_measure" (Rosenberg and Hirschberg 2007); items without cluster count as one more.
    RAISES (ValueError): If there are more or fewer labels than items.
    """
    vectors = normalised(as_matrix(items))
    numbers = as_numbers(labels)
    _check_length("labels", len(numbers), len(vectors))
    clustered = numbers >= 0
    silhouette = mean_silhouette(vectors[clustered], numbers[clustered], seed)
    report: dict[str, Any] = {
        "n_clusters": len(numpy.unique(numbers[clustered])),
        "n_unclustered": int((~clustered).sum()),
    }
    report["silhouette"] = None if numpy.isnan(silhouette) else silhouette
    if gold is not None:
        _check_length("gold labels", len(gold), len(vectors))
        report.update(_against(gold, numbers))
    return report


def as_numbers(labels: Labels) -> numpy.ndarray:
    """RETURNS (ndarray): Labels of clusters, (n,).
    RAISES (ValueError): If they are not whole numbers.
    """
    numbers = numpy.asarray(labels)
    is_right = numbers.ndim == 1 and (numbers.dtype.kind in "iuf" or not len(numbers))
    is_right = is_right and bool((numbers == numbers.astype("int64")).all())
    found = numbers.ravel()[:3].tolist()
    check("labels", [*found, ...], is_right, "a list of whole numbers, -1 for none")
    return numbers.astype("int64")


def _check_length(what: str, found: int, n: int) -> None:
    if found != n:
        raise CodedValueError(Errors.B145.format(found=found, what=what, n=n))


def _against(gold: Sequence[Any], labels: numpy.ndarray) -> dict[str, float]:
    of_both = _entropy(list(zip(gold, labels.tolist())))
    of_gold, of_labels = _entropy(gold), _entropy(labels.tolist())
    homogeneity = 1 - (of_both - of_labels) / of_gold if of_gold else 1.0
    completeness = 1 - (of_both - of_gold) / of_labels if of_labels else 1.0
    total = homogeneity + completeness
    return {
        "purity": purity(gold, labels),
        "homogeneity": homogeneity,
        "completeness": completeness,
        "v_measure": 2 * homogeneity * completeness / total if total > 0 else 0.0,
    }


def _entropy(values: Sequence[Any]) -> float:
    shares = numpy.array(list(Counter(values).values())) / max(1, len(values))
    return float(-(shares * numpy.log(shares)).sum())


def purity(gold: Sequence[Any], labels: Labels) -> float:
    """RETURNS (float): Share of items whose gold label is the commonest of their cluster."""
    members: dict[int, Counter] = {}
    for label, name in zip(as_numbers(labels).tolist(), gold):
        members.setdefault(label, Counter())[name] += 1
    n_right = sum(max(counts.values()) for counts in members.values())
    return n_right / len(gold) if len(gold) else 0.0


def mean_silhouette(vectors: numpy.ndarray, labels: numpy.ndarray, seed: int) -> float:
    """RETURNS (float): By cosine (Rousseeuw 1987), of at most `MOST_COMPARED` unit vectors; nan
    where it is not defined: below two clusters, or all of them with one item.
    """
    from sklearn.metrics import silhouette_score

    if len(vectors) > MOST_COMPARED:
        rng = numpy.random.default_rng(seed)
        rows = rng.choice(len(vectors), MOST_COMPARED, replace=False)
        vectors, labels = vectors[rows], labels[rows]
    if not 2 <= len(numpy.unique(labels)) < len(labels):
        return float("nan")
    return float(silhouette_score(vectors, labels, metric="cosine"))
