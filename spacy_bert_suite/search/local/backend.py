"""An index on this machine: exact or approximate search in a store of segments."""

import copy
import os
import secrets
import shutil
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy

from ..backend import Batch
from ..bm25 import Tokenize, WordIndex, import_bm25s, query_words
from ..fusion import Ranking
from ..record import Record
from .hnsw import EF_SEARCH, Engine, import_edge
from .manifest import Accelerator
from .metadata import Column, read_columns, select
from .scan import OVERSAMPLING, Found, merge, nothing, scan
from .segment import CHUNK, Segment, hash_ids
from .store import Store
from .sums import check_sums, write_sums

SCANNED = 20_000  # so few selected entries are scanned exactly
MOST_CHANGED = 0.2  # share of the entries that a graph or BM25 index may lack, or have too many
MOST_CANDIDATES = 2000  # asked of the graph when a filter removes many

Masks = list[numpy.ndarray | None]  # for each segment, which rows count; None for all


class Cache:
    """What searches have made in memory, for all of them.

    columns (dict[str, dict[str, Column]]): Metadata by segment.
    words (tuple[int, WordIndex | None]): BM25, and the generation that it is of.
    engine (tuple[str, Engine | None]): The graph, and its folder.
    opening (Lock): Held while the graph is opened, which goes once at a time.
    """

    def __init__(self) -> None:
        self.columns: dict[str, dict[str, Column]] = {}
        self.words: tuple[int, WordIndex | None] = (-1, None)
        self.engine: tuple[str, Engine | None] = ("", None)
        self.opening = threading.Lock()


