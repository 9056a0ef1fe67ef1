"""Approximate search: an HNSW graph (Malkov and Yashunin 2018) by Qdrant's embedded engine.

The only module that knows `qdrant_edge`. The graph is made once, in a folder of its own, and then
only read; vectors and records are in the segments.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy

from ...errors import CodedImportError, Errors, Warnings

M = 16  # neighbours of a node
EF_CONSTRUCT = 100  # candidates when a node is put in
EF_SEARCH = 512  # least number of candidates of a query
UPLOAD = 1024  # vectors at a time
QUERIES = 256  # at a time


class Engine:
    """An HNSW graph over vectors, by key.

    shard (qdrant_edge.EdgeShard): The engine's handle.
    """

    def __init__(self, shard) -> None:
        self.shard = shard

    @classmethod
    def build(
        cls,
        folder: Path,
        chunks: Iterator[tuple[numpy.ndarray, numpy.ndarray]],
        width: int,
        storage: str,
    ) -> None:
        """Make a graph in a new folder.

        chunks (Iterator[tuple[ndarray, ndarray]]): Keys and their vectors, (n, width) float32.
        width (int): Values of a vector.
        storage (str): "float32", "float16", or "int8" for codes in memory and halves on disk.
        """
        edge = import_edge()
        folder.mkdir(parents=True)
        shard = edge.EdgeShard.create(str(folder), config(width, storage))
        for keys, vectors in chunks:
            for start in range(0, len(keys), UPLOAD):
                part = slice(start, start + UPLOAD)
                points = map(edge.Point, keys[part].tolist(), vectors[part])
                shard.update(edge.UpdateOperation.upsert_points(list(points)))
        shard.optimize()
        shard.flush()
        shard.close()

    @classmethod
    def load(cls, folder: Path) -> "Engine | None":
        """RETURNS (Engine | None): The graph; None if a writer has removed the folder, or with a
        warning if it cannot be read.
        """
        try:
            edge = import_edge()
            return cls(edge.EdgeShard.load(str(folder)))
        except Exception as error:  # noqa: BLE001  (qdrant_edge raises nothing narrower)
            if not folder.exists():
                return None
            what = "graph for approximate search"
            message = Warnings.B910.format(what=what, path=folder, reason=error)
            warnings.warn(message, stacklevel=2)
            return None

    def search(self, queries: numpy.ndarray, k: int, ef: int) -> Iterator[numpy.ndarray]:
        """YIELDS (ndarray): Keys of the vectors nearest to each query, int64."""
        edge = import_edge()
        codes_only = edge.QuantizationSearchParams(rescore=False)  # the caller rescores
        params = edge.SearchParams(hnsw_ef=max(ef, k), quantization=codes_only)
        for start in range(0, len(queries), QUERIES):
            requests = [
                edge.QueryRequest(limit=k, query=edge.Query.Nearest(query.tolist()), params=params)
                for query in queries[start : start + QUERIES]
            ]
            for points in self.shard.query_batch(edge.QueryBatchRequest(requests)):
                yield numpy.array([point.id for point in points], dtype="int64")


def config(width: int, storage: str):
    """One graph over everything, no log of writes: it is only written when it is made."""
    edge = import_edge()
    half = None if storage == "float32" else edge.VectorStorageDatatype.Float16
    cold = edge.Memory.Cold if storage == "int8" else None
    int8 = edge.ScalarQuantizationConfig(edge.ScalarType.Int8, memory=edge.Memory.Pinned)
    return edge.EdgeConfig(
        vectors=edge.EdgeVectorParams(
            width, edge.Distance.Dot, datatype=half, memory=cold,
            quantization_config=int8 if storage == "int8" else None,
        ),
        hnsw_config=edge.HnswIndexConfig(M, EF_CONSTRUCT, full_scan_threshold=10),
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=1, default_segment_number=1,
                                             max_segment_size=2**32),
        wal_enabled=False,
    )  # fmt: skip


def import_edge():
    try:
        import qdrant_edge
    except ImportError as error:
        message = Errors.B122.format(library="qdrant-edge-py", what="An approximate search")
        raise CodedImportError(message) from error
    return qdrant_edge
