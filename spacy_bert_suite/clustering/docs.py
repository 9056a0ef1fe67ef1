"""Clusters of docs: labels on the docs, and titles."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from spacy.tokens import Doc

from ..core.attributes import register_attributes
from .methods import Clustering, cluster_vectors
from .titles import cluster_titles


def cluster_docs(
    docs: Iterable[Doc], method: str = "kmeans", *, n_words: int = 5, **settings: Any
) -> Clustering:
    """Cluster docs by their vectors, and write `doc._.cluster`.

    docs (Iterable[Doc]): Docs with vectors; an empty one gets -1.
    method (str): "kmeans", "agglomerative" or "community".
    n_words (int): Words of a title.
    settings (Any): As for `cluster_vectors`: n_clusters, threshold and so on.
    RETURNS (Clustering): Clusters with titles.
    RAISES (ValueError): If a doc has no vector, or a setting is wrong.
    """
    docs = list(docs)
    register_attributes("clustering", ["doc.cluster"])
    clustering = cluster_vectors(docs, method, **settings)
    for doc, label in zip(docs, clustering.labels.tolist()):
        doc._.cluster = label
    return replace(clustering, titles=cluster_titles(docs, clustering.labels.tolist(), n_words))
