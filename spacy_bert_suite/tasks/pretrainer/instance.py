"""Pretraining instances as spaCy Examples."""

from dataclasses import dataclass

import numpy
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from ...core.attributes import INSTANCE


@dataclass(frozen=True)
class Instance:
    """One or two segments, before anything is masked.

    ids (ndarray): Wordpieces of A and B, without special tokens, (n_pieces,) int32.
    words (ndarray): For each wordpiece the number of the token that it is of, (n_pieces,) int32.
    n_first (int): Wordpieces in A.
    n_first_words (int): Tokens in A.
    label (int | None): 0 if B follows A, 1 if not; None for a single segment.
    seed (int): From which its masks are drawn.
    """

    ids: numpy.ndarray
    words: numpy.ndarray
    n_first: int
    n_first_words: int
    label: int | None
    seed: int

    @property
    def length(self) -> int:
        """RETURNS (int): Wordpieces with [CLS] and the [SEP] behind each segment."""
        return len(self.ids) + (2 if self.label is None else 3)


@dataclass(frozen=True)
class Record:
    """What is sent from where instances are prepared: an instance and the tokens of its Doc."""

    words: list[str]
    spaces: list[bool]
    instance: Instance


def make_example(vocab: Vocab, record: Record) -> Example:
    """RETURNS (Example): One Doc as both predicted and reference: nothing is predicted on it."""
    doc = Doc(vocab, record.words, record.spaces)
    found = record.instance
    doc.user_data[INSTANCE] = {
        "ids": found.ids.tobytes(),
        "words": found.words.tobytes(),
        "n_first": found.n_first,
        "n_first_words": found.n_first_words,
        "label": found.label,
        "seed": found.seed,
    }
    return Example(doc, doc)


def get_instance(eg: Example) -> Instance | None:
    """RETURNS (Instance | None): What `make_example` has stored, if it was made there."""
    stored = eg.reference.user_data.get(INSTANCE)
    if stored is None:
        return None
    return Instance(
        numpy.frombuffer(stored["ids"], dtype="int32"),
        numpy.frombuffer(stored["words"], dtype="int32"),
        stored["n_first"],
        stored["n_first_words"],
        stored["label"],
        stored["seed"],
    )
