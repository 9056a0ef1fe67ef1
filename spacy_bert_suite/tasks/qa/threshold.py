"""The threshold for "no answer", tuned on development questions."""

from collections.abc import Sequence

from .scorer import f1_score
from .spans import SpanCandidates


def null_threshold_of(
    readings: Sequence[SpanCandidates], answers: Sequence[Sequence[tuple[str, int]]]
) -> float:
    """Find the threshold with the best F1.

    readings (Sequence[SpanCandidates]): What is found for each question.
    answers (Sequence): Its right answers, each a text with its place; none if it has no answer.
    RETURNS (float): The threshold.
    """
    gold = [[text for text, _ in right] for right in answers]
    best = [found.candidates[0].span.text if found.candidates else "" for found in readings]
    return best_null_threshold(
        [found.null_score for found in readings],
        [f1_score(text, right) for text, right in zip(best, gold)],
        [f1_score("", right) for right in gold],
    )


def best_null_threshold(
    null_scores: Sequence[float], with_answer: Sequence[float], without: Sequence[float]
) -> float:
    """The threshold with the best total score, as in the official script of SQuAD 2.0.

    null_scores (Sequence[float]): Of each question; above the threshold there is no answer.
    with_answer (Sequence[float]): Score of each question if its best answer is given.
    without (Sequence[float]): Score of each question if no answer is given.
    RETURNS (float): Half way between two null scores, or one above or below all of them.
    """
    order = sorted(range(len(null_scores)), key=lambda i: null_scores[i])
    values = [null_scores[i] for i in order]
    total = best = sum(without)
    threshold = values[0] - 1.0
    for place, i in enumerate(order):
        total += with_answer[i] - without[i]
        following = values[place + 1] if place + 1 < len(values) else values[place] + 2.0
        if total > best and following > values[place]:
            best, threshold = total, (values[place] + following) / 2
    return threshold
