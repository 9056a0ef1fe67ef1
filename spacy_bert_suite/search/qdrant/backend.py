"""An index on a Qdrant server or cluster, for what one machine cannot hold."""

import dataclasses
import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import numpy

from ...errors import CodedValueError, Errors
from ..bm25 import K1, B, Tokenize, words_of
from ..fusion import Ranking
from ..local.hnsw import EF_CONSTRUCT, EF_SEARCH, M
from ..local.store import Batch
from ..record import Record
from .filters import any_of, import_client, import_models, is_unicode, to_filter

WORDS = "bm25"  # name of the sparse vectors
MEAN_WORDS = 100  # assumed length of an entry: a server does not tell the true mean
NAMESPACE = uuid.UUID("2bd1e4a6-6ac3-4f36-8a4c-1b6bbf7f9a53")
OVERSAMPLING = 4.0
SCROLLED = 1000  # points read at a time
SCHEMES = ("http://", "https://")


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
        self._quantized: bool | None = None  # not known yet
        self.is_new = not self._exists()
        if not self.is_new:
            check_layout(client, collection)

    def known_ids(self, ids: Sequence[str]) -> set[str]:
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
            points = self._points(vectors, records)
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
        models = import_models()
        vectors = models.VectorParams(
            size=width, distance=models.Distance.DOT, **storage_options(self.storage)
        )
        words = models.SparseVectorParams(modifier=models.Modifier.IDF)
        self.client.create_collection(
            self.collection,
            vectors_config=vectors,
            sparse_vectors_config={WORDS: words},
            hnsw_config=models.HnswConfigDiff(m=M, ef_construct=EF_CONSTRUCT),
            metadata={"info": self.new_info, "fingerprint": fingerprint},
        )
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

    def _points(self, vectors: numpy.ndarray, records: Sequence[Record]) -> list[Any]:
        models = import_models()
        return [
            models.PointStruct(
                id=point_id(record),
                vector={"": vector.tolist(), WORDS: self._weights(record.text)},
                payload=dict(vars(record)),
            )
            for vector, record in zip(vectors, records)
        ]

    def _weights(self, text: str):
        """Term weights of BM25 without idf, which the server knows."""
        words = self.tokenize(text)
        norm = K1 * (1 - B + B * len(words) / MEAN_WORDS)
        return sparse({word: n / (n + norm) for word, n in Counter(words).items()})

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
        queries = [sparse(Counter(self.tokenize(text))) for text in texts]
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


def is_url(path: Any) -> bool:
    """RETURNS (bool): Whether it is the address of a collection on a server, and no folder."""
    return str(path).startswith(SCHEMES)


def new_on_server(url: str, tokenize: Tokenize, **options: Any) -> ServerBackend:
    """RETURNS (ServerBackend): A collection that is made by the first `add`.
    RAISES (ValueError): If it is there already.
    """
    backend = open_url(url, tokenize, **options)
    if not backend.is_new:
        raise CodedValueError(Errors.B106.format(url=url))
    return backend


def open_url(url: str, tokenize: Tokenize, **options: Any) -> ServerBackend:
    """Open a collection on a server.

    url (str): http://HOST:PORT/COLLECTION
    tokenize (Callable[[str], list[str]]): Words of a text, for BM25.
    **options: Of `ServerBackend`, for a collection that is made.
    RETURNS (ServerBackend): The collection.
    RAISES (ValueError): If the address names no collection, the server does not answer, or the
        collection was made otherwise.
    """
    parts = urlsplit(url)
    collection = parts.path.strip("/")
    if not collection or "/" in collection:
        expected = "of the form http://HOST:PORT/COLLECTION"
        raise CodedValueError(Errors.B121.format(key="The address", value=url, expected=expected))
    client_class, unreachable = import_client()
    client = client_class(url=f"{parts.scheme}://{parts.netloc}", check_compatibility=False)
    try:
        return ServerBackend(client, collection, tokenize, **options)
    except unreachable as error:
        raise CodedValueError(Errors.B128.format(url=url, reason=error)) from error


def check_layout(client: Any, collection: str) -> None:
    """RAISES (ValueError): If a collection is none that a `ServerBackend` has made: its vectors or
    the first of its points are of another form.
    """
    params = client.get_collection(collection).config.params
    points, _ = client.scroll(collection, limit=1)
    fields = {field.name for field in dataclasses.fields(Record)}
    distance = getattr(params.vectors, "distance", None)  # of a dict of named vectors there is none
    if distance not in ("Dot", "Cosine"):
        reason = "it has no single dense vector, compared by dot product"
    elif WORDS not in (params.sparse_vectors or {}):
        reason = f"it has no sparse vectors '{WORDS}'"
    elif any(set(point.payload or {}) != fields for point in points):
        reason = f"the payload of its points is not {', '.join(sorted(fields))}"
    else:
        return
    raise CodedValueError(Errors.B139.format(collection=collection, reason=reason))


def is_quantized(config: Any) -> bool:
    """RETURNS (bool): Whether a collection is searched by codes, which the vectors then rescore."""
    own = config.params.vectors.quantization_config
    return config.quantization_config is not None or own is not None


def check_unicode(ids: Sequence[str], records: Sequence[Record]) -> None:
    """RAISES (ValueError): If a string in them has half a character."""
    wrong = [id_ for id_ in ids if not is_unicode(id_)]
    wrong.extend(record.id for record in records if not is_unicode(record.text, record.metadata))
    if wrong:
        raise CodedValueError(Errors.B136.format(id=wrong[0]))


def point_id(record: Record) -> str:
    """RETURNS (str): The same for the same span of the same Doc."""
    return str(uuid.uuid5(NAMESPACE, f"{record.start} {record.end} {record.id}"))


def sparse(weights: Mapping[str, float]):
    """Words are numbered by a hash of 32 bits; the rare ones that share it are added up."""
    summed: dict[int, float] = {}
    for word, weight in weights.items():
        digest = hashlib.blake2b(word.encode("utf8", "surrogatepass"), digest_size=4).digest()
        index = int.from_bytes(digest, "little")
        summed[index] = summed.get(index, 0.0) + weight
    return import_models().SparseVector(indices=list(summed), values=list(summed.values()))


def storage_options(storage: str) -> dict[str, Any]:
    models = import_models()
    if storage == "float32":
        return {}
    int8 = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
    quantized = {
        "quantization_config": models.ScalarQuantization(scalar=int8),
        "on_disk": True,
    }
    return {"datatype": models.Datatype.FLOAT16, **(quantized if storage == "int8" else {})}
