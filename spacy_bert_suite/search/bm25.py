"""Search by words: BM25 (Robertson and Zaragoza 2009) through bm25s (Lù 2024)."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import List, Optional, Tuple

import numpy

from ..errors import Errors

Tokenize = Callable[[str], List[str]]
WORD = re.compile(r"\w+")
K1, B = 1.2, 0.75
# What bears no meaning of its own in an English question; other languages lose little by it.
FREQUENT = (
    "a an and are as at be but by do does for from has have how if in into is it its no not of on "
    "or such that the their then there these they this to was were what when where which who why "
    "will with"
)
STOP_WORDS = frozenset(FREQUENT.split())


def words_of(text: str) -> List[str]:
    """Split a text into lower-case words, without the most frequent ones of English and with
    plurals cut (the S stemmer of Harman 1991).

    text (str): Any text.
    RETURNS (List[str]): Its words.
    """
    return [singular(word) for word in WORD.findall(text.lower()) if word not in STOP_WORDS]


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

    index (bm25s.BM25): Term scores of all texts.
    n_texts (int): How many.
    """

    def __init__(self, index, n_texts: int) -> None:
        self.index, self.n_texts = index, n_texts

    @classmethod
    def build(cls, texts: Iterable[str], tokenize: Tokenize) -> "WordIndex":
        bm25s = import_bm25s()
        words = [tokenize(text) for text in texts]
        index = bm25s.BM25(k1=K1, b=B, method="lucene")
        if any(words):
            index.index(words, show_progress=False)
        return cls(index if any(words) else None, len(words))

    def save(self, folder: Path) -> None:
        """An empty folder stands for texts without a word."""
        folder.mkdir()
        if self.index is not None:
            self.index.save(folder, show_progress=False)

    @classmethod
    def load(cls, folder: Path, n_texts: int) -> Optional["WordIndex"]:
        """RETURNS (Optional[WordIndex]): None if a writer has removed the folder."""
        bm25s = import_bm25s()
        try:
            has_words = any(folder.iterdir())
            return cls(bm25s.BM25.load(folder, mmap=True) if has_words else None, n_texts)
        except FileNotFoundError:
            return None

    def scores(self, words: Sequence[str]) -> numpy.ndarray:
        """RETURNS (ndarray): The score of every text, float32; 0 where no word is in it."""
        known = [word for word in words if self.index and word in self.index.vocab_dict]
        if not known:
            return numpy.zeros(self.n_texts, dtype="float32")
        return self.index.get_scores(known)

    def search(
        self, words: Sequence[str], k: int, selected: Optional[numpy.ndarray]
    ) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """RETURNS (Tuple[ndarray, ndarray]): Scores above 0, high to low, and places of texts."""
        scores = self.scores(words)
        if selected is not None:
            scores = numpy.where(selected, scores, 0)
        n_found = min(k, int(numpy.count_nonzero(scores > 0)))
        if not n_found:
            return scores[:0], numpy.zeros(0, dtype="int64")
        limit = numpy.partition(scores, -n_found)[-n_found]
        places = numpy.flatnonzero(scores >= limit)
        places = places[numpy.argsort(-scores[places], kind="stable")][:n_found]
        return scores[places], places


def import_bm25s():
    try:
        import bm25s
    except ImportError as error:
        raise ImportError(Errors.B122.format(library="bm25s", what="A search by words")) from error
    return bm25s
