"""Choosing sentences for instances of one or two segments (NSP, SOP), from their lengths."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy

from ...errors import CodedValueError, Errors

OBJECTIVES = ("mlm", "mlm+nsp", "mlm+sop")
FOLLOWS, NOT_NEXT = 0, 1  # labels of pairs, as in BertForPreTraining
Sentences = tuple[int, int, int]  # document, first sentence, end
Lengths = Sequence[numpy.ndarray]


@dataclass(frozen=True)
class Segment:
    """Consecutive wordpieces of a document: [start, end)."""

    document: int
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Plan:
    """What an instance consists of.

    label (int | None): 0 if B follows A, 1 if B is from elsewhere, or stands before A; None
        for a single segment.
    """

    first: Segment
    second: Segment | None = None
    label: int | None = None


@dataclass(frozen=True)
class InstanceSettings:
    """objective (str): mlm | mlm+nsp | mlm+sop.
    max_length (int): Most wordpieces of an instance, special tokens included.
    short_seq_prob (float): Share of instances with a shorter target, drawn evenly.
    """

    objective: str
    max_length: int
    short_seq_prob: float

    @property
    def room(self) -> int:
        """RETURNS (int): Wordpieces without [CLS] and the [SEP] behind each segment."""
        return self.max_length - (2 if self.objective == "mlm" else 3)


def make_plans(
    settings: InstanceSettings,
    lengths: Lengths,
    keys: Sequence[tuple[int, int]],
    rng: numpy.random.Generator,
) -> list[Plan]:
    """Put the sentences of some documents together (Devlin et al. 2019, appendix A.2; sentence
    order: Lan et al. 2020).

    lengths (Sequence[ndarray]): Wordpieces of each sentence of each document; none is 0.
    keys (Sequence[tuple[int, int]]): Names of the documents: parts of one share theirs.
    rng (Generator): Decides.
    RETURNS (list[Plan]): The instances, document by document.
    """
    if settings.objective == "mlm":
        return [
            plan
            for i, sentences in enumerate(lengths)
            for plan in single_segments(settings, i, sentences, rng)
        ]
    return Pairing(settings, lengths, keys, rng).make()


def single_segments(
    settings: InstanceSettings, document: int, lengths: numpy.ndarray, rng: numpy.random.Generator
) -> Iterator[Plan]:
    """Whole sentences as long as they fit; a longer one is cut, and nothing is left out."""
    ends = numpy.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    start = 0
    while start < total:
        target = draw_target(settings, rng)
        # The last end of a sentence that the target allows, if there is one.
        n_whole = int(numpy.searchsorted(ends, start + target, side="right"))
        end = int(ends[n_whole - 1]) if n_whole else 0
        end = end if end > start else min(start + target, total)
        yield Plan(Segment(document, start, end))
        start = end


def draw_target(settings: InstanceSettings, rng: numpy.random.Generator) -> int:
    """RETURNS (int): Wordpieces to fill up to."""
    if rng.random() < settings.short_seq_prob:
        return int(rng.integers(2, settings.room + 1))
    return settings.room


class Pairing:
    """Makes pairs of segments. A pair whose label the text forces (a last sentence has nothing
    that follows) is made up for by the next, so that half of all are of each kind.
    """

    def __init__(
        self,
        settings: InstanceSettings,
        lengths: Lengths,
        keys: Sequence[tuple[int, int]],
        rng: numpy.random.Generator,
    ):
        self.settings = settings
        self.lengths = lengths
        self.ends = [numpy.concatenate([[0], numpy.cumsum(sentences)]) for sentences in lengths]
        self.keys = keys
        self.rng = rng
        self.n_owed = 0  # pairs that were forced to be random

    def make(self) -> list[Plan]:
        return [plan for i in range(len(self.lengths)) for plan in self._pairs_of(i)]

    def _pairs_of(self, document: int) -> Iterator[Plan]:
        make = self._swapped if self.settings.objective == "mlm+sop" else self._next_or_random
        start = 0
        while start < len(self.lengths[document]):
            plan, start = make(document, start, draw_target(self.settings, self.rng))
            if plan is not None:
                yield plan

    def _next_or_random(self, document: int, start: int, target: int) -> tuple[Plan, int]:
        """RETURNS (tuple[Plan, int]): A pair, and the sentence with which to go on."""
        is_next = self._draws_next()
        end = self._fill(document, start, target, n_least=2 if is_next else 1)
        middle = start + int(self.rng.integers(1, max(2, end - start)))
        first = document, start, middle
        if is_next and end > middle:
            return self._plan(first, (document, middle, end), FOLLOWS), end
        self.n_owed += is_next
        second = self._random_segment(document, target - self._size(*first))
        return self._plan(first, second, NOT_NEXT), middle  # what is not used is put back

    def _swapped(self, document: int, start: int, target: int) -> tuple[Plan | None, int]:
        """Two segments that follow each other, half of them the other way round. A sentence that
        is left alone makes none.
        """
        end = self._fill(document, start, target, n_least=2)
        if end - start < 2:
            return None, end
        middle = start + int(self.rng.integers(1, end - start))
        first, second = (document, start, middle), (document, middle, end)
        if self.rng.random() < 0.5:
            return self._plan(first, second, FOLLOWS), end
        return self._plan(second, first, NOT_NEXT), end

    def _draws_next(self) -> bool:
        is_next = bool(self.rng.random() < 0.5)
        if not is_next and self.n_owed:
            self.n_owed -= 1
            return True
        return is_next

    def _fill(self, document: int, start: int, target: int, n_least: int) -> int:
        """RETURNS (int): End of the sentences that reach the target, or of the document."""
        ends = self.ends[document]
        reached = int(numpy.searchsorted(ends, ends[start] + target))
        return min(max(reached, start + n_least), len(ends) - 1)

    def _size(self, document: int, start: int, end: int) -> int:
        ends = self.ends[document]
        return int(ends[end] - ends[start])

    def _random_segment(self, document: int, size: int) -> Sentences:
        """RETURNS (tuple[int, int, int]): Sentences from some place in another document."""
        other = self._other_document(document)
        begin = int(self.rng.integers(len(self.lengths[other])))
        return other, begin, self._fill(other, begin, max(1, size), n_least=1)

    def _other_document(self, document: int) -> int:
        """RETURNS (int): One that is no part of the same."""
        for _ in range(100):
            other = int(self.rng.integers(len(self.keys)))
            if self.keys[other] != self.keys[document]:
                return other
        others = [i for i, key in enumerate(self.keys) if key != self.keys[document]]
        if not others:
            raise CodedValueError(Errors.B153)
        return others[int(self.rng.integers(len(others)))]

    def _plan(self, first: Sentences, second: Sentences, label: int) -> Plan:
        """From sentences to wordpieces, cut to the room that there is."""
        a, b = self._segment(*first), self._segment(*second)
        return Plan(*truncate(a, b, self.settings.room, self.rng), label)

    def _segment(self, document: int, start: int, end: int) -> Segment:
        ends = self.ends[document]
        return Segment(document, int(ends[start]), int(ends[end]))


def truncate(
    first: Segment, second: Segment, room: int, rng: numpy.random.Generator
) -> tuple[Segment, Segment]:
    """Take wordpieces off the longer segment, at its front or its back at random, until both fit.

    RETURNS (tuple[Segment, Segment]): What is left of them.
    """
    n_over = len(first) + len(second) - room
    if n_over <= 0:
        return first, second
    n_first, n_second = shorten(len(first), len(second), n_over)
    return cut(first, n_first, rng), cut(second, n_second, rng)


def shorten(n_first: int, n_second: int, n_over: int) -> tuple[int, int]:
    """RETURNS (tuple[int, int]): The lengths when one wordpiece at a time is taken off the longer
    one, off the second where both are equally long.
    """
    off_first = min(n_over, max(0, n_first - n_second))
    off_second = min(n_over, max(0, n_second - n_first))
    rest = n_over - off_first - off_second
    return n_first - off_first - rest // 2, n_second - off_second - (rest + 1) // 2


def cut(segment: Segment, length: int, rng: numpy.random.Generator) -> Segment:
    """RETURNS (Segment): So long a part; each wordpiece was taken off the front or the back with
    equal chance.
    """
    n_off = len(segment) - length
    n_front = int(rng.binomial(n_off, 0.5)) if n_off else 0
    start = segment.start + n_front
    return Segment(segment.document, start, start + length)
