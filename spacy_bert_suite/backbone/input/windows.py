"""Windows of wordpieces, and which wordpieces belong to which token."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from spacy.tokens import Doc

from .offsets import offsets_of, ranges
from .wordpieces import Wordpieces


@dataclass
class Windows:
    """Windows over the pieces of several texts. Each piece is kept from one window only."""

    starts: numpy.ndarray  # (n_windows,) first piece that the model sees
    ends: numpy.ndarray  # (n_windows,)
    kept_starts: numpy.ndarray  # (n_windows,) first piece whose state comes from this window
    kept_ends: numpy.ndarray  # (n_windows,)
    offsets: numpy.ndarray  # (n_texts + 1,) int64: text i has the windows offsets[i]:offsets[i + 1]


def make_windows(offsets: numpy.ndarray, window: int, stride: int) -> Windows:
    """Cut each text's pieces into windows that overlap where the text is too long for one.

        pieces   0 1 2 3 4 5 6 7 8 9        window (without special tokens) = 6, stride = 4
        first    [0 1 2 3 4|5]              a piece in two windows is kept from the one in
        second           [4|5 6 7 8 9]      which it stands farther from the edge

    offsets (ndarray): Piece offsets of the texts, (n_texts + 1,).
    window (int): Most pieces in a window, special tokens not counted.
    stride (int): Pieces from the start of a window to the start of the next.
    RETURNS (Windows): At least one window for each text, also for an empty one.
    """
    n_pieces = numpy.diff(offsets)
    n_windows = 1 + numpy.maximum(0, -(-(n_pieces - window) // stride))
    text = numpy.repeat(numpy.arange(len(n_pieces)), n_windows)
    nth = ranges(numpy.zeros(len(n_pieces), dtype="int64"), n_windows)
    # The last window is moved back to be full: its pieces get all the context there is.
    local = numpy.minimum(nth * stride, numpy.maximum(0, n_pieces[text] - window))
    starts = offsets[:-1][text] + local
    ends = numpy.minimum(starts + window, offsets[1:][text])
    is_first = nth == 0
    kept_starts = starts.copy()
    kept_starts[1:] = numpy.where(is_first[1:], starts[1:], (starts[1:] + ends[:-1]) // 2)
    kept_ends = ends.copy()
    kept_ends[:-1] = numpy.where(is_first[1:], ends[:-1], kept_starts[1:])
    return Windows(starts, ends, kept_starts, kept_ends, offsets_of(n_windows))


def token_extents(docs: Sequence[Doc]) -> numpy.ndarray:
    """RETURNS (ndarray): Characters of each token, and whether a space follows, which together
    say where every token begins and ends. *Shape:* ``(n_tokens, 2)``, int64
    """
    arrays = [doc.to_array(["LENGTH", "SPACY"]).astype("int64") for doc in docs if len(doc)]
    return numpy.concatenate(arrays) if arrays else numpy.zeros((0, 2), dtype="int64")


def align_tokens(
    docs: Sequence[Doc], extents: numpy.ndarray, pieces: Wordpieces
) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Find each token's wordpieces: those that share a character with it. A piece may belong
    to two tokens ("can" + "n't" against "can", "'", "t"); white space has none.

    extents (ndarray): As of `token_extents`.
    RETURNS (tuple[ndarray, ndarray, ndarray]): First piece and end of the pieces of every
        token, (n_tokens,) each, with start == end where there are none, and the token
        offsets of the docs, (n_docs + 1,).
    """
    offsets = offsets_of([len(doc) for doc in docs])
    # All docs on one line of characters, so that two searches serve the whole batch.
    token_ends = numpy.cumsum(extents.sum(axis=1)) - extents[:, 1]
    token_starts = token_ends - extents[:, 0]
    n_characters = offsets_of(extents.sum(axis=1))
    origin = numpy.repeat(n_characters[offsets[:-1]], numpy.diff(pieces.offsets))
    starts = numpy.searchsorted(pieces.ends + origin, token_starts, side="right")
    ends = numpy.searchsorted(pieces.starts + origin, token_ends, side="left")
    return starts, numpy.maximum(starts, ends), offsets


def cut_texts(pieces: Wordpieces, n_most: int) -> Wordpieces:
    """RETURNS (Wordpieces): At most the first `n_most` pieces of each text."""
    lengths = numpy.minimum(numpy.diff(pieces.offsets), n_most)
    kept = ranges(pieces.offsets[:-1], lengths)
    return Wordpieces(pieces.ids[kept], pieces.starts[kept], pieces.ends[kept], offsets_of(lengths))


N_SPECIAL = 2  # [CLS] and [SEP] around every window
