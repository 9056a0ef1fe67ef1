"""Texts to wordpieces with character offsets, cached by chunk."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy
from transformers.tokenization_utils_fast import PreTrainedTokenizerFast

from .offsets import offsets_of, ranges

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
        self.rows: dict[str, int] = {}
        self.ids = numpy.zeros(0, dtype="int64")
        self.starts = numpy.zeros(0, dtype="int64")
        self.ends = numpy.zeros(0, dtype="int64")
        self.offsets = numpy.zeros(1, dtype="int64")

    def __call__(self, texts: Sequence[str]) -> Wordpieces:
        chunks: list[str] = []
        begins: list[int] = []
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

    def _look_up(self, chunks: list[str]) -> tuple["ChunkTable", numpy.ndarray]:
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

    def arrays(self) -> tuple[numpy.ndarray, ...]:
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
