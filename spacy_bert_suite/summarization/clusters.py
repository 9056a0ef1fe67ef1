"""K-means over sentence vectors, and the sentence that stands for each cluster (Miller 2019).

scikit-learn's `KMeans` gives the same clusters, but takes longer to start than BERT takes to read
an article; a text is clustered at every call, so this is a few lines of numpy instead.
"""

from typing import List, NamedTuple, Optional

import numpy

MAX_ROUNDS = 50
MAX_ELBOW = 20  # clusters tried for the elbow
MOST_SINGLE = 100  # starts that are chosen one by one


class Clusters(NamedTuple):
    """centers (ndarray): (k, width); labels (ndarray): cluster of each vector, (n,);
    inertia (float): sum of the squared distances of vectors from their centers.
    """

    centers: numpy.ndarray
    labels: numpy.ndarray
    inertia: float


def cluster(vectors: numpy.ndarray, k: int, seed: int = 0) -> Clusters:
    """K-means with greedy k-means++ starts (Arthur and Vassilvitskii 2007).

    vectors (ndarray): (n, width) float32, n at least 1.
    k (int): Clusters, from 1 to n.
    seed (int): Of the starts: the same vectors always give the same clusters.
    RETURNS (Clusters): None of them is empty.
    """
    centers = vectors[_starts(vectors, k, numpy.random.default_rng(seed))]
    labels = numpy.full(len(vectors), -1)
    squares = (vectors**2).sum(axis=1)
    for _ in range(MAX_ROUNDS):
        distances = squared_distances(vectors, centers, squares)
        nearest = distances.argmin(axis=1)
        _fill_empty(nearest, distances, k)
        if (nearest == labels).all():
            break
        labels = nearest
        centers = _means(vectors, labels, k)
    own = ((vectors - centers[labels]) ** 2).sum(axis=1)
    return Clusters(centers, labels, float(own.sum()))


def choose_closest(closeness: numpy.ndarray, labels: numpy.ndarray) -> List[int]:
    """closeness (ndarray): Of each vector to each center, (n, k).
    labels (ndarray): Cluster of each vector, (n,).
    RETURNS (List[int]): The closest member of each cluster, from the largest cluster to the
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


def find_knee(values: List[float]) -> int:
    """RETURNS (int): Where a falling curve is farthest below the line from its first point to its
    last (Satopää et al. 2011).
    """
    curve = numpy.asarray(values, dtype="float64")
    if len(curve) < 3:
        return 0
    line = numpy.linspace(curve[0], curve[-1], len(curve))
    return int((line - curve).argmax())


def squared_distances(
    vectors: numpy.ndarray, centers: numpy.ndarray, squares: Optional[numpy.ndarray] = None
) -> numpy.ndarray:
    """squares (Optional[ndarray]): Squared lengths of the vectors, if they are known.
    RETURNS (ndarray): (n_vectors, n_centers).
    """
    squares = (vectors**2).sum(axis=1) if squares is None else squares
    distances = vectors @ (-2 * centers.T)
    distances += squares[:, None]
    distances += (centers**2).sum(axis=1)
    return numpy.maximum(distances, 0.0, out=distances)


def _starts(vectors: numpy.ndarray, k: int, rng: numpy.random.Generator) -> List[int]:
    """Each start is the best of a few drawn by their squared distance from the nearest so far; when
    there are many, further ones are drawn in groups.
    """
    squares = (vectors**2).sum(axis=1)
    starts = [int(rng.integers(len(vectors)))]
    nearest = squared_distances(vectors, vectors[starts], squares)[:, 0]
    while len(starts) < k:
        nearest[starts] = 0.0
        if nearest.sum(dtype="float64") <= 0:  # what is left is like the starts
            others = numpy.setdiff1d(numpy.arange(len(vectors)), starts)
            return [*starts, *others[: k - len(starts)].tolist()]
        if len(starts) < MOST_SINGLE:
            drawn = _draw(nearest, 2 + int(numpy.log(k)), rng)
            left = squared_distances(vectors, vectors[drawn], squares)
            left = numpy.minimum(left, nearest[:, None], out=left)
            best = int(left.sum(axis=0).argmin())
            starts.append(int(drawn[best]))
            nearest = left[:, best]
        else:
            n_left = min(len(starts) // 10, k - len(starts))
            drawn = numpy.unique(_draw(nearest, n_left, rng))
            left = squared_distances(vectors, vectors[drawn], squares).min(axis=1)
            starts.extend(drawn.tolist())
            nearest = numpy.minimum(nearest, left)
    return starts


def _draw(weights: numpy.ndarray, n: int, rng: numpy.random.Generator) -> numpy.ndarray:
    """RETURNS (ndarray): Places with a weight above 0, by their weights. (n,) int64"""
    sums = numpy.cumsum(weights, dtype="float64")
    places = sums.searchsorted(rng.random(n) * sums[-1], side="right")
    # Rounding may lead past the end; the farthest is always a fair start.
    places = numpy.where(weights[places.clip(max=len(weights) - 1)] > 0, places, -1)
    places[places < 0] = weights.argmax()
    return places


def _fill_empty(labels: numpy.ndarray, distances: numpy.ndarray, k: int) -> None:
    """Give every empty cluster the vector that is farthest from its own center."""
    sizes = numpy.bincount(labels, minlength=k)
    for empty in numpy.flatnonzero(sizes == 0):
        own = numpy.take_along_axis(distances, labels[:, None], axis=1)[:, 0]
        own[sizes[labels] < 2] = -1.0
        moved = int(own.argmax())
        sizes[labels[moved]] -= 1
        labels[moved] = empty
        sizes[empty] = 1


def _means(vectors: numpy.ndarray, labels: numpy.ndarray, k: int) -> numpy.ndarray:
    order = numpy.argsort(labels, kind="stable")
    sizes = numpy.bincount(labels, minlength=k)
    sums = numpy.add.reduceat(vectors[order], numpy.cumsum(sizes) - sizes, axis=0)
    return sums / sizes[:, None].astype(vectors.dtype)
