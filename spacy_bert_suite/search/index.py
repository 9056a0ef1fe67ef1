"""SemanticIndex: search in texts by meaning, by words, or by both."""

import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

import numpy
from spacy.language import Language

from ..errors import Errors
from .bm25 import Tokenize, words_of
from .engine import EF_SEARCH
from .entries import annotate, make_batches, stack, unit_length
from .fusion import FUSIONS, Ranking, reciprocal_ranks, weighted
from .local import LocalBackend
from .manifest import Manifest
from .records import UNITS, Hit, Item, vector_of
from .segment import STORAGES
from .store import Store
from .where import Where, check_where

Query = Union[str, Item, numpy.ndarray]
Rerank = Callable[[str, Sequence[Hit]], Sequence[float]]
MODES = ("vector", "bm25", "hybrid")


class SemanticIndex:
    """A collection of texts with their vectors that can be searched.

    nlp (Optional[Language]): Makes the vectors of texts, as with the component "bert_similarity".
    path (Optional[Union[str, Path]]): A new folder that holds the index: what `add` and `delete`
        have done is there when they return. Without one it is kept in a temporary folder, until
        `save`.
    storage (str): "float32", "float16" for half the size, or "int8" to search in a quarter of the
        memory and rescore the best with halves from disk.
    tokenize (Callable[[str], List[str]]): Words of a text, for BM25.
    info (Optional[Dict[str, Any]]): Kept with the index, such as the name of the pipeline.
    """

    def __init__(
        self,
        nlp: Optional[Language] = None,
        *,
        path: Optional[Union[str, Path]] = None,
        storage: str = "float32",
        tokenize: Tokenize = words_of,
        info: Optional[Dict[str, Any]] = None,
    ) -> None:
        check_option("storage", storage, STORAGES)
        folder = Path(tempfile.mkdtemp(prefix="semantic-index-") if path is None else path)
        store = Store.create(folder, Manifest(storage, info=info or {}))
        self.nlp = nlp
        self.backend: Any = LocalBackend(store, tokenize, temporary=path is None)

    @classmethod
    def load(
        cls,
        path: Union[str, Path],
        nlp: Optional[Language] = None,
        *,
        tokenize: Tokenize = words_of,
    ) -> "SemanticIndex":
        """Open an index; later changes go to the same place at once.

        path (Union[str, Path]): Its folder, or http://HOST:PORT/COLLECTION for a collection on a
            Qdrant server, which is made by the first `add` if it is not there.
        nlp (Optional[Language]): Makes the vectors of texts: the pipeline that made those inside.
        tokenize (Callable[[str], List[str]]): Words of a text, the same as before.
        RETURNS (SemanticIndex): The index.
        RAISES (ValueError): If there is none, or a file is damaged.
        """
        if str(path).startswith(("http://", "https://")):
            from .server import open_url

            return cls.on(open_url(str(path), tokenize), nlp)
        return cls.on(LocalBackend(Store(Path(path)), tokenize), nlp)

    @classmethod
    def on(cls, backend: Any, nlp: Optional[Language] = None) -> "SemanticIndex":
        """RETURNS (SemanticIndex): An index over a backend, such as `server.ServerBackend`."""
        index = cls.__new__(cls)
        index.nlp, index.backend = nlp, backend
        return index

    def __len__(self) -> int:
        """RETURNS (int): Entries: Docs, or sentences of them."""
        return len(self.backend)

    @property
    def info(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What was given when the index was made."""
        return dict(self.backend.info)

    def add(
        self,
        items: Iterable[Union[str, Item]],
        *,
        ids: Optional[Iterable[str]] = None,
        metadata: Optional[Iterable[Mapping[str, Any]]] = None,
        vectors: Optional[Iterable[numpy.ndarray]] = None,
        unit: str = "doc",
        replace: bool = False,
    ) -> int:
        """Add texts. On this machine all of them are added or, if anything goes wrong, none.

        items (Iterable[Union[str, Doc, Span]]): Texts, which the pipeline annotates, or Docs or
            Spans that it has annotated. Any iterable; it is read bit by bit.
        ids (Optional[Iterable[str]]): An id for each, all different; numbers if not given.
        metadata (Optional[Iterable[Mapping[str, Any]]]): For each a dict of strings, numbers,
            True, False, None, or lists of them.
        vectors (Optional[Iterable[ndarray]]): For each its vector, if the pipeline is not to make
            it. (width,) each, scaled to length one.
        unit (str): "doc" for one entry of each item, "sentence" for one of each sentence.
        replace (bool): Put items in the place of those that have the same ids.
        RETURNS (int): Entries added. Texts without a word get none.
        RAISES (ValueError): If an id is there already, or something is of the wrong kind.
        """
        check_option("unit", unit, UNITS)
        n_docs = self.backend.n_docs

        def new_id() -> str:
            nonlocal n_docs
            n_docs += 1
            return str(n_docs - 1) if self.backend.numbered else uuid.uuid4().hex

        batches = make_batches(items, ids, metadata, vectors, unit, self.nlp, new_id)
        return self.backend.add(batches, lambda: n_docs, replace)

    def delete(self, ids: Iterable[str]) -> int:
        """Remove Docs, with all their sentences.

        ids (Iterable[str]): Their ids; those that are not there are passed over.
        RETURNS (int): Entries removed.
        """
        if isinstance(ids, str):
            raise ValueError(Errors.B121.format(key="ids", value=ids, expected="a list of strings"))
        return self.backend.delete(list(ids))

    def optimize(self, *, hnsw: bool = True, bm25: bool = True) -> None:
        """Make searches faster: a graph for approximate search by vectors, and a saved BM25 index.
        What is added later is found too, since it is scanned; run this again when that is much.

        hnsw (bool): Make the graph. Below 20 000 entries it is not used.
        bm25 (bool): Make the BM25 index; without it, one is made in memory at the first search.
        """
        self.backend.optimize(hnsw=hnsw, bm25=bm25)

    def compact(self) -> None:
        """Free the place of deleted entries and join what was added bit by bit."""
        self.backend.compact()

    def save(self, path: Union[str, Path]) -> None:
        """Make a folder hold this index. If one is there, it is replaced in one step at the end,
        and what both have in common is not written again.

        path (Union[str, Path]): The folder.
        """
        self.backend.save(Path(path))

    def search(self, query: Query, k: int = 10, **options: Any) -> List[Hit]:
        """Find the entries that fit a query best.

        query (Union[str, Doc, Span, ndarray]): A text, something annotated, or a vector.
        k (int): Hits wanted.
        **options: As in `batch`.
        RETURNS (List[Hit]): At most k, best first.
        """
        return self.batch([query], k, **options)[0]

    def batch(
        self,
        queries: Iterable[Query],
        k: int = 10,
        *,
        mode: str = "vector",
        where: Optional[Where] = None,
        exact: bool = False,
        ef: int = EF_SEARCH,
        fusion: str = "weighted",
        weight: float = 0.5,
        depth: int = 100,
        rerank: Optional[Rerank] = None,
    ) -> List[List[Hit]]:
        """Search with several queries at once, which is faster than one by one.

        queries (Iterable[Union[str, Doc, Span, ndarray]]): Texts, annotated texts or vectors.
        k (int): Hits wanted for each.
        mode (str): "vector" (meaning), "bm25" (words) or "hybrid".
        where (Optional[Mapping[str, Any]]): Conditions on metadata, all of which must hold:
            {"lang": "en", "topic": ["art", "law"], "year": {"gte": 1990, "lt": 2000}}.
        exact (bool): Compare with every vector, even if there is a graph.
        ef (int): Candidates in the graph: more are slower and miss less.
        fusion (str): For "hybrid": "weighted" or "rrf" (reciprocal ranks).
        weight (float): For "hybrid": share of the vectors, from 0 to 1.
        depth (int): For "hybrid" and `rerank`: how many of the best are considered.
        rerank (Optional[Callable[[str, Sequence[Hit]], Sequence[float]]]): Gives the text of the
            query and hits new scores, by which they are sorted, as a cross-encoder does.
        RETURNS (List[List[Hit]]): For each query at most k, best first.
        RAISES (ValueError): If an option has a wrong value, or a query has no text or vector
            where one is needed.
        """
        check_options(mode, k, depth, ef, fusion, weight)
        queries = list(queries)
        n_found = max(k, depth) if rerank or mode == "hybrid" else k
        conditions = check_where(where or {})
        by_vector: List[Ranking] = [[] for _ in queries]
        by_words: List[Ranking] = [[] for _ in queries]
        if mode != "bm25":
            vectors = self._vectors(queries)
            by_vector = self.backend.dense(vectors, n_found, conditions, exact, ef)
        if mode != "vector":
            texts = [text_of(query) for query in queries]
            by_words = self.backend.lexical(texts, n_found, conditions)
        rankings = by_vector if mode == "vector" else by_words
        if mode == "hybrid":
            fuse = weighted if fusion == "weighted" else reciprocal_ranks
            rankings = [fuse(*pair, weight) for pair in zip(by_vector, by_words)]
        hits = self._hits([ranking[: n_found if rerank else k] for ranking in rankings])
        if rerank:
            hits = [reranked(text_of(q), found, rerank)[:k] for q, found in zip(queries, hits)]
        return hits

    def _hits(self, rankings: List[Ranking]) -> List[List[Hit]]:
        keys = list(dict.fromkeys(key for ranking in rankings for key, _ in ranking))
        records = dict(zip(keys, self.backend.records(keys)))
        return [[Hit.of(records[key], score) for key, score in r] for r in rankings]

    def _vectors(self, queries: List[Query]) -> numpy.ndarray:
        """RETURNS (ndarray): (n_queries, width) float32, of length one."""
        docs = annotate([query for query in queries if isinstance(query, str)], self.nlp)
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
            raise ValueError(Errors.B114.format(what=what))
        return vectors


def text_of(query: Query) -> str:
    if isinstance(query, numpy.ndarray):
        raise ValueError(Errors.B125)
    return query if isinstance(query, str) else query.text


def reranked(text: str, hits: List[Hit], rerank: Rerank) -> List[Hit]:
    """Sort hits by new scores; equal ones stay in order."""
    scores = [float(score) for score in rerank(text, hits)] if hits else []
    if len(scores) != len(hits) or not numpy.isfinite(scores).all():
        raise ValueError(Errors.B126.format(n_hits=len(hits), found=scores[:5]))
    order = sorted(range(len(hits)), key=lambda i: -scores[i])
    return [Hit.of(hits[i], scores[i]) for i in order]


def check_options(mode: str, k: int, depth: int, ef: int, fusion: str, weight: float) -> None:
    check_option("mode", mode, MODES)
    check_option("fusion", fusion, FUSIONS)
    for key, value in {"k": k, "depth": depth, "ef": ef}.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(Errors.B121.format(key=key, value=value, expected="at least 1"))
    if not 0 <= weight <= 1:
        raise ValueError(Errors.B121.format(key="weight", value=weight, expected="from 0 to 1"))


def check_option(key: str, value: str, options: Sequence[str]) -> None:
    if value not in options:
        expected = "one of: " + ", ".join(options)
        raise ValueError(Errors.B121.format(key=key, value=value, expected=expected))
