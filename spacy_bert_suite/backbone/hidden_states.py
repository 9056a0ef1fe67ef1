"""BertStates: hidden states of a batch of docs, packed without padding. Layout: their order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy
import torch

from .input.offsets import offsets_of, ranges
from .input.windows import Windows
from .input.wordpieces import Wordpieces


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
    token_extents: numpy.ndarray  # (n_tokens, 2) characters, whether a space follows
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

    def first_cls(self, index: int) -> int:
        """RETURNS (int): Row of the [CLS] of a doc's first window."""
        return self.n_pieces + int(self.window_offsets[index])

    def rows_of_tokens(self, first: int, last: int) -> tuple[int, int]:
        """RETURNS (tuple[int, int]): First row and end of the pieces of tokens first:last; the
        [CLS] of the doc if they have none.
        """
        inside = self.token_starts[first:last] < self.n_pieces
        if not inside.any():
            return int(self.token_starts[first]), int(self.token_ends[first])
        tokens = first + numpy.flatnonzero(inside)
        return int(self.token_starts[tokens[0]]), int(self.token_ends[tokens[-1]])

    def windows_of_rows(self) -> numpy.ndarray:
        """RETURNS (ndarray): Which window each row is kept from, (n_rows,)."""
        windows = numpy.arange(self.n_windows)
        pieces = numpy.repeat(windows, self.kept_ends - self.kept_starts)
        return numpy.concatenate([pieces, windows, windows])

    def docs_of_rows(self) -> numpy.ndarray:
        """RETURNS (ndarray): Which doc each row belongs to, (n_rows,)."""
        docs = numpy.arange(self.n_docs)
        windows = numpy.repeat(docs, numpy.diff(self.window_offsets))
        pieces = numpy.repeat(docs, numpy.diff(self.piece_offsets))
        return numpy.concatenate([pieces, windows, windows])

    def places_of_rows(self) -> numpy.ndarray:
        """RETURNS (ndarray): Place of each row in its doc, from 1: a window's [CLS] before its
        pieces, its [SEP] behind them. (n_rows,)
        """
        pieces = ranges(numpy.zeros(self.n_docs, dtype="int64"), numpy.diff(self.piece_offsets))
        begins = numpy.repeat(self.piece_offsets[:-1], numpy.diff(self.window_offsets))
        cls = self.kept_starts - begins + 1
        sep = self.kept_ends - begins + 2
        return numpy.concatenate([pieces + 2, cls, sep])

    def rows_by_doc(self) -> tuple[numpy.ndarray, numpy.ndarray]:
        """RETURNS (tuple[ndarray, ndarray]): Rows doc by doc, of each its pieces, [CLS] and [SEP],
        (n_rows,); and where each doc begins in that order, (n_docs + 1,).
        """
        n_pieces, n_windows = self.n_pieces, self.n_windows
        pieces, windows = self.piece_offsets, self.window_offsets
        starts = [pieces[:-1], n_pieces + windows[:-1], n_pieces + n_windows + windows[:-1]]
        lengths = [numpy.diff(pieces), numpy.diff(windows), numpy.diff(windows)]
        by_doc = numpy.stack(lengths, axis=1)
        index = ranges(numpy.stack(starts, axis=1).ravel(), by_doc.ravel())
        return index, offsets_of(by_doc.sum(axis=1))

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
            self.token_extents[tokens],
            kept_starts,
            kept_starts + kept_lengths,
        )
        return LayoutSelection(layout, rows)

    def first_windows(self) -> "LayoutSelection":
        """Choose the first window of every doc, and the pieces that are kept from it; no tokens."""
        first = self.window_offsets[:-1]
        n_kept = self.kept_ends[first] - self.kept_starts[first]
        pieces = ranges(self.kept_starts[first], n_kept)
        cls = self.n_pieces + first
        offsets = offsets_of(n_kept)
        no_tokens = numpy.zeros(self.n_docs + 1, dtype="int64")
        layout = Layout(
            offsets,
            numpy.arange(self.n_docs + 1),
            no_tokens,
            self.token_starts[:0],
            self.token_ends[:0],
            self.token_extents[:0],
            offsets[:-1],
            offsets[1:],
        )
        return LayoutSelection(layout, numpy.concatenate([pieces, cls, cls + self.n_windows]))


@dataclass(frozen=True)
class LayoutSelection:
    """A part of the states: their layout, and the rows where they are now."""

    layout: Layout
    rows: numpy.ndarray


def make_layout(
    pieces: Wordpieces,
    windows: Windows,
    token_starts: numpy.ndarray,
    token_ends: numpy.ndarray,
    token_offsets: numpy.ndarray,
    token_extents: numpy.ndarray,
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
        token_extents,
        windows.kept_starts,
        windows.kept_ends,
    )


@dataclass(frozen=True)
class BertStates:
    """Hidden states of a batch of docs.

    hidden (Tensor): The states on the backbone's device, in the order that `layout` tells.
        *Shape:* ``(n_pieces + 2 * n_windows, width)``
    """

    hidden: torch.Tensor
    layout: Layout

    @property
    def width(self) -> int:
        return self.hidden.shape[1]

    @property
    def pieces(self) -> torch.Tensor:
        return self.hidden[: self.layout.n_pieces]  # (n_pieces, width)

    @property
    def cls(self) -> torch.Tensor:
        start = self.layout.n_pieces
        return self.hidden[start : start + self.layout.n_windows]  # (n_windows, width)

    @property
    def sep(self) -> torch.Tensor:
        return self.hidden[self.layout.n_pieces + self.layout.n_windows :]  # (n_windows, width)

    def select(self, indices: Sequence[int]) -> "BertStates":
        """RETURNS (BertStates): The states of some of the docs, in the order given."""
        if list(indices) == list(range(self.layout.n_docs)):
            return self
        return self._choose(self.layout.select(indices))

    def first_windows(self) -> "BertStates":
        """RETURNS (BertStates): Only the first window of every text, and its pieces. Those that
        overlap with the second window are only in part of the first.
        """
        if (numpy.diff(self.layout.window_offsets) == 1).all():
            return self
        return self._choose(self.layout.first_windows())

    def _choose(self, selection: LayoutSelection) -> "BertStates":
        rows = torch.from_numpy(selection.rows).to(self.hidden.device)
        return BertStates(self.hidden[rows], selection.layout)

    def detach(self) -> "BertStates":
        return replace(self, hidden=self.hidden.detach())

    def to_arrays(self, index: int) -> dict[str, numpy.ndarray]:
        """RETURNS (dict[str, ndarray]): One doc's states on the host, msgpack-able: "pieces",
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


def join_states(parts: list[BertStates]) -> BertStates:
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
        numpy.concatenate([lay.token_extents for lay in layouts]),
        numpy.concatenate([lay.kept_starts + n for lay, n in zip(layouts, n_pieces)]),
        numpy.concatenate([lay.kept_ends + n for lay, n in zip(layouts, n_pieces)]),
    )
    rows = [part.pieces for part in parts] + [part.cls for part in parts]
    return BertStates(torch.cat(rows + [part.sep for part in parts]), layout)


def _select(offsets: numpy.ndarray, docs: numpy.ndarray):
    lengths = numpy.diff(offsets)[docs]
    index = ranges(offsets[docs], lengths)
    return index, offsets_of(lengths)


def _join_offsets(parts: list[numpy.ndarray]) -> numpy.ndarray:
    lengths = numpy.concatenate([numpy.diff(part) for part in parts])
    return offsets_of(lengths)
