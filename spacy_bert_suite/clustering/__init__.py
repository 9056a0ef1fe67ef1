"""Clusters of docs and vectors."""

from .docs import cluster_docs
from .methods import Clustering, cluster_vectors
from .report import clustering_report, purity
from .titles import class_tfidf, cluster_titles

__all__ = [
    "Clustering",
    "class_tfidf",
    "cluster_docs",
    "cluster_titles",
    "cluster_vectors",
    "clustering_report",
    "purity",
]
