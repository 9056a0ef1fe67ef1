"""Documents to records of pretraining instances; runs in worker processes too."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from ...backbone.input.offsets import offsets_of
from ...backbone.input.wordpieces import WordpieceTokenizer
from ...errors import CodedValueError, Errors
from .instance import Instance, Record
from .pairing import InstanceSettings, Plan, Segment, make_plans
from .sentences import SentenceSplitter
from .text import Document, Tokens

CHUNK = 1_000_000  # characters that are prepared at a time; a random B comes from the same
MOST_CHUNKS = 64  # of a single document, where pairs need two


def chunks_of(
    documents: Iterable[Document], needs_two: bool, most: int = CHUNK
) -> Iterator[list[Document]]:
    """Group documents. Where pairs need two of them, what is left at the end joins the last group.

    most (int): Characters in a group.
    YIELDS (list[Document]): The groups.
    RAISES (ValueError): If pairs need two documents, and there is only one far and wide.
    """
    held: list[Document] = []
    chunk: list[Document] = []
    size = 0
    for document in documents:
        chunk.append(document)
        size += document.size
        if size < most:
            continue
        if needs_two and not has_two(chunk):
            if size > MOST_CHUNKS * most:
                raise CodedValueError(Errors.B153)
            continue
        if held:
            yield held
        held, chunk, size = chunk, [], 0
    if held and chunk and needs_two and not has_two(chunk):
        held, chunk = held + chunk, []
    if needs_two and not held and chunk and not has_two(chunk):
        raise CodedValueError(Errors.B153)
    yield from (group for group in (held, chunk) if group)


def has_two(chunk: Sequence[Document]) -> bool:
    return any(document.key != chunk[0].key for document in chunk)


@dataclass(frozen=True)
class Pieces:
    """All sentences of a chunk, end to end.

    ids (ndarray): Wordpieces, (n_pieces,).
    words (ndarray): Number of the token that each is of, (n_pieces,).
    tokens (Tokens): All tokens.
    lengths (list[ndarray]): Wordpieces of each sentence of each document.
    starts (ndarray): First wordpiece of each document, (n_documents + 1,).
    """

    ids: numpy.ndarray
    words: numpy.ndarray
    tokens: Tokens
    lengths: list[numpy.ndarray]
    starts: numpy.ndarray


class Preparation:
    """Makes the instances of a chunk. The same chunk gives the same instances, in any process.

    tokenizer (PreTrainedTokenizerFast): Of the backbone.
    splitter (SentenceSplitter): Makes sentences.
    settings (InstanceSettings): Of the instances.
    seed (int): Of all that is drawn.
    shuffle (bool): Whether to mix the instances of a chunk.
    """

    def __init__(
        self,
        tokenizer: Any,
        splitter: SentenceSplitter,
        settings: InstanceSettings,
        seed: int,
        shuffle: bool,
    ):
        self.tokenizer = tokenizer
        self.splitter = splitter
        self.settings = settings
        self.seed = seed
        self.shuffle = shuffle
        self.wordpieces: WordpieceTokenizer | None = None

    def __call__(self, epoch: int, number: int, chunk: Sequence[Document]) -> list[Record]:
        """epoch, number (int): Of the pass over the text, and of the chunk in it.
        RETURNS (list[Record]): The instances.
        """
        rng = numpy.random.default_rng([self.seed, epoch, number])
        pieces = self._tokenize(chunk)
        keys = [document.key for document in chunk]
        filled = [i for i, lengths in enumerate(pieces.lengths) if len(lengths)]
        plans = make_plans(
            self.settings, [pieces.lengths[i] for i in filled], [keys[i] for i in filled], rng
        )
        seeds = rng.integers(2**63 - 1, size=len(plans)).tolist()
        order = rng.permutation(len(plans)) if self.shuffle else range(len(plans))
        starts = pieces.starts[filled] if filled else pieces.starts
        return [make_record(plans[i], seeds[i], pieces, starts) for i in order]

    def _tokenize(self, chunk: Sequence[Document]) -> Pieces:
        if self.wordpieces is None:
            self.wordpieces = WordpieceTokenizer(self.tokenizer)
        by_document = [list(self.splitter(document)) for document in chunk]
        sentences = [sentence for document in by_document for sentence in document]
        words = [word for sentence in sentences for word in sentence.words]
        spaces = [space for sentence in sentences for space in sentence.spaces]
        pieces = self.wordpieces([text_of(sentence) for sentence in sentences])
        n_words = offsets_of([len(sentence.words) for sentence in sentences])
        of_word = words_of(pieces, words, spaces, n_words)
        n_sentences = offsets_of([len(document) for document in by_document])
        lengths = numpy.diff(pieces.offsets)
        by_length = [lengths[a:b] for a, b in zip(n_sentences, n_sentences[1:])]
        return Pieces(
            pieces.ids,
            of_word,
            Tokens(words, spaces),
            [sizes[sizes > 0] for sizes in by_length],
            pieces.offsets[n_sentences],
        )

    def __getstate__(self) -> dict:
        return {**vars(self), "wordpieces": None}


def text_of(sentence: Tokens) -> str:
    return "".join(word + " " * space for word, space in zip(sentence.words, sentence.spaces))


def words_of(
    pieces: Any, words: list[str], spaces: list[bool], n_words: numpy.ndarray
) -> numpy.ndarray:
    """RETURNS (ndarray): The token in which each wordpiece begins. (n_pieces,)"""
    lengths = numpy.fromiter(map(len, words), dtype="int64", count=len(words))
    lengths += numpy.asarray(spaces, dtype="int64")
    # All sentences on one line of characters, so that one search serves them all.
    starts = offsets_of(lengths)
    origin = numpy.repeat(starts[n_words[:-1]], numpy.diff(pieces.offsets))
    return numpy.searchsorted(starts[:-1], pieces.starts + origin, side="right") - 1


def make_record(plan: Plan, seed: int, pieces: Pieces, starts: numpy.ndarray) -> Record:
    segments = [plan.first] if plan.second is None else [plan.first, plan.second]
    ids, numbers, words, spaces = [], [], [], []  # type: ignore[var-annotated]
    n_words = [0]
    for segment in segments:
        start, end = span_of(segment, starts)
        first, last = int(pieces.words[start]), int(pieces.words[end - 1]) + 1
        ids.append(pieces.ids[start:end])
        numbers.append(pieces.words[start:end] - first + n_words[-1])
        words.extend(pieces.tokens.words[first:last])
        spaces.extend(pieces.tokens.spaces[first:last])
        spaces[-1] = True
        n_words.append(len(words))
    instance = Instance(
        numpy.concatenate(ids).astype("int32"),
        numpy.concatenate(numbers).astype("int32"),
        len(plan.first),
        n_words[1],
        plan.label,
        seed,
    )
    return Record(words, spaces, instance)


def span_of(segment: Segment, starts: numpy.ndarray) -> tuple[int, int]:
    first = int(starts[segment.document])
    return first + segment.start, first + segment.end
