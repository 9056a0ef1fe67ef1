"""Agglomerative clustering: one tree of merges, cut at any number of clusters."""

import numpy

from ..errors import CodedValueError, Errors

MOST_VECTORS = 20_000  # the distances of their pairs take 1.6 GB


def make_tree(vectors: numpy.ndarray) -> numpy.ndarray:
    """Merge the two clusters whose union adds least to the variance, again and again (Ward 1963).

    RETURNS (ndarray): The two nodes of every merge, the closest first: a number below n is a
        vector, n + i the result of merge i. (n - 1, 2)
    RAISES (ValueError): If there are too many vectors for it.
    """
    from sklearn.cluster import AgglomerativeClustering

    n = len(vectors)
    if n > MOST_VECTORS:
        size = f"{n * (n - 1) * 4 / 1e9:.1f} GB"
        raise CodedValueError(Errors.B144.format(method="agglomerative", n=n, size=size))
    if n == 1:
        return numpy.zeros((0, 2), dtype="int64")
    tree = AgglomerativeClustering(n_clusters=1, compute_full_tree=True, linkage="ward")
    return tree.fit(vectors).children_


def cut_tree(tree: numpy.ndarray, n_clusters: int) -> numpy.ndarray:
    """RETURNS (ndarray): Labels of the vectors after all merges but the last n_clusters - 1."""
    n = len(tree) + 1
    parents = numpy.arange(2 * n - 1)
    n_merges = n - n_clusters
    for i, nodes in enumerate(tree[:n_merges]):
        parents[nodes] = n + i
    for node in range(n + n_merges - 1, -1, -1):  # a parent has the higher number
        parents[node] = parents[parents[node]]
    return numpy.unique(parents[:n], return_inverse=True)[1]
