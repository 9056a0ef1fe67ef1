"""Texts to wordpieces, and wordpieces to windows and tokens, all by character offsets."""

import re
from dataclasses import dataclass
from threading import Lock
from typing import Dict, Iterable, List, Sequence, Tuple, Union

import numpy
from spacy.tokens import Doc
from transformers.tokenization_utils_fast import PreTrainedTokenizerFast

# BERT's normalizer drops control characters before it splits on white space, so only these
# four always end a word. str.split() would also split at e.g. \x1c, inside what BERT joins.
CHUNK = re.compile(r"[^ \t\n\r]+")
LONGEST_CACHED_CHUNK = 64  # characters
MOST_CACHED_CHUNKS = 1 << 17


@dataclass
class Wordpieces:
    """The wordpieces of several texts, one after the other, without special tokens."""

    ids: numpy.ndarray  # (n_pieces,) int64
    starts: numpy.ndarray  # (n_pieces,) int64, characters from the start of the text
    ends: numpy.ndarray  # (n_pieces,) int64
    offsets: numpy.ndarray  # (n_texts + 1,) int64: text i has the pieces offsets[i]:offsets[i + 1]


class WordpieceTokenizer:
    """Texts to ids and character offsets, as the fast tokenizer would give them.

    BERT's pre-tokenizer never looks across white space, so the pieces of a chunk between
    spaces depend on that chunk alone: each distinct chunk is tokenized once and remembered.
    Other tokenizers (byte-level BPE, SentencePiece) see the whole text every time.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self.backend = tokenizer.backend_tokenizer
        self.backend.no_truncation()
        self.backend.no_padding()
        self.by_chunk = _splits_at_spaces(tokenizer)
        self.cls_id = tokenizer.cls_token_id
        self.sep_id = tokenizer.sep_token_id
        self.pad_id = tokenizer.pad_token_id or 0
        self.n_between = _count_between(self.backend, self.sep_id)
        self._chunks = ChunkCache(self.backend)

    def __call__(self, texts: Sequence[str]) -> Wordpieces:
        """texts (Sequence[str]): Any texts, of any length.
        RETURNS (Wordpieces): All their pieces; none is dropped.
        """
        if self.by_chunk:
            return self._chunks(texts)
        return _pack(self.backend.encode_batch(list(texts), add_special_tokens=False))


def _count_between(backend, sep_id: int) -> int:
    """RETURNS (int): How many [SEP] stand between two texts: one in BERT, two in RoBERTa. One too
    for a tokenizer that does not say.
    """
    pair = backend.encode("a", "a")
    texts = pair.sequence_ids
    if 0 not in texts or 1 not in texts:
        return 1
    between = pair.ids[len(texts) - texts[::-1].index(0) : texts.index(1)]
    return len(between) if between and set(between) == {sep_id} else 1


class ChunkCache:
    """Wordpieces of chunks, in flat arrays that grow; a chunk is known by its row. Threads that
    share a pipeline take turns.
    """

    def __init__(self, backend):
        self.backend = backend
        self.lock = Lock()
        self.clear()

    def clear(self) -> None:
        self.rows: Dict[str, int] = {}
        self.ids = numpy.zeros(0, dtype="int64")
        self.starts = numpy.zeros(0, dtype="int64")
        self.ends = numpy.zeros(0, dtype="int64")
        self.offsets = numpy.zeros(1, dtype="int64")

    def __call__(self, texts: Sequence[str]) -> Wordpieces:
        chunks: List[str] = []
        begins: List[int] = []
        n_chunks = numpy.zeros(len(texts) + 1, dtype="int64")
        for i, text in enumerate(texts):
            for match in CHUNK.finditer(text):
                chunks.append(match.group())
                begins.append(match.start())
            n_chunks[i + 1] = len(chunks)
        with self.lock:
            if len(self.rows) > MOST_CACHED_CHUNKS:
                self.clear()
            table, rows = self._look_up(chunks)
        return table.take(rows, numpy.asarray(begins, dtype="int64"), n_chunks)

    def _look_up(self, chunks: List[str]) -> Tuple["ChunkTable", numpy.ndarray]:
        """Rows of the chunks. Long chunks are new rows of this call's table only."""
        unknown = [chunk for chunk in dict.fromkeys(chunks) if chunk not in self.rows]
        short = [chunk for chunk in unknown if len(chunk) <= LONGEST_CACHED_CHUNK]
        long = [chunk for chunk in unknown if len(chunk) > LONGEST_CACHED_CHUNK]
        table = ChunkTable(self.ids, self.starts, self.ends, self.offsets)
        if short:
            table = table.extend(_pack(self.backend.encode_batch(short, add_special_tokens=False)))
            first = len(self.offsets) - 1
            self.ids, self.starts, self.ends, self.offsets = table.arrays()
            self.rows.update((chunk, first + i) for i, chunk in enumerate(short))
        rows = self.rows
        if long:
            first = len(table.offsets) - 1
            table = table.extend(_pack(self.backend.encode_batch(long, add_special_tokens=False)))
            rows = {chunk: self.rows[chunk] for chunk in chunks if chunk in self.rows}
            rows.update((chunk, first + i) for i, chunk in enumerate(long))
        return table, numpy.fromiter((rows[c] for c in chunks), dtype="int64", count=len(chunks))


