"""Reproducible batches: how a resumed run finds its place in the corpus."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from spacy.training import Example

from ...core.rng import States, get_states, set_states
from ...errors import CodedValueError, Errors

Batch = list[Example]


@dataclass
class Position:
    """A place in the data.

    n_taken (int): Batches taken so far.
    checksum (int): Of the numbers of tokens in their examples.
    notes (list[tuple[int, str, bytes]]): Before which batch, by its number, which generator of
        random numbers was set to which state.
    """

    n_taken: int = 0
    checksum: int = 0
    notes: list[tuple[int, str, bytes]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {"n_taken": self.n_taken, "checksum": self.checksum, "notes": self.notes}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Position":
        notes = [(n, name, state) for n, name, state in values["notes"]]
        return cls(values["n_taken"], values["checksum"], notes)


class BatchStream:
    """Batches, and what is needed to draw the same ones again.

    Corpus and batcher draw from the same random numbers as all else in training. So the stream
    notes the state in which it found a generator, wherever it drew from it and others had drawn in
    between. Usually that is once an epoch, for the shuffle. Nothing is changed by noting it.

    batches (Iterator): Pairs of an epoch and a batch, as of `create_train_batches`.
    """

    def __init__(self, batches: Iterator[tuple[int, Batch]]):
        self.batches = batches
        self.position = Position()
        self._left: States = {}  # states in which the stream left the generators that it used

    def __iter__(self) -> "BatchStream":
        return self

    def __next__(self) -> tuple[int, Batch]:
        found = get_states()
        epoch, batch = next(self.batches)
        batch = list(batch)
        self._note(found, get_states())
        self._count(batch)
        return epoch, batch

    def _note(self, found: States, left: States) -> None:
        for name, state in found.items():
            if left[name] != state:
                if self._left.get(name) != state:
                    self.position.notes.append((self.position.n_taken, name, state))
                self._left[name] = left[name]

    def _count(self, batch: Batch) -> None:
        lengths = struct.pack(f"<{len(batch)}I", *(len(eg) for eg in batch))
        self.position.checksum = zlib.crc32(lengths, self.position.checksum)
        self.position.n_taken += 1

    def skip_to(self, position: Position) -> None:
        """Draw the batches up to a place again, and leave them.

        RAISES (ValueError): If the data is not the same any more.
        """
        notes: dict[int, States] = {}
        for n_taken, name, state in position.notes:
            notes.setdefault(n_taken, {})[name] = state
        for n_taken in range(position.n_taken):
            set_states(notes.get(n_taken, {}))
            if next(self, None) is None:
                break
        found = (self.position.n_taken, self.position.checksum)
        if found != (position.n_taken, position.checksum):
            raise CodedValueError(Errors.B173.format(n_batches=position.n_taken))
