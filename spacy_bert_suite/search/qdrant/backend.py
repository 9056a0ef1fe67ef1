"""An index on a Qdrant server or cluster, for what one machine cannot hold."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy

from ...errors import CodedValueError, Errors
from ..backend import Batch
from ..bm25 import Tokenize, query_words, words_of
from ..fusion import Ranking
from ..local.hnsw import EF_SEARCH
from ..record import Record
from .client import import_client, import_models
from .filters import any_of, is_unicode, to_filter
from .points import (
    WORDS,
    check_layout,
    check_unicode,
    collection_layout,
    is_quantized,
    make_points,
    sparse,
)

OVERSAMPLING = 4.0
SCROLLED = 1000  # points read at a time


class ServerBackend:
    """Searches a collection of a Qdrant server.

    client (qdrant_client.QdrantClient): The connection.
    collection (str): Name of the collection; the first `add` makes it if it is not there.
    tokenize (Callable[[str], list[str]]): Words of a text, for BM25.
    storage (str): "float32", "float16" or "int8", for a collection that is made.
    indexed (bool): Index the ids, for a collection that is made; a client in memory cannot.
    info (dict[str, Any] | None): Kept with a collection that is made, by servers since 1.16.
    RAISES (ValueError): If the collection is there, but was made otherwise.
    """

    numbered = False  # ids that the user does not give are random: several machines may write
    n_docs = 0

    def __init__(
        self,
        client: Any,
        collection: str,
        tokenize: Tokenize = words_of,
        *,
        storage: str = "float32",
        indexed: bool = True,
        info: dict[str, Any] | None = None,
    ) -> None:
        self.client, self.collection, self.tokenize = client, collection, tokenize
        self.storage, self.indexed = storage, indexed
        self.new_info = info or {}
        self._quantized: bool | None = None  # not asked yet
        self.is_new = not self._exists()
        if not self.is_new:
            check_layout(client, collection)

    def snapshot(self) -> "ServerBackend":
        """RETURNS (ServerBackend): Itself: the keys of a server never change."""
        return self

    def used_ids(self, ids: Sequence[str]) -> set[str]:
        """RETURNS (set[str]): None: random ids need no check."""
        return set()

    def __len__(self) -> int:
        return self.client.count(self.collection).count if self._exists() else 0

    def _exists(self) -> bool:
        return self.client.collection_exists(self.collection)

    def _config(self) -> Any:
        """RETURNS (CollectionConfig | None): None before the first `add`."""
        return self.client.get_collection(self.collection).config if self._exists() else None

    def _is_quantized(self) -> bool:
        """Asked once: how a collection is stored is said when it is made."""
        if self._quantized is None:
            config = self._config()
            self._quantized = None if config is None else is_quantized(config)
        return bool(self._quantized)

    @property
    def width(self) -> int:
        config = self._config()
        return 0 if config is None else config.params.vectors.size

    @property
    def info(self) -> dict[str, Any]:
        return self._kept("info", self.new_info)

    @property
    def fingerprint(self) -> str:
        return self._kept("fingerprint", "")

    def _kept(self, key: str, default: Any) -> Any:
        """What is kept with the collection; servers before 1.16 have no place for it."""
        kept = getattr(self._config(), "metadata", None) or {}
        return kept.get(key, default)

    def add(
        self,
        batches: Iterable[Batch],
        n_docs: Callable[[], int],
        replace: bool,
        fingerprint: str = "",
    ) -> int:
        """Add entries batch by batch: after an error some are there. To add them again with
        `replace` is safe.
        """
        n_added = 0
        for vectors, records, dropped in batches:
            ids = sorted({*dropped, *(record.id for record in records)})
            check_unicode(ids, records)
            if not replace:
                self._refuse(ids)
            points = make_points(vectors, records, self.tokenize)
            if points:
                self._make_collection(vectors.shape[1], fingerprint)
                self.client.upsert(self.collection, points, wait=True)
            if replace and self._exists():
                self._delete_other(ids, [point.id for point in points])
            n_added += len(records)
        return n_added

    def _make_collection(self, width: int, fingerprint: str) -> None:
        found = self.width
        if found and found != width:
            raise CodedValueError(Errors.B114.format(what=f"{width} wide, not {found}"))
        if found:
            return
        metadata = {"info": self.new_info, "fingerprint": fingerprint}
        layout = collection_layout(width, self.storage)
        self.client.create_collection(self.collection, metadata=metadata, **layout)
        if self.indexed:
            self.client.create_payload_index(self.collection, "id", "keyword")

    def _refuse(self, ids: list[str]) -> None:
        if not self._exists():
            return
        models = import_models()
        same = models.Filter(must=[any_of("id", ids)])
        points, _ = self.client.scroll(self.collection, scroll_filter=same, limit=1)
        if points:
            raise CodedValueError(Errors.B117.format(id=points[0].payload["id"]))

    def _delete_other(self, ids: list[str], kept: list[str]) -> None:
        models = import_models()
        selector = models.Filter(
            must=[any_of("id", ids)], must_not=[models.HasIdCondition(has_id=kept)]
        )
        self.client.delete(self.collection, models.FilterSelector(filter=selector), wait=True)

    def delete(self, ids: Sequence[str]) -> int:
        if not self._exists():
            return 0
        models = import_models()
        selected = models.Filter(must=[any_of("id", list(filter(is_unicode, ids)))])
        n_deleted = self.client.count(self.collection, count_filter=selected).count
        selector = models.FilterSelector(filter=selected)
        self.client.delete(self.collection, selector, wait=True)
        return n_deleted

    def dense(
        self,
        queries: numpy.ndarray,
        k: int,
        where: dict[str, Any],
        exact: bool,
        ef: int = EF_SEARCH,
    ) -> list[Ranking]:
        """RETURNS (list[list[tuple[str, float]]]): Keys and cosines for each query."""
        models = import_models()
        rescoring = models.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING)
        params = models.SearchParams(
            exact=exact,
            hnsw_ef=max(k, ef),
            quantization=rescoring if self._is_quantized() else None,
        )
        return self._search([q.tolist() for q in queries], k, where, params=params)

    def lexical(self, texts: Sequence[str], k: int, where: dict[str, Any]) -> list[Ranking]:
        """RETURNS (list[list[tuple[str, float]]]): Keys and BM25 scores for each query."""
        queries = [sparse(Counter(query_words(text, self.tokenize))) for text in texts]
        return self._search(queries, k, where, using=WORDS)

    def _search(self, queries: list[Any], k: int, where: dict[str, Any], **options: Any):
        if not queries or not self._exists():
            return [[] for _ in queries]
        models = import_models()
        filter_ = to_filter(where)
        requests = [
            models.QueryRequest(query=query, limit=k, filter=filter_, **options)
            for query in queries
        ]
        responses = self.client.query_batch_points(self.collection, requests)
        return [[(p.id, p.score) for p in r.points] for r in responses]

    def records(self, keys: Sequence[str]) -> list[Record]:
        found: dict[str, Record] = {}
        for start in range(0, len(keys), SCROLLED):
            part = list(keys[start : start + SCROLLED])
            for point in self.client.retrieve(self.collection, part, with_payload=True):
                found[point.id] = Record(**point.payload)
        return [found[key] for key in keys]

    def due(self) -> dict[str, bool]:
        return {"hnsw": False, "bm25": False}

    def optimize(self, *, hnsw: bool, bm25: bool) -> None:
        """A server does this by itself."""

    def compact(self) -> None:
        """A server does this by itself."""

    def save(self, folder: Any) -> None:
        raise CodedValueError(Errors.B129.format(collection=self.collection))

    def discard(self) -> None:
        """Remove the collection, if it was not there when this was opened."""
        if self.is_new:
            _, unreachable = import_client()
            with suppress(unreachable):
                self.client.delete_collection(self.collection)
