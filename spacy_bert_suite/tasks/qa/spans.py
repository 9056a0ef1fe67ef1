"""Span scores: candidate answers of each window, and training targets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy
from spacy.tokens import Doc, Span

from .logits import PairLogits

NO_SPAN_SCORE = -1e4  # score of a span in a text without any


class SpanScores(NamedTuple):
    """Scores of all spans of a text for one question.

    band (ndarray): Score of the span that begins with piece i and has 1 + j pieces; -inf where
        there is none. *Shape:* ``(n_pieces, longest)``, float32
    null (float): Score of "no answer".
    starts, ends (ndarray): Characters of each piece in the text, (n_pieces,).
    """

    band: numpy.ndarray
    null: float
    starts: numpy.ndarray
    ends: numpy.ndarray


class Candidate(NamedTuple):
    """A span of a Doc that may be the answer.

    score (float): Of the best span of wordpieces that lies on it.
    log_mass (float): Logarithm of the sum of exp(score) over all of these.
    """

    span: Span
    score: float
    log_mass: float


@dataclass(frozen=True)
class SpanCandidates:
    """What is found for one question in one text, or in several.

    candidates (list[Candidate]): Best first; none overlaps another.
    null (float): Score of "no answer".
    log_total (float): Logarithm of the sum of exp(score) over all spans.
    """

    candidates: list[Candidate]
    null: float
    log_total: float

    @property
    def null_score(self) -> float:
        best = self.candidates[0].score if self.candidates else NO_SPAN_SCORE
        return self.null - best


def score_spans(found: PairLogits, max_pieces: int) -> Iterator[SpanScores]:
    """Score the spans of every pair of a question and a text. A span that several windows see has
    the best of its scores; none reaches into the question or the special tokens.

    found (PairLogits): What the head gives for the pairs.
    max_pieces (int): Most wordpieces in an answer.
    YIELDS (SpanScores): One for each pair.
    """
    logits = found.logits.detach().float().cpu().numpy()
    firsts = found.text_rows
    null = logits[found.row_offsets[:-1]].sum(axis=1)  # (n_windows,)
    offsets = found.seconds.offsets
    for pair, (begin, end) in enumerate(zip(offsets[:-1], offsets[1:])):
        windows = range(*found.window_offsets[pair : pair + 2])
        band = numpy.full((end - begin, min(max_pieces, end - begin)), -numpy.inf, dtype="float32")
        for w in windows:
            rows = slice(firsts[w], found.row_offsets[w + 1] - 1)
            seen = band[found.starts[w] - begin : found.ends[w] - begin]
            numpy.maximum(seen, span_score_band(logits[rows], band.shape[1]), out=seen)
        pieces = slice(begin, end)
        starts, ends = found.seconds.starts[pieces], found.seconds.ends[pieces]
        yield SpanScores(band, float(null[windows.start : windows.stop].min()), starts, ends)


def span_score_band(logits: numpy.ndarray, longest: int) -> numpy.ndarray:
    """logits (ndarray): Of start and end, (n_pieces, 2).
    longest (int): Most pieces in a span.
    RETURNS (ndarray): Start i plus end i + j, -inf where that is past the last. (n_pieces, longest)
    """
    past = numpy.full(max(0, longest - 1), -numpy.inf, dtype=logits.dtype)
    ends = numpy.concatenate([logits[:, 1], past])
    if not longest or not len(logits):
        return numpy.zeros((len(logits), longest), dtype=logits.dtype)
    return logits[:, :1] + numpy.lib.stride_tricks.sliding_window_view(ends, longest)


def extract_candidates(scores: SpanScores, doc: Doc, n_best: int) -> SpanCandidates:
    """Find the best spans of a Doc. They begin and end with tokens.

    scores (SpanScores): Of a question and the text of the Doc.
    n_best (int): Most candidates.
    RETURNS (SpanCandidates): The candidates, and what makes probabilities of their scores.
    """
    total = log_sum(scores.band)
    left = scores.band if n_best == 1 else scores.band.copy()
    candidates: list[Candidate] = []
    while left.size and len(candidates) < n_best:
        first, more = divmod(int(left.argmax()), left.shape[1])
        score = float(left[first, more])
        if not score > -numpy.inf:
            break
        begin, end = int(scores.starts[first]), int(scores.ends[first + more])
        span = doc.char_span(begin, end, alignment_mode="expand")
        if span is None:  # never: pieces lie in tokens
            break
        candidates.append(Candidate(span, score, log_sum(pieces_on(scores, span))))
        if len(candidates) < n_best:
            _remove(left, scores, span)
    return SpanCandidates(candidates, scores.null, total)


def pieces_on(scores: SpanScores, span: Span) -> numpy.ndarray:
    """RETURNS (ndarray): Scores of all spans of wordpieces that begin in the first token of a span
    and end in its last.
    """
    first, last = span[0], span[-1]
    rows = numpy.flatnonzero(
        (scores.starts >= first.idx) & (scores.starts < first.idx + len(first))
    )
    lasts = numpy.flatnonzero((scores.ends > last.idx) & (scores.ends <= last.idx + len(last)))
    lengths = lasts[None, :] - rows[:, None]
    inside = (lengths >= 0) & (lengths < scores.band.shape[1])
    i, j = numpy.nonzero(inside)
    return scores.band[rows[i], lengths[i, j]]


def _remove(band: numpy.ndarray, scores: SpanScores, span: Span) -> None:
    """Take out all spans of wordpieces that share a character with a span."""
    first = int(numpy.searchsorted(scores.ends, span.start_char, side="right"))
    last = int(numpy.searchsorted(scores.starts, span.end_char, side="left"))
    band[first:last] = -numpy.inf
    for i in range(max(0, first - band.shape[1] + 1), first):
        band[i, first - i :] = -numpy.inf


def log_sum(values: numpy.ndarray) -> float:
    """RETURNS (float): Logarithm of the sum of exp(value); -inf for none."""
    highest = values.max() if values.size else -numpy.inf
    if highest == -numpy.inf:
        return -numpy.inf
    return float(highest + numpy.log(numpy.exp(values - highest).sum(dtype="float64")))


def join_readings(readings: Sequence[SpanCandidates]) -> SpanCandidates:
    """RETURNS (SpanCandidates): Several texts as if they were one long text."""
    candidates = [candidate for reading in readings for candidate in reading.candidates]
    return SpanCandidates(
        sorted(candidates, key=lambda candidate: -candidate.score),
        min(reading.null for reading in readings),
        float(numpy.logaddexp.reduce([reading.log_total for reading in readings])),
    )


def target_pieces(found: PairLogits, pair: int, start: int, end: int) -> tuple[int, int]:
    """RETURNS (tuple[int, int]): First and last of the pieces (of `found.seconds`) that share a
    character with [start, end) of the second text of a pair; the last is before the first if
    there are none.
    """
    begin, stop = found.seconds.offsets[pair : pair + 2]
    pieces = slice(begin, stop)
    first = numpy.searchsorted(found.seconds.ends[pieces], start, side="right")
    last = numpy.searchsorted(found.seconds.starts[pieces], end, side="left") - 1
    return int(begin + first), int(begin + last)


def window_targets(found: PairLogits, answers: Sequence[tuple[int, int] | None]) -> numpy.ndarray:
    """Where answers begin and end in the windows.

    answers (Sequence[tuple[int, int] | None]): For each pair the characters [start, end) of its
        answer, or None for no answer.
    RETURNS (ndarray): Place of the first and last piece in each window, from 1; 0, which stands
        for [CLS], where the answer is not in the window as a whole. (n_windows, 2)
    """
    targets = numpy.zeros((len(found.starts), 2), dtype="int64")
    for pair, answer in enumerate(answers):
        if answer is None:
            continue
        first, last = target_pieces(found, pair, *answer)
        for w in range(*found.window_offsets[pair : pair + 2]):
            if found.starts[w] <= first <= last < found.ends[w]:
                targets[w] = first - found.starts[w] + 1, last - found.starts[w] + 1
    return targets
