"""SemanticIndex: search in texts by meaning, by words, or by both."""

import tempfile
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy
from spacy.language import Language

from ..errors import CodedValueError, Errors, Warnings
from ..vectors.norms import unit as unit_length
from .backend import Backend
from .bm25 import Tokenize, words_of
from .entries import annotate, make_batches, stack
from .filters import Where, check_where
from .fingerprint import SAME, fingerprint_of, likeness
from .fusion import Ranking, reciprocal_ranks, weighted
from .local.backend import LocalBackend
from .local.hnsw import EF_SEARCH
from .local.manifest import Manifest
from .local.segment import STORAGES
from .local.store import Store
from .new_ids import NewNumbers, check_id, random_id
from .qdrant.connection import is_url, new_on_server, open_url
from .queries import (
    Query,
    Rerank,
    as_queries,
    check_counts,
    check_info,
    check_many,
    check_option,
    check_options,
    reranked,
    text_of,
)
from .record import UNITS, Hit, Item, vector_of


class SemanticIndex:
    """A collection of texts with their vectors that can be searched.

    nlp (Language | None): Makes the vectors of texts, as with the component "bert_similarity".
    path (str | Path | None): A new folder that holds the index: what `add` and `delete`
        have done is there when they return. Without one it is kept in a temporary folder, and
        from the first `save` on in the folder that this makes. Or http://HOST:PORT/COLLECTION for
        a new collection on a Qdrant server, which the first `add` makes.
    storage (str): "float32", "float16" for half the size, or "int8" to search in a quarter of the
        memory and rescore the best with halves from disk.
    tokenize (Callable[[str], list[str]]): Words of a text, for BM25.
    info (dict[str, Any] | None): Kept with the index, such as the name of the pipeline; as JSON.
    """

    def __init__(
        self,
        nlp: Language | None = None,
        *,
        path: str | Path | None = None,
        storage: str = "float32",
        tokenize: Tokenize = words_of,
        info: dict[str, Any] | None = None,
    ) -> None:
        check_option("storage", storage, STORAGES)
        check_info(info)
        if is_url(path):
            self._set(new_on_server(str(path), tokenize, storage=storage, info=info), nlp)
            return
        folder = Path(tempfile.mkdtemp(prefix="semantic-index-") if path is None else path)
        store = Store.create(folder, Manifest(storage, info=info or {}))
        self._set(LocalBackend(store, tokenize, temporary=path is None), nlp)

    @classmethod
    def load(
        cls,
        path: str | Path,
        nlp: Language | None = None,
        *,
        tokenize: Tokenize = words_of,
    ) -> "SemanticIndex":
        """Open an index; later changes go to the same place at once.

        path (str | Path): Its folder, or http://HOST:PORT/COLLECTION for a collection on a
            Qdrant server, which is made by the first `add` if it is not there.
        nlp (Language | None): Makes the vectors of texts: the pipeline that made those inside.
        tokenize (Callable[[str], list[str]]): Words of a text, the same as before.
        RETURNS (SemanticIndex): The index.
        RAISES (ValueError): If there is none, or a file is damaged; of a collection, if it was made
            otherwise.
        """
        if is_url(path):
            return cls.on(open_url(str(path), tokenize), nlp)
        return cls.on(LocalBackend(Store(Path(path)), tokenize), nlp)

    @classmethod
    def on(cls, backend: Backend, nlp: Language | None = None) -> "SemanticIndex":
        """RETURNS (SemanticIndex): An index over a backend, such as `qdrant.ServerBackend`."""
        index = cls.__new__(cls)
        index._set(backend, nlp)
        return index

    def _set(self, backend: Backend, nlp: Language | None) -> None:
        self.nlp = nlp
        self.backend = backend
        self._fingerprint: tuple[Language | None, str] = (None, "")

    def __len__(self) -> int:
        """RETURNS (int): Entries: Docs, or sentences of them."""
        return len(self.backend)

    @property
    def info(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): What was given when the index was made."""
        return dict(self.backend.info)

    def add(
        self,
        items: Iterable[str | Item],
        *,
        ids: Iterable[str | None] | None = None,
        metadata: Iterable[Mapping[str, Any]] | None = None,
        vectors: Iterable[numpy.ndarray] | None = None,
        unit: str = "doc",
        replace: bool = False,
    ) -> int:
        """Add texts. On this machine all of them are added or, if anything goes wrong, none.

        items (Iterable[str | Doc | Span]): Texts, which the pipeline annotates, or Docs or
            Spans that it has annotated. Any iterable; it is read bit by bit.
        ids (Iterable[str | None] | None): An id for each, all different, or None for a random
            one. Without any, they are numbers that are no id yet.
        metadata (Iterable[Mapping[str, Any]] | None): For each a dict of strings, numbers,
            True, False, None, or lists of them.
        vectors (Iterable[ndarray] | None): For each its vector, if the pipeline is not to make
            it. (width,) each, scaled to length one.
        unit (str): "doc" for one entry of each item, "sentence" for one of each sentence.
        replace (bool): Put items in the place of those that have the same ids, which are needed.
        RETURNS (int): Entries added. Texts of white space get none.
        RAISES (ValueError): If an id is there already, or something is of the wrong kind.
        """
        check_option("unit", unit, UNITS)
        check_many("items", items, "a list of texts, Docs or Spans")
        check_many("ids", ids, "a list of strings")
        if replace and ids is None:
            raise CodedValueError(Errors.B131)
        numbers = NewNumbers(lambda: self.backend.n_docs, self.backend.used_ids)
        new_id = numbers if ids is None and self.backend.numbered else random_id
        batches = make_batches(items, ids, metadata, vectors, unit, self.nlp, new_id)
        fingerprint = self._checked_fingerprint() if vectors is None else ""
        return self.backend.add(batches, lambda: numbers.next, replace, fingerprint)

    def delete(self, ids: Iterable[str]) -> int:
        """Remove Docs, with all their sentences.

        ids (Iterable[str]): Their ids; those that are not there are passed over.
        RETURNS (int): Entries removed.
        RAISES (ValueError): If an id is no string.
        """
        check_many("ids", ids, "a list of strings")
        ids = list(ids)
        for id_ in ids:
            check_id(id_)
        return self.backend.delete(ids)

    def optimize(self, *, hnsw: bool = True, bm25: bool = True, only_due: bool = False) -> None:
        """Make searches faster: a graph for approximate search by vectors, and a saved BM25 index.
        What is added later is found too, since it is scanned; run this again when that is much.

        hnsw (bool): Make the graph. Below 20 000 entries it is not used.
        bm25 (bool): Make the BM25 index; without it, one is made in memory at the first search.
        only_due (bool): Of these, make only what is used, can be made with what is installed, and
            is not there, or was made before more than a fifth of the entries came or went.
        """
        due = self.backend.due() if only_due else {"hnsw": True, "bm25": True}
        hnsw, bm25 = hnsw and due["hnsw"], bm25 and due["bm25"]
        if hnsw or bm25:
            self.backend.optimize(hnsw=hnsw, bm25=bm25)

    def compact(self) -> None:
        """Free the place of deleted entries and join what was added bit by bit."""
        self.backend.compact()

    def save(self, path: str | Path) -> None:
        """Make a folder hold this index. If one is there, it is replaced in one step at the end,
        and what both have in common is not written again. An index without a path lives there
        from then on; one that has a path stays where it is, and this is a copy.

        path (str | Path): The folder.
        """
        self.backend.save(Path(path))

    def search(self, query: Query, k: int = 10, **options: Any) -> list[Hit]:
        """Find the entries that fit a query best.

        query (str | Doc | Span | ndarray): A text, something annotated, or a vector: an array,
            a tensor or a list of numbers.
        k (int): Hits wanted.
        **options: As in `batch`.
        RETURNS (list[Hit]): At most k, best first.
        """
        return self.batch([query], k, **options)[0]

    def batch(
        self,
        queries: Iterable[Query],
        k: int = 10,
        *,
        mode: str = "vector",
        where: Where | None = None,
        exact: bool = False,
        ef: int = EF_SEARCH,
        fusion: str = "weighted",
        weight: float = 0.5,
        depth: int = 100,
        rerank: Rerank | None = None,
    ) -> list[list[Hit]]:
        """Search with several queries at once, which is faster than one by one.

        queries (Iterable[str | Doc | Span | ndarray]): Texts, annotated texts or vectors.
        k (int): Hits wanted for each.
        mode (str): "vector" (meaning), "bm25" (words) or "hybrid".
        where (Mapping[str, Any] | None): Conditions on metadata, all of which must hold:
            {"lang": "en", "topic": ["art", "law"], "year": {"gte": 1990, "lt": 2000}}.
        exact (bool): Compare with every vector, even if there is a graph.
        ef (int): Candidates in the graph: more are slower and miss less.
        fusion (str): For "hybrid": "weighted" or "rrf" (reciprocal ranks).
        weight (float): For "hybrid": share of the vectors, from 0 to 1.
        depth (int): For "hybrid" and `rerank`: how many of the best are considered.
        rerank (Callable[[str, Sequence[Hit]], Sequence[float]] | None): Gives the text of the
            query and hits new scores, by which they are sorted, as a cross-encoder does.
        RETURNS (list[list[Hit]]): For each query at most k, best first.
        RAISES (ValueError): If an option has a wrong value, or a query has no text or vector
            where one is needed.
        """
        check_options(mode, fusion, weight)
        k, depth, ef = check_counts(k=k, depth=depth, ef=ef)
        queries = as_queries(queries)
        n_found = max(k, depth) if rerank or mode == "hybrid" else k
        conditions = check_where(where or {})
        vectors = self._vectors(queries) if mode != "bm25" else None
        backend = self.backend.snapshot()
        by_vector: list[Ranking] = [[] for _ in queries]
        by_words: list[Ranking] = [[] for _ in queries]
        if vectors is not None:
            by_vector = backend.dense(vectors, n_found, conditions, exact, ef)
        if mode != "vector":
            texts = [text_of(query) for query in queries]
            by_words = backend.lexical(texts, n_found, conditions)
        rankings = by_vector if mode == "vector" else by_words
        if mode == "hybrid":
            fuse = weighted if fusion == "weighted" else reciprocal_ranks
            rankings = [fuse(*pair, weight) for pair in zip(by_vector, by_words)]
        hits = hits_of(backend, [ranking[: n_found if rerank else k] for ranking in rankings])
        if rerank:
            hits = [reranked(text_of(q), found, rerank)[:k] for q, found in zip(queries, hits)]
        return hits

    def _checked_fingerprint(self) -> str:
        """The pipeline's, made once; it warns if that of the vectors inside is another."""
        if self.nlp is not None and self._fingerprint[0] is not self.nlp:
            self._fingerprint = (self.nlp, fingerprint_of(self.nlp))
            cosine = likeness(self._fingerprint[1], self.backend.fingerprint)
            if cosine is not None and cosine < SAME:
                warnings.warn(Warnings.B911.format(cosine=f"{cosine:.2f}"), stacklevel=4)
        return self._fingerprint[1] if self.nlp is not None else ""

    def _vectors(self, queries: list[Query]) -> numpy.ndarray:
        """RETURNS (ndarray): (n_queries, width) float32, of length one."""
        texts = [query for query in queries if isinstance(query, str)]
        if texts:
            self._checked_fingerprint()
        docs = annotate(texts, self.nlp)
        rows = []
        for query in queries:
            query = next(docs) if isinstance(query, str) else query
            rows.append(query if isinstance(query, numpy.ndarray) else vector_of(query))
        if not rows:
            return numpy.zeros((0, self.backend.width), dtype="float32")
        vectors = unit_length(stack(rows))
        expected = self.backend.width or vectors.shape[1]
        if vectors.shape[1] != expected:
            what = f"{vectors.shape[1]} wide, not {expected}"
            raise CodedValueError(Errors.B114.format(what=what))
        return vectors


def hits_of(backend: Backend, rankings: list[Ranking]) -> list[list[Hit]]:
    keys = list(dict.fromkeys(key for ranking in rankings for key, _ in ranking))
    records = dict(zip(keys, backend.records(keys)))
    return [[Hit.of(records[key], score) for key, score in r] for r in rankings]