class LocalBackend:
    """Searches a store.

    store (Store): The segments.
    tokenize (Callable[[str], list[str]]): Words of a text, for BM25.
    temporary (bool): The folder goes with this object, which moves where it is saved first.
    """

    numbered = True  # ids that the user does not give are numbers

    def __init__(self, store: Store, tokenize: Tokenize, temporary: bool = False) -> None:
        self.tokenize = tokenize
        self._use(store)
        self._remove_folder: weakref.finalize | None = None
        if temporary:
            self._remove_folder = weakref.finalize(
                self, remove_temporary, store.folder, os.getpid()
            )

    def _use(self, store: Store) -> None:
        self.store = store
        self._cache = Cache()

    def snapshot(self) -> "LocalBackend":
        view = copy.copy(self)
        view.store = copy.copy(self.store)
        return view

    def __len__(self) -> int:
        return len(self.store)

    @property
    def width(self) -> int:
        return self.store.manifest.width

    @property
    def info(self) -> dict[str, Any]:
        return self.store.manifest.info

    @property
    def n_docs(self) -> int:
        return self.store.manifest.n_docs

    @property
    def fingerprint(self) -> str:
        return self.store.manifest.fingerprint

    def used_ids(self, ids: Sequence[str]) -> set[str]:
        """RETURNS (set[str]): Those of some ids that are, or were, in the index."""
        used = numpy.zeros(len(ids), dtype=bool)
        for segment in self.store.segments:
            used |= segment.may_have(hash_ids(ids))
        return {id_ for id_, is_used in zip(ids, used) if is_used}

    def add(
        self,
        batches: Iterable[Batch],
        n_docs: Callable[[], int],
        replace: bool,
        fingerprint: str = "",
    ) -> int:
        return self.store.add(batches, n_docs, replace, fingerprint)

    def delete(self, ids: Sequence[str]) -> int:
        return self.store.delete(ids)

    def compact(self) -> None:
        self.store.compact()

    def save(self, folder: Path) -> None:
        """Copy the index; one in a temporary folder lives in the new one from then on."""
        self.store.save(folder)
        if self._remove_folder is not None:
            self._use(Store(folder))
            self._remove_folder()
            self._remove_folder = None

    def records(self, keys: Sequence[int]) -> list[Record]:
        return [self.store.record(key) for key in keys]

    def dense(
        self,
        queries: numpy.ndarray,
        k: int,
        where: dict[str, Any],
        exact: bool,
        ef: int = EF_SEARCH,
    ) -> list[Ranking]:
        """Find the entries whose vectors are nearest.

        queries (ndarray): (n_queries, width) float32, of length one.
        k (int): Entries for each.
        where (dict[str, Any]): Conditions on the metadata.
        exact (bool): Scan everything, even if there is a graph.
        ef (int): Candidates that the graph looks at, at least.
        RETURNS (list[list[tuple[int, float]]]): Keys and cosines for each query.
        """
        masks = self._masks(where)
        limit = 0 if exact else self._n_candidates(k, masks)
        engine, n_keys = self._graph() if limit else (None, 0)
        if engine is None:
            return rankings(*self._scan(queries, k, masks))
        kept = self._joined(masks, n_keys)
        n_kept = n_keys if kept is None else int(kept.sum())
        newer = self._scan(queries, k, masks, from_key=n_keys)
        found = []
        for i, keys in enumerate(engine.search(queries, limit, ef)):
            keys = keys if kept is None else keys[kept[keys]]
            if len(keys) < min(k, n_kept):  # the filter and the query are far apart
                found.extend(rankings(*self._scan(queries[i : i + 1], k, masks)))
                continue
            scores = self.store.vectors_of(keys) @ queries[i]
            added = (newer[0][i : i + 1], newer[1][i : i + 1])
            found.extend(rankings(*merge([(scores[None], keys[None]), added], k)))
        return found

    def lexical(self, texts: Sequence[str], k: int, where: dict[str, Any]) -> list[Ranking]:
        """RETURNS (list[list[tuple[int, float]]]): Keys and BM25 scores for each query."""
        index = self._word_index()
        masks = [_whole(s, m) for s, m in self._pairs(self._masks(where))]
        selected = numpy.concatenate(masks) if masks else None
        rankings = []
        for text in texts:
            scores, keys = index.search(query_words(text, self.tokenize), k, selected)
            rankings.append(list(zip(keys.tolist(), scores.tolist())))
        return rankings

    def due(self) -> dict[str, bool]:
        """RETURNS (dict[str, bool]): Whether "hnsw" and "bm25" are worth making: they are used, can
        be made here, and more than a fifth of the entries came or went since they were made.
        """
        return {
            "hnsw": len(self) > SCANNED and self._is_old("hnsw") and can_import(import_edge),
            "bm25": self._is_old("bm25") and can_import(import_bm25s),
        }

    def _is_old(self, kind: str) -> bool:
        made = self.store.manifest.accelerators.get(kind)
        if made is None:
            return bool(self.store.manifest.n_keys)
        if kind == "bm25" and WordIndex.is_of_old_rule(self._folder(made)):
            return True
        n_left = sum(s.n_live_before(made.n_keys) for s in self.store.segments)
        n_changed = abs(made.n_entries - n_left) + len(self) - n_left
        return n_changed > MOST_CHANGED * len(self)

    def optimize(self, *, hnsw: bool, bm25: bool) -> None:
        """Make the structures that make searches faster, and name them in the manifest."""
        with self.store.locked():
            made = dict(self.store.manifest.accelerators)
            n_keys, n_entries = self.store.manifest.n_keys, len(self)
            if hnsw and n_keys:
                made["hnsw"] = Accelerator(f"hnsw-{secrets.token_hex(8)}", n_keys, n_entries)
                folder, storage = self._folder(made["hnsw"]), self.store.manifest.storage
                Engine.build(folder, self._chunks(), self.width, storage)
            if bm25 and n_keys:
                made["bm25"] = Accelerator(f"bm25-{secrets.token_hex(8)}", n_keys, n_entries)
                self._word_index(new=True).save(self._folder(made["bm25"]))
                sums = write_sums(self._folder(made["bm25"]))
                made["bm25"] = replace(made["bm25"], sums=sums)
            self.store.commit(accelerators=made)

    def _folder(self, made: Accelerator) -> Path:
        return self.store.folder / made.name

    def _pairs(self, masks: Masks) -> Iterator[tuple[Segment, numpy.ndarray | None]]:
        return zip(self.store.segments, masks)

    def _masks(self, where: dict[str, Any]) -> Masks:
        masks: Masks = []
        for segment in self.store.segments:
            mask = segment.live_mask() if len(segment.deleted) else None
            if where:
                fitting = select(self._columns_of(segment), segment.n_rows, where)
                mask = fitting if mask is None else mask & fitting
            masks.append(mask)
        return masks

    def _columns_of(self, segment: Segment) -> dict[str, Column]:
        current = {segment.info.name for segment in self.store.segments}
        known = {name: c for name, c in self._cache.columns.items() if name in current}
        if segment.info.name not in known:
            known[segment.info.name] = read_columns(segment)
        self._cache.columns = known
        return known[segment.info.name]

    def _joined(self, masks: Masks, n_keys: int) -> numpy.ndarray | None:
        """Which of the first keys count; None for all."""
        if all(mask is None for mask in masks):
            return None
        return numpy.concatenate([_whole(s, m) for s, m in self._pairs(masks)])[:n_keys]

    def _n_candidates(self, k: int, masks: Masks) -> int:
        """How many to ask of the graph so that enough pass the filter; 0 where a scan is better."""
        n_rows = self.store.manifest.n_keys
        n_selected = sum(s.n_rows if m is None else int(m.sum()) for s, m in self._pairs(masks))
        if n_selected <= SCANNED:
            return 0
        limit = k if n_selected == n_rows else int(2 * k * n_rows / n_selected) + 10
        limit *= OVERSAMPLING if self.store.manifest.storage == "int8" else 1
        return limit if limit <= MOST_CANDIDATES else 0

    def _scan(self, queries: numpy.ndarray, k: int, masks: Masks, from_key: int = 0) -> Found:
        parts = [nothing(len(queries))]
        for segment, mask in self._pairs(masks):
            n_skipped = from_key - segment.first_key
            if n_skipped >= segment.n_rows:
                continue
            if n_skipped > 0:
                mask = _whole(segment, mask).copy()
                mask[:n_skipped] = False
            scores, rows = scan(queries, segment, k, mask)
            parts.append((scores, rows + segment.first_key))
        return merge(parts, k)

    def _graph(self) -> tuple[Engine | None, int]:
        """The graph, opened once, and the key from which on it knows nothing."""
        made = self.store.manifest.accelerators.get("hnsw")
        if made is None:
            return None, 0
        with self._cache.opening:
            name, engine = self._cache.engine
            if name != made.name:
                engine = Engine.load(self._folder(made))
                self._cache.engine = (made.name, engine)
        return engine, made.n_keys

    def _word_index(self, new: bool = False) -> WordIndex:
        """BM25 over all entries, as saved or made in memory."""
        generation, index = self._cache.words
        if index is None or generation != self.store.manifest.generation or new:
            saved = None if new else self._saved_words()
            index = saved or WordIndex.build(self._texts(), self.tokenize)
            self._cache.words = (self.store.manifest.generation, index)
        return index

    def _saved_words(self) -> WordIndex | None:
        """If all entries are in it, and few that were deleted since: their words still weigh."""
        made = self.store.manifest.accelerators.get("bm25")
        if made is None or made.n_keys < self.store.manifest.n_keys or self._is_old("bm25"):
            return None
        check = partial(check_sums, self._folder(made), made.sums)
        return WordIndex.load(self._folder(made), check)

    def _texts(self) -> Iterator[tuple[int, str]]:
        """Live keys and their texts."""
        for segment in self.store.segments:
            for row in numpy.flatnonzero(segment.live_mask()).tolist():
                yield row + segment.first_key, segment.record(row).text

    def _chunks(self) -> Iterator[tuple[numpy.ndarray, numpy.ndarray]]:
        """Live keys and their vectors."""
        for segment in self.store.segments:
            rows = numpy.flatnonzero(segment.live_mask())
            for start in range(0, len(rows), CHUNK):
                part = rows[start : start + CHUNK]
                yield part + segment.first_key, segment.vectors[part].astype("float32")


def can_import(import_it: Callable[[], Any]) -> bool:
    try:
        import_it()
    except ImportError:
        return False
    return True


def remove_temporary(folder: Path, process: int) -> None:
    """Remove a temporary folder at the end of the process that made it, not of its forks."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def _whole(segment: Segment, mask: numpy.ndarray | None) -> numpy.ndarray:
    return numpy.ones(segment.n_rows, dtype=bool) if mask is None else mask


def rankings(scores: numpy.ndarray, keys: numpy.ndarray) -> list[Ranking]:
    return [list(zip(k, s)) for k, s in zip(keys.tolist(), scores.tolist())]
