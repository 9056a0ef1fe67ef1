"""Clustering methods: k-means, agglomerative, HDBSCAN and communities."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy

from ..core.forks import is_fork
from ..core.validation import check, whole, whole_or_none
from ..vectors.matrix import Items, as_matrix
from ..vectors.norms import normalised
from .communities import find_communities
from .report import mean_silhouette
from .trees import cut_tree, make_tree

N_STARTS = 5  # of k-means; the best is kept
METHODS = ("kmeans", "agglomerative", "community")
Partition = Callable[[int], numpy.ndarray]  # from a number of clusters to labels


@dataclass(frozen=True)
class Clustering:
    """Clusters, numbered from the largest down.

    labels (ndarray): Cluster of every item, -1 for none. (n,) int64
    centres (ndarray): Mean of each cluster's unit vectors, at length one. (n_clusters, width)
    representatives (list[list[int]]): For each cluster, the rows nearest to its centre, nearest
        first.
    titles (list[str]): For each cluster, the words that set it apart; only of docs.
    silhouettes (dict[int, float]): Score of every number of clusters that was tried.
    """

    labels: numpy.ndarray
    centres: numpy.ndarray
    representatives: list[list[int]]
    titles: list[str] = field(default_factory=list)
    silhouettes: dict[int, float] = field(default_factory=dict)

    @property
    def n_clusters(self) -> int:
        return len(self.centres)

    @property
    def sizes(self) -> list[int]:
        return numpy.bincount(self.labels[self.labels >= 0], minlength=self.n_clusters).tolist()


def cluster_vectors(
    items: Items,
    method: str = "kmeans",
    *,
    n_clusters: int | None = None,
    max_clusters: int = 20,
    threshold: float = 0.75,
    min_size: int = 5,
    n_representatives: int = 3,
    seed: int = 0,
    device: str = "cpu",
) -> Clustering:
    """Cluster vectors by their direction; those of length zero belong to no cluster.

    items (Items): Docs, spans or vectors.
    method (str): "kmeans", "agglomerative" (Ward's linkage), or "community": every item that has
        `min_size - 1` others within `threshold` gathers them, the largest such group first.
    n_clusters (int | None): None takes the number with the best silhouette, 2 to
        `max_clusters`. The number of communities cannot be chosen.
    threshold (float): Least cosine to the centre of a community.
    min_size (int): Fewest items of a community; other items get no cluster.
    n_representatives (int): How many rows stand for each cluster.
    seed (int): For the starts of k-means and for samples.
    device (str): Where torch compares the pairs for communities.
    RETURNS (Clustering): Clusters, the same for the same arguments and number of threads.
    RAISES (ValueError): If there are no vectors, or a setting is wrong.
    """
    check("method", method, method in METHODS, " or ".join(METHODS))
    is_free = n_clusters is None or method != "community"
    check("n_clusters", n_clusters, is_free, "None for communities: set threshold and min_size")
    check("threshold", threshold, -1 <= threshold <= 1, "a cosine from -1 to 1")
    n_clusters = whole_or_none("n_clusters", n_clusters, 1)
    max_clusters = whole("max_clusters", max_clusters, 2)
    min_size = whole("min_size", min_size, 1)
    n_representatives = whole("n_representatives", n_representatives, 0)
    vectors = normalised(as_matrix(items))
    live = numpy.flatnonzero(vectors.any(axis=1))
    labels = numpy.full(len(vectors), -1, dtype="int64")
    silhouettes: dict[int, float] = {}
    if method == "community":
        labels[live] = find_communities(vectors[live], threshold, min_size, device)
    elif len(live):
        partition = _partition(method, vectors[live], seed)
        n_most = _n_different(vectors[live])
        if n_clusters is None:
            silhouettes = _try_numbers(partition, vectors[live], min(max_clusters, n_most), seed)
            n_clusters = max(silhouettes, key=lambda k: silhouettes[k], default=1)
        check("n_clusters", n_clusters, n_clusters <= n_most, f"at most {n_most}, {DIFFERENT}")
        labels[live] = partition(n_clusters)
    labels = _by_size(labels)
    centres = _centres(vectors, labels)
    representatives = _representatives(vectors, labels, centres, n_representatives)
    return Clustering(labels, centres, representatives, silhouettes=silhouettes)


DIFFERENT = "the number of different vectors"


def _partition(method: str, vectors: numpy.ndarray, seed: int) -> Partition:
    if method == "agglomerative":
        tree = make_tree(vectors)
        return lambda n_clusters: cut_tree(tree, n_clusters)
    return lambda n_clusters: _kmeans(vectors, n_clusters, seed)


def _kmeans(vectors: numpy.ndarray, n_clusters: int, seed: int) -> numpy.ndarray:
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1 if is_fork() else None):  # a fork waits for its parent's threads
        return KMeans(n_clusters, n_init=N_STARTS, random_state=seed).fit_predict(vectors)


def _n_different(vectors: numpy.ndarray) -> int:
    return len({row.tobytes() for row in vectors})


def _try_numbers(
    partition: Partition, vectors: numpy.ndarray, n_most: int, seed: int
) -> dict[int, float]:
    """RETURNS (dict[int, float]): Silhouettes; none, where no number gives one."""
    numbers = range(2, min(n_most, len(vectors) - 1) + 1)
    scores = {k: mean_silhouette(vectors, partition(k), seed) for k in numbers}
    return {k: score for k, score in scores.items() if not numpy.isnan(score)}


def _by_size(labels: numpy.ndarray) -> numpy.ndarray:
    """Number clusters from the largest down; of equal ones, the one that begins first."""
    found, starts, counts = numpy.unique(labels, return_index=True, return_counts=True)
    order = numpy.lexsort((starts, -counts))
    order = order[found[order] >= 0]
    numbers = {found[place]: number for number, place in enumerate(order)}
    return numpy.array([numbers.get(label, -1) for label in labels], dtype="int64")


def _centres(vectors: numpy.ndarray, labels: numpy.ndarray) -> numpy.ndarray:
    sums = numpy.zeros((labels.max(initial=-1) + 1, vectors.shape[1]), dtype="float64")
    numpy.add.at(sums, labels[labels >= 0], vectors[labels >= 0])
    return normalised(sums)


def _representatives(
    vectors: numpy.ndarray, labels: numpy.ndarray, centres: numpy.ndarray, n_most: int
) -> list[list[int]]:
    chosen = []
    for label, centre in enumerate(centres):
        rows = numpy.flatnonzero(labels == label)
        nearest = numpy.argsort(-(vectors[rows] @ centre), kind="stable")[:n_most]
        chosen.append(rows[nearest].tolist())
    return chosen
