"""The hidden states of a batch of docs, packed without padding, and who may still read them."""

from dataclasses import dataclass, replace
from threading import Lock, get_ident
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple
from weakref import ReferenceType, WeakKeyDictionary, WeakValueDictionary, ref

import numpy
import torch
from spacy.tokens import Doc

from .wordpieces import Windows, Wordpieces, offsets_of, ranges

MOST_PENDING_BATCHES = 16  # in a thread


@dataclass(frozen=True)
class Layout:
    """Where things are in the rows of `BertStates`: all pieces, then a [CLS] for every
    window, then a [SEP] for every window. Docs follow one another in each of the three parts.

    A token's rows are `token_starts[i]:token_ends[i]`; never none: a token without pieces
    (white space, control characters) has the [CLS] of its doc's first window.
    """

    piece_offsets: numpy.ndarray  # (n_docs + 1,)
    window_offsets: numpy.ndarray  # (n_docs + 1,)
    token_offsets: numpy.ndarray  # (n_docs + 1,)
    token_starts: numpy.ndarray  # (n_tokens,) rows
    token_ends: numpy.ndarray  # (n_tokens,) rows
    kept_starts: numpy.ndarray  # (n_windows,) rows
    kept_ends: numpy.ndarray  # (n_windows,) rows

    @property
    def n_docs(self) -> int:
        return len(self.piece_offsets) - 1

    @property
    def n_pieces(self) -> int:
        return int(self.piece_offsets[-1])

    @property
    def n_windows(self) -> int:
        return int(self.window_offsets[-1])

    def select(self, indices: Sequence[int]) -> "LayoutSelection":
        """Choose docs. RETURNS (LayoutSelection): Their layout and the rows they take."""
        docs = numpy.asarray(indices, dtype="int64")
        pieces, piece_offsets = _select(self.piece_offsets, docs)
        windows, window_offsets = _select(self.window_offsets, docs)
        tokens, token_offsets = _select(self.token_offsets, docs)
        n_pieces, n_windows = self.n_pieces, self.n_windows
        rows = numpy.concatenate([pieces, n_pieces + windows, n_pieces + n_windows + windows])
        new_row = numpy.full(n_pieces + n_windows, -1, dtype="int64")
        new_row[rows[: len(pieces) + len(windows)]] = numpy.arange(len(pieces) + len(windows))
        token_starts = new_row[self.token_starts[tokens]]
        kept_lengths = (self.kept_ends - self.kept_starts)[windows]
        kept_starts = numpy.cumsum(kept_lengths) - kept_lengths
        layout = Layout(
            piece_offsets,
            window_offsets,
            token_offsets,
            token_starts,
            token_starts + (self.token_ends - self.token_starts)[tokens],
            kept_starts,
            kept_starts + kept_lengths,
        )
        return LayoutSelection(layout, rows)


@dataclass(frozen=True)
class LayoutSelection:
    layout: Layout
    rows: numpy.ndarray


def make_layout(
    pieces: Wordpieces,
    windows: Windows,
    token_starts: numpy.ndarray,
    token_ends: numpy.ndarray,
    token_offsets: numpy.ndarray,
) -> Layout:
    """Point tokens without pieces at the [CLS] of their doc."""
    n_tokens = numpy.diff(token_offsets)
    cls_rows = numpy.repeat(pieces.offsets[-1] + windows.offsets[:-1], n_tokens)
    bare = token_starts == token_ends
    return Layout(
        pieces.offsets,
        windows.offsets,
        token_offsets,
        numpy.where(bare, cls_rows, token_starts),
        numpy.where(bare, cls_rows + 1, token_ends),
        windows.kept_starts,
        windows.kept_ends,
    )


@dataclass(frozen=True)
class BertStates:
    """Hidden states of a batch of docs.

    rows (Tensor): The states on the backbone's device, in the order that `layout` tells.
        *Shape:* ``(n_pieces + 2 * n_windows, width)``
    """

    rows: torch.Tensor
    layout: Layout

    @property
    def width(self) -> int:
        return self.rows.shape[1]

    @property
    def pieces(self) -> torch.Tensor:
        return self.rows[: self.layout.n_pieces]  # (n_pieces, width)

    @property
    def cls(self) -> torch.Tensor:
        start = self.layout.n_pieces
        return self.rows[start : start + self.layout.n_windows]  # (n_windows, width)

    @property
    def sep(self) -> torch.Tensor:
        return self.rows[self.layout.n_pieces + self.layout.n_windows :]  # (n_windows, width)

    def select(self, indices: Sequence[int]) -> "BertStates":
        """RETURNS (BertStates): The states of some of the docs, in the order given."""
        if list(indices) == list(range(self.layout.n_docs)):
            return self
        selection = self.layout.select(indices)
        rows = torch.from_numpy(selection.rows).to(self.rows.device)
        return BertStates(self.rows[rows], selection.layout)

    def detach(self) -> "BertStates":
        return replace(self, rows=self.rows.detach())

    def to_arrays(self, index: int) -> Dict[str, numpy.ndarray]:
        """RETURNS (Dict[str, ndarray]): One doc's states on the host, msgpack-able: "pieces",
        "cls", "sep" (float32), and "align", the rows [start, end) of each token, (n_tokens, 2),
        where row n_pieces is the first [CLS].
        """
        doc = self.select([index])
        align = numpy.stack([doc.layout.token_starts, doc.layout.token_ends], axis=1)
        return {
            "pieces": doc.pieces.float().cpu().numpy(),
            "cls": doc.cls.float().cpu().numpy(),
            "sep": doc.sep.float().cpu().numpy(),
            "align": align,
        }


