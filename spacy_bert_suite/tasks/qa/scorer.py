"""Exact match and F1 of answers as SQuAD defines them."""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from spacy.training import Example

from ...core.words import chunks_of
from ...data.questions import get_question
from .answers import Answer, Asked


def make_qa_scorer() -> Callable:
    """Registered as "spacy-bert-suite.qa_scorer.v1"."""
    return score_answers


def score_answers(
    examples: Iterable[Example],
    *,
    answer_pairs: Callable[[list[Asked]], list[list[Answer]]],
    **cfg: Any,
) -> dict[str, float | None]:
    """Exact match and F1 of the answers; see `squad_scores`.

    examples (Iterable[Example]): Their predicted docs are read here.
    answer_pairs (Callable): Answers for pairs of a doc and a question.
    """
    found = [(eg, question) for eg in examples if (question := get_question(eg)) is not None]
    answers = answer_pairs([(eg.predicted, question.text) for eg, question in found])
    gold = [[text for text, _ in question.answers] for _, question in found]
    return squad_scores([best.text for (best,) in answers], gold)


PUNCTUATION = str.maketrans("", "", string.punctuation)
ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalize_answer(text: str) -> str:
    """RETURNS (str): The text in lower case, without punctuation, articles and double spaces, as
    in the official script; composed (NFC).
    """
    text = unicodedata.normalize("NFC", text).lower().translate(PUNCTUATION)
    return " ".join(ARTICLES.sub(" ", text).split())


def exact_match(answer: str, gold: Sequence[str]) -> float:
    """answer (str): What was predicted, "" for no answer.
    gold (Sequence[str]): Right answers; none if there is no answer.
    RETURNS (float): 1 if the answer is one of them, else 0.
    """
    return max(float(normalize_answer(answer) == normal) for normal in _normal(gold))


def f1_score(answer: str, gold: Sequence[str]) -> float:
    """RETURNS (float): F1 of the words of the answer and the right answer that is most like it;
    of characters in scripts without spaces, as in MLQA (Lewis et al. 2020).
    """
    return max(
        _f1(chunks_of(normalize_answer(answer)), chunks_of(normal)) for normal in _normal(gold)
    )


def _normal(gold: Sequence[str]) -> list[str]:
    return [normal for text in gold if (normal := normalize_answer(text))] or [""]


def _f1(answer: list[str], gold: list[str]) -> float:
    if not answer or not gold:
        return float(answer == gold)
    n_common = sum((Counter(answer) & Counter(gold)).values())
    return 2 * n_common / (len(answer) + len(gold))


def squad_scores(answers: Sequence[str], gold: Sequence[Sequence[str]]) -> dict[str, float | None]:
    """Score answers to questions.

    answers (Sequence[str]): For each question what was predicted, "" for no answer.
    gold (Sequence[Sequence[str]]): For each question the right answers, none if it has no answer.
    RETURNS (dict[str, float | None]): From 0 to 1: `qa_em` (exact match) and `qa_f1`; the same
        over the questions that have an answer, `qa_has_answer_em` and `qa_has_answer_f1`; and
        the share of those without one for which none was given, `qa_no_answer_acc`.
    """
    em = [exact_match(answer, right) for answer, right in zip(answers, gold)]
    f1 = [f1_score(answer, right) for answer, right in zip(answers, gold)]
    has = [i for i, right in enumerate(gold) if right]
    no = [i for i, right in enumerate(gold) if not right]
    return {
        "qa_em": _mean(em),
        "qa_f1": _mean(f1),
        "qa_has_answer_em": _mean([em[i] for i in has]),
        "qa_has_answer_f1": _mean([f1[i] for i in has]),
        "qa_no_answer_acc": _mean([em[i] for i in no]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
