"""StateStore: states of recent batches, kept until all listeners have read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock, get_ident
from typing import Any
from weakref import ReferenceType, WeakKeyDictionary, WeakValueDictionary, ref

from spacy.tokens import Doc

from .hidden_states import BertStates, join_states

MOST_PENDING_BATCHES = 16  # in a thread


class StateStore:
    """States on their way from the backbone to its listeners; threads may share it.

    A doc's entry goes when all listeners have read it, or when the doc goes; a batch goes with
    the last entry of its docs. Docs that are held may wait for a listener that is switched off
    and never reads: of the batches of one thread, at most `MOST_PENDING_BATCHES` wait.
    """

    def __init__(self):
        self._entries: WeakKeyDictionary[Doc, _Entry] = WeakKeyDictionary()
        self._batches: dict[int, list[ReferenceType[_Batch]]] = {}  # by thread, oldest first
        self._lock = Lock()
        # By identity; a listener goes with its component.
        self._readers: WeakValueDictionary[int, Any] = WeakValueDictionary()

    def __reduce__(self):
        return StateStore, (), self.readers

    def __setstate__(self, readers: list[Any]) -> None:
        for reader in readers:
            self.add_reader(reader)

    def __len__(self) -> int:
        """RETURNS (int): Batches whose states are held."""
        with self._lock:
            return sum(len(_waiting(batches)) for batches in self._batches.values())

    @property
    def readers(self) -> list[Any]:
        return list(self._readers.values())

    def add_reader(self, reader: Any) -> None:
        self._readers[id(reader)] = reader

    def remove_reader(self, reader: Any) -> None:
        self._readers.pop(id(reader), None)

    def put(self, docs: Sequence[Doc], states: BertStates) -> None:
        """Hold the states of `docs` until every reader has read them."""
        readers = set(self._readers.keys())
        if not readers or not docs:
            return
        batch = _Batch(states)
        with self._lock:
            for i, doc in enumerate(docs):  # of a doc that comes twice, the last counts
                self._entries[doc] = _Entry(batch, i, set(readers))
            waiting = [*_waiting(self._batches.get(get_ident(), [])), batch]
            for late in waiting[:-MOST_PENDING_BATCHES]:
                late.states = None
            self._batches[get_ident()] = [ref(each) for each in waiting[-MOST_PENDING_BATCHES:]]

    def take(self, docs: Sequence[Doc], reader: Any, *, is_last: bool) -> BertStates | None:
        """is_last (bool): Whether the reader needs these states no more.
        RETURNS (BertStates | None): The states of `docs`, or None where the backbone
            has not run on one of them, or every listener has read its states already.
        RAISES (LookupError): If the states were dropped already.
        """
        with self._lock:
            entries = [self._entries.get(doc) for doc in docs]
            found = [entry for entry in entries if entry is not None]
            if len(found) < len(entries) or not found:
                return None
            runs = [(batch.get_states(), indices) for batch, indices in _runs(found)]
            if is_last:
                for doc, entry in zip(docs, found):
                    self._mark(doc, entry, id(reader))
        return join_states([states.select(indices) for states, indices in runs])

    def _mark(self, doc: Doc, entry: "_Entry", reader: int) -> None:
        entry.readers.discard(reader)
        if not entry.readers:
            self._entries.pop(doc, None)


@dataclass(eq=False)
class _Batch:
    states: BertStates | None  # None: dropped

    def get_states(self) -> BertStates:
        if self.states is None:
            raise LookupError
        return self.states


@dataclass
class _Entry:
    batch: _Batch
    index: int
    readers: set[int]


def _waiting(batches: Sequence["ReferenceType[_Batch]"]) -> list[_Batch]:
    """RETURNS (list[_Batch]): Those for which a doc still waits."""
    alive = [batch() for batch in batches]
    return [batch for batch in alive if batch is not None and batch.states is not None]


def _runs(entries: Sequence[_Entry]) -> list[tuple[_Batch, list[int]]]:
    """Consecutive entries of one batch: the batch, and indices of its docs."""
    runs: list[tuple[_Batch, list[int]]] = []
    for entry in entries:
        if not runs or runs[-1][0] is not entry.batch:
            runs.append((entry.batch, []))
        runs[-1][1].append(entry.index)
    return runs