@dataclass
class ChunkTable:
    """Pieces of distinct chunks; offsets count characters from the start of the chunk."""

    ids: numpy.ndarray
    starts: numpy.ndarray
    ends: numpy.ndarray
    offsets: numpy.ndarray

    def arrays(self) -> Tuple[numpy.ndarray, ...]:
        return self.ids, self.starts, self.ends, self.offsets

    def extend(self, new: Wordpieces) -> "ChunkTable":
        return ChunkTable(
            numpy.concatenate([self.ids, new.ids]),
            numpy.concatenate([self.starts, new.starts]),
            numpy.concatenate([self.ends, new.ends]),
            numpy.concatenate([self.offsets, new.offsets[1:] + self.offsets[-1]]),
        )

    def take(
        self, rows: numpy.ndarray, begins: numpy.ndarray, n_chunks: numpy.ndarray
    ) -> Wordpieces:
        """Lay the chunks `rows`, which begin at the characters `begins`, one after the other."""
        lengths = self.offsets[rows + 1] - self.offsets[rows]
        index = ranges(self.offsets[rows], lengths)
        shift = numpy.repeat(begins, lengths)
        n_pieces = offsets_of(lengths)
        return Wordpieces(
            self.ids[index], self.starts[index] + shift, self.ends[index] + shift,
            n_pieces[n_chunks],
        )  # fmt: skip


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


def align_tokens(
    docs: Sequence[Doc], pieces: Wordpieces
) -> Tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Find each token's wordpieces: those that share a character with it. A piece may belong
    to two tokens ("can" + "n't" against "can", "'", "t"); white space has none.

    RETURNS (Tuple[ndarray, ndarray, ndarray]): First piece and end of the pieces of every
        token, (n_tokens,) each, with start == end where there are none, and the token
        offsets of the docs, (n_docs + 1,).
    """
    arrays = [doc.to_array(["LENGTH", "SPACY"]).astype("int64") for doc in docs]
    offsets = offsets_of([len(array) for array in arrays])
    arrays = [array for array in arrays if len(array)]
    lengths = numpy.concatenate(arrays) if arrays else numpy.zeros((0, 2), dtype="int64")
    # All docs on one line of characters, so that two searches serve the whole batch.
    token_ends = numpy.cumsum(lengths.sum(axis=1)) - lengths[:, 1]
    token_starts = token_ends - lengths[:, 0]
    n_characters = offsets_of(lengths.sum(axis=1))
    origin = numpy.repeat(n_characters[offsets[:-1]], numpy.diff(pieces.offsets))
    starts = numpy.searchsorted(pieces.ends + origin, token_starts, side="right")
    ends = numpy.searchsorted(pieces.starts + origin, token_ends, side="left")
    return starts, numpy.maximum(starts, ends), offsets


def cut_texts(pieces: Wordpieces, n_most: int) -> Wordpieces:
    """RETURNS (Wordpieces): At most the first `n_most` pieces of each text."""
    lengths = numpy.minimum(numpy.diff(pieces.offsets), n_most)
    kept = ranges(pieces.offsets[:-1], lengths)
    return Wordpieces(pieces.ids[kept], pieces.starts[kept], pieces.ends[kept], offsets_of(lengths))


def ranges(starts: numpy.ndarray, lengths: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (ndarray): starts[0], starts[0] + 1, ... (lengths[0] of them), starts[1], ..."""
    total = int(lengths.sum())
    before = numpy.cumsum(lengths) - lengths
    return numpy.arange(total, dtype="int64") + numpy.repeat(starts - before, lengths)


def offsets_of(lengths: Union[Sequence[int], numpy.ndarray]) -> numpy.ndarray:
    """RETURNS (ndarray): 0, and the running total of the lengths: (n + 1,) int64."""
    return numpy.concatenate([[0], numpy.cumsum(lengths)]).astype("int64")


def _pack(encodings: Iterable) -> Wordpieces:
    encodings = list(encodings)
    ids = [i for encoding in encodings for i in encoding.ids]
    spans = [span for encoding in encodings for span in encoding.offsets]
    offsets = offsets_of([len(encoding.ids) for encoding in encodings])
    chars = numpy.asarray(spans, dtype="int64").reshape(-1, 2)
    return Wordpieces(numpy.asarray(ids, dtype="int64"), chars[:, 0], chars[:, 1], offsets)


def _splits_at_spaces(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether this is BERT's own tokenizer, with no added token that contains a space."""
    backend = tokenizer.backend_tokenizer
    is_bert = (
        type(backend.model).__name__ == "WordPiece"
        and type(backend.normalizer).__name__ == "BertNormalizer"
        and type(backend.pre_tokenizer).__name__ == "BertPreTokenizer"
    )
    added = tokenizer.added_tokens_decoder.values()
    return is_bert and not any(token.content.split() != [token.content] for token in added)