def join_states(parts: List[BertStates]) -> BertStates:
    """RETURNS (BertStates): Batches one after the other, as one batch."""
    if len(parts) == 1:
        return parts[0]
    n_pieces = numpy.cumsum([0] + [part.layout.n_pieces for part in parts])
    n_windows = numpy.cumsum([0] + [part.layout.n_windows for part in parts])
    layouts = [part.layout for part in parts]
    token_starts, token_ends = [], []
    for i, layout in enumerate(layouts):
        on_cls = layout.token_starts >= layout.n_pieces
        shift = numpy.where(on_cls, n_pieces[-1] - layout.n_pieces + n_windows[i], n_pieces[i])
        token_starts.append(layout.token_starts + shift)
        token_ends.append(layout.token_ends + shift)
    layout = Layout(
        _join_offsets([layout.piece_offsets for layout in layouts]),
        _join_offsets([layout.window_offsets for layout in layouts]),
        _join_offsets([layout.token_offsets for layout in layouts]),
        numpy.concatenate(token_starts),
        numpy.concatenate(token_ends),
        numpy.concatenate([lay.kept_starts + n for lay, n in zip(layouts, n_pieces)]),
        numpy.concatenate([lay.kept_ends + n for lay, n in zip(layouts, n_pieces)]),
    )
    rows = [part.pieces for part in parts] + [part.cls for part in parts]
    return BertStates(torch.cat(rows + [part.sep for part in parts]), layout)


class StateStore:
    """States on their way from the backbone to its listeners; threads may share it.

    A doc's entry goes when all listeners have read it, or when the doc goes; a batch goes with
    the last entry of its docs. Docs that are held may wait for a listener that is switched off
    and never reads: of the batches of one thread, at most `MOST_PENDING_BATCHES` wait.
    """

    def __init__(self):
        self._entries: WeakKeyDictionary[Doc, _Entry] = WeakKeyDictionary()
        self._batches: Dict[int, List[ReferenceType[_Batch]]] = {}  # by thread, oldest first
        self._lock = Lock()
        # By identity; a listener goes with its component.
        self._readers: WeakValueDictionary[int, Any] = WeakValueDictionary()

    def __reduce__(self):
        return StateStore, (), self.readers

    def __setstate__(self, readers: List[Any]) -> None:
        for reader in readers:
            self.add_reader(reader)

    def __len__(self) -> int:
        """RETURNS (int): Batches whose states are held."""
        with self._lock:
            return sum(len(_waiting(batches)) for batches in self._batches.values())

    @property
    def readers(self) -> List[Any]:
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

    def take(self, docs: Sequence[Doc], reader: Any, *, is_last: bool) -> Optional[BertStates]:
        """is_last (bool): Whether the reader needs these states no more.
        RETURNS (Optional[BertStates]): The states of `docs`, or None where the backbone
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
    states: Optional[BertStates]  # None: dropped

    def get_states(self) -> BertStates:
        if self.states is None:
            raise LookupError
        return self.states


@dataclass
class _Entry:
    batch: _Batch
    index: int
    readers: Set[int]


def _waiting(batches: Sequence["ReferenceType[_Batch]"]) -> List[_Batch]:
    """RETURNS (List[_Batch]): Those for which a doc still waits."""
    alive = [batch() for batch in batches]
    return [batch for batch in alive if batch is not None and batch.states is not None]


def _runs(entries: Sequence[_Entry]) -> List[Tuple[_Batch, List[int]]]:
    """Consecutive entries of one batch: the batch, and indices of its docs."""
    runs: List[Tuple[_Batch, List[int]]] = []
    for entry in entries:
        if not runs or runs[-1][0] is not entry.batch:
            runs.append((entry.batch, []))
        runs[-1][1].append(entry.index)
    return runs


def _select(offsets: numpy.ndarray, docs: numpy.ndarray):
    lengths = numpy.diff(offsets)[docs]
    index = ranges(offsets[docs], lengths)
    return index, offsets_of(lengths)


def _join_offsets(parts: List[numpy.ndarray]) -> numpy.ndarray:
    lengths = numpy.concatenate([numpy.diff(part) for part in parts])
    return offsets_of(lengths)
