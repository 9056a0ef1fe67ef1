"""Ranking of texts by words: BM25 (Robertson and Zaragoza 2009) through bm25s (Lù 2024)."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy

from ..core.integrity import UNREADABLE
from ..core.words import is_plain, pairs_of, stands_alone
from ..core.words import words_of as all_words_of
from ..errors import CodedImportError, Errors, Warnings

Tokenize = Callable[[str], list[str]]
K1, B = 1.2, 0.75
KEYS = "keys.npy"
# Of the way in which texts are split into words: a saved index of another one is made again.
RULE_FILE, RULE = "rule", "2"
# What bears no meaning of its own in an English question; other languages lose little by it.
FREQUENT = (
    "a an and are as at be but by do does for from has have how if in into is it its no not of on "
    "or such that the their then there these they this to was were what when where which who why "
    "will with"
)
STOP_WORDS = frozenset(FREQUENT.split())


def words_of(text: str) -> list[str]:
    """Split a text into lower-case words, without the most frequent ones of English and with
    plurals cut (the S stemmer of Harman 1991). In scripts without spaces between words these are
    characters, and all pairs of neighbours.

    text (str): Any text.
    RETURNS (list[str]): Its words.
    """
    words = all_words_of(text, names=True)
    found = [singular(word) for word in words if word not in STOP_WORDS]
    return found if is_plain(text) else found + _pairs(words, least=2)


def query_words(text: str, tokenize: Tokenize) -> list[str]:
    """RETURNS (list[str]): Words to look for. By the default rule, a run of characters without
    spaces is found by its pairs, as in Lucene, and a single one by itself.
    """
    if tokenize is not words_of or is_plain(text):
        return tokenize(text)
    words = all_words_of(text, names=True)
    rest = [word for word in words if not stands_alone(word) and word not in STOP_WORDS]
    return [singular(word) for word in rest] + _pairs(words, least=1)


def _pairs(words: Sequence[str], least: int) -> list[str]:
    """Pairs in runs of at least so many characters that stand alone."""
    runs = [list(run) for is_run, run in groupby(words, stands_alone) if is_run]
    return [pair for run in runs if len(run) >= least for pair in pairs_of(run)]


def singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies") and word[-4] not in "ae":
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("es") and word[-3] not in "aeo":
        return word[:-1]
    if len(word) > 3 and word.endswith("s") and word[-2] not in "us":
        return word[:-1]
    return word


class WordIndex:
    """BM25 over texts.

    index (bm25s.BM25 | None): Term scores of all texts; None if there is no word in them.
    keys (ndarray): Of the texts, ascending, (n_texts,) int64.
    """

    def __init__(self, index: Any, keys: numpy.ndarray) -> None:
        self.index, self.keys = index, keys

    @classmethod
    def build(cls, texts: Iterable[tuple[int, str]], tokenize: Tokenize) -> "WordIndex":
        """texts (Iterable[tuple[int, str]]): Keys and texts."""
        bm25s = import_bm25s()
        keys, words = [], []
        for key, text in texts:
            keys.append(key)
            words.append(tokenize(text))
        index = bm25s.BM25(k1=K1, b=B, method="lucene") if any(words) else None
        if index is not None:
            index.index(words, show_progress=False)
        return cls(index, numpy.array(keys, dtype="int64"))

    def save(self, folder: Path) -> None:
        """Write it to a new folder; if no text has a word, only the keys."""
        folder.mkdir()
        numpy.save(folder / KEYS, self.keys)
        (folder / RULE_FILE).write_text(RULE, encoding="utf8")
        if self.index is not None:
            self.index.save(folder, show_progress=False)

    @staticmethod
    def is_of_old_rule(folder: Path) -> bool:
        """RETURNS (bool): Whether an index was saved with words that are split otherwise."""
        try:
            return (folder / RULE_FILE).read_text(encoding="utf8") != RULE
        except (OSError, UnicodeDecodeError):
            return True

    @classmethod
    def load(cls, folder: Path, check: Callable[[], None]) -> "WordIndex | None":
        """check (Callable[[], None]): Raises if a file was changed.
        RETURNS (WordIndex | None): None if a writer has removed the folder, or with a warning
        if it cannot be read.
        """
        try:
            check()
            return cls._read(folder)
        except (*UNREADABLE, AttributeError, OSError) as error:
            if folder.exists():
                what = "BM25 index"
                message = Warnings.B910.format(what=what, path=folder, reason=repr(error))
                warnings.warn(message, stacklevel=2)
            return None

    @classmethod
    def _read(cls, folder: Path) -> "WordIndex":
        bm25s = import_bm25s()
        keys = numpy.load(folder / KEYS)
        if all(path.name in (KEYS, RULE_FILE, "sums") for path in folder.iterdir()):
            return cls(None, keys)
        index = bm25s.BM25.load(folder, mmap=True)
        if keys.shape != (index.scores["num_docs"],):
            raise ValueError(f"{KEYS} belongs to another one")
        return cls(index, keys)

    def scores(self, words: Sequence[str]) -> numpy.ndarray:
        """RETURNS (ndarray): The score of every text, float32; 0 where no word is in it."""
        indexed = [word for word in words if self.index and word in self.index.vocab_dict]
        if not indexed:
            return numpy.zeros(len(self.keys), dtype="float32")
        return self.index.get_scores(indexed)

    def search(
        self, words: Sequence[str], k: int, selected: numpy.ndarray | None
    ) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Find the texts that fit words best.

        selected (ndarray | None): Which keys count, bool; None for all.
        RETURNS (tuple[ndarray, ndarray]): Scores above 0, high to low, and keys.
        """
        scores = self.scores(words)
        if selected is not None:
            scores = numpy.where(selected[self.keys], scores, 0)
        n_found = min(k, int(numpy.count_nonzero(scores > 0)))
        if not n_found:
            return scores[:0], numpy.zeros(0, dtype="int64")
        limit = numpy.partition(scores, -n_found)[-n_found]
        places = numpy.flatnonzero(scores >= limit)
        places = places[numpy.argsort(-scores[places], kind="stable")][:n_found]
        return scores[places], self.keys[places]


def import_bm25s():
    try:
        import bm25s
    except ImportError as error:
        raise CodedImportError(
            Errors.B122.format(library="bm25s", what="A search by words")
        ) from error
    return bm25s
