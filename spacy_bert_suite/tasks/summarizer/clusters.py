"""Sentence selection by k-means: the sentence nearest to each centroid (Miller 2019)."""

import warnings
from typing import NamedTuple

import numpy

MAX_ROUNDS = 50
MAX_ELBOW = 20  # clusters tried for the elbow


class Clusters(NamedTuple):
    """centers (ndarray): (k, width); labels (ndarray): cluster of each vector, (n,);
    inertia (float): sum of the squared distances of vectors from their centers.
    """

    centers: numpy.ndarray
    labels: numpy.ndarray
    inertia: float


def cluster(vectors: numpy.ndarray, k: int, seed: int = 0) -> Clusters:
    """K-means of scikit-learn with greedy k-means++ starts (Arthur and Vassilvitskii 2007), on one
    thread: several would add up in any order, and a last digit can turn a cluster over.

    vectors (ndarray): (n, width) float32, n at least 1.
    k (int): Clusters, from 1 to n.
    seed (int): Of the starts: the same vectors always give the same clusters.
    RETURNS (Clusters): None of them is empty.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of empty ones
        found = KMeans(k, n_init=1, max_iter=MAX_ROUNDS, random_state=seed).fit(vectors)
    _fill_empty(found.labels_, found.cluster_centers_, vectors)
    return Clusters(found.cluster_centers_, found.labels_, float(found.inertia_))


def _fill_empty(labels: numpy.ndarray, centers: numpy.ndarray, vectors: numpy.ndarray) -> None:
    """Where fewer vectors are different than there are clusters, share out the copies."""
    sizes = numpy.bincount(labels, minlength=len(centers))
    for empty in numpy.flatnonzero(sizes == 0):
        largest = int(sizes.argmax())
        moved = numpy.flatnonzero(labels == largest)[-1]
        labels[moved], centers[empty] = empty, vectors[moved]
        sizes[largest] -= 1
        sizes[empty] = 1


def choose_closest(closeness: numpy.ndarray, labels: numpy.ndarray) -> list[int]:
    """closeness (ndarray): Of each vector to each center, (n, k).
    labels (ndarray): Cluster of each vector, (n,).
    RETURNS (list[int]): The closest member of each cluster, from the largest cluster to the
        smallest.
    """
    sizes = numpy.bincount(labels)
    chosen = []
    for k in numpy.argsort(-sizes, kind="stable"):
        members = numpy.flatnonzero(labels == k)
        chosen.append(int(members[closeness[members, k].argmax()]))
    return chosen


def count_by_elbow(vectors: numpy.ndarray) -> int:
    """RETURNS (int): The number of clusters at which the inertia stops falling fast."""
    most = min(len(vectors), MAX_ELBOW)
    return find_knee([cluster(vectors, k).inertia for k in range(1, most + 1)]) + 1


def find_knee(values: list[float]) -> int:
    """RETURNS (int): Where a falling curve is farthest below the line from its first point to its
    last (Satopää et al. 2011).
    """
    curve = numpy.asarray(values, dtype="float64")
    if len(curve) < 3:
        return 0
    line = numpy.linspace(curve[0], curve[-1], len(curve))
    return int((line - curve).argmax())
