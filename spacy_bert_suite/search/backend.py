"""The interface between `SemanticIndex` and the places where an index is stored."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy

from .fusion import Ranking
from .record import Record


class Batch(NamedTuple):
    """Entries that are written together.

    vectors (ndarray): (n, width) float32, of length one or zero.
    records (list[Record]): One for each.
    dropped (list[str]): Ids of texts that get no entry, and replace those that they have.
    """

    vectors: numpy.ndarray
    records: list[Record]
    dropped: list[str]


class Backend(Protocol):
    """Stores entries and finds them. Each entry has a key, of a type of the backend's own, that
    stays as it is until the next `compact`.

    numbered (bool): Ids that the user does not give are numbers; else they are random.
    """

    @property
    def numbered(self) -> bool: ...

    @property
    def width(self) -> int:
        """RETURNS (int): Values of a vector; 0 before the first."""
        ...

    @property
    def n_docs(self) -> int:
        """RETURNS (int): The least number that may be a new id."""
        ...

    @property
    def fingerprint(self) -> str:
        """RETURNS (str): Of the pipeline that made the vectors; "" if it is not known."""
        ...

    @property
    def info(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): What was given when the index was made."""
        ...

    def snapshot(self) -> "Backend":
        """RETURNS (Backend): The entries as they are now, to search while others are written."""
        ...

    def __len__(self) -> int: ...

    def used_ids(self, ids: Sequence[str]) -> set[str]:
        """RETURNS (set[str]): Those of some ids that are no new ones; only asked if `numbered`."""
        ...

    def add(
        self,
        batches: Iterable[Batch],
        n_docs: Callable[[], int],
        replace: bool,
        fingerprint: str = "",
    ) -> int:
        """Write entries.

        batches (Iterable[Batch]): Vectors and records.
        n_docs (Callable[[], int]): The least number that may be a new id, once they are written.
        replace (bool): They replace entries with the same ids; else these are an error.
        fingerprint (str): Of the pipeline; that of the first texts is kept.
        RETURNS (int): Entries written.
        """
        ...

    def delete(self, ids: Sequence[str]) -> int:
        """RETURNS (int): Entries removed: all with these ids."""
        ...

    def dense(
        self, queries: numpy.ndarray, k: int, where: dict[str, Any], exact: bool, ef: int = ...
    ) -> list[Ranking]:
        """Find the entries whose vectors are nearest.

        queries (ndarray): (n_queries, width) float32, of length one.
        k (int): Entries for each.
        where (dict[str, Any]): Conditions on the metadata, as from `check_where`.
        exact (bool): Compare with every vector, even if there is a graph.
        ef (int): Candidates that a graph looks at, at least.
        RETURNS (list[list[tuple[Any, float]]]): Keys and cosines for each query, best first.
        """
        ...

    def lexical(self, texts: Sequence[str], k: int, where: dict[str, Any]) -> list[Ranking]:
        """RETURNS (list[list[tuple[Any, float]]]): Keys and BM25 scores for each text."""
        ...

    def records(self, keys: Sequence[Any]) -> list[Record]: ...

    def due(self) -> dict[str, bool]:
        """RETURNS (dict[str, bool]): Whether "hnsw" and "bm25" are worth making."""
        ...

    def optimize(self, *, hnsw: bool, bm25: bool) -> None: ...

    def compact(self) -> None: ...

    def save(self, folder: Path) -> None: ...
