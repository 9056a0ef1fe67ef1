"""ROUGE against values counted by hand, and oracle labels against all possible choices."""

import itertools
import random

import pytest

from spacy_bert_suite.core.words import words_of
from spacy_bert_suite.tasks.summarizer.oracle import choose_oracle
from spacy_bert_suite.tasks.summarizer.rouge import (
    length_of_lcs,
    rouge_l,
    rouge_n,
    score_summary,
)


def test_words_are_lower_case_runs_of_letters_and_digits():
    assert words_of("The A-320's wing, 3.5 m_long") == [
        "the", "a", "320", "s", "wing", "3", "5", "m", "long",
    ]  # fmt: skip
    assert words_of("Zürich \u4e2d\u6587") == ["zürich", "\u4e2d", "\u6587"]
    assert words_of(" ...") == []


def test_values_by_hand():
    ours, theirs = words_of("the cat sat on the mat"), words_of("the cat was on a mat")
    # 1: the, cat, on, mat of 6 and 6; 2: "the cat" of 5 and 5; L: the cat on mat
    assert rouge_n(ours, theirs, 1) == pytest.approx(2 * 4 / 12)
    assert rouge_n(ours, theirs, 2) == pytest.approx(2 * 1 / 10)
    assert rouge_l(ours, theirs) == pytest.approx(2 * 4 / 12)


def test_repeats_count_as_often_as_they_occur_in_both():
    assert rouge_n(["the"] * 4, ["the", "the"], 1) == pytest.approx(2 * 2 / 6)


def test_nothing_in_common_and_nothing_at_all():
    for ours, theirs in (([], []), (["a"], []), ([], ["a"]), (["a"], ["b"])):
        assert rouge_n(ours, theirs, 1) == rouge_n(ours, theirs, 2) == 0.0
        assert rouge_l(ours, theirs) == 0.0


def test_the_best_reference_counts():
    scores = score_summary("a b c", ["x y", "a b c", "a"])
    assert scores == {"rouge1": 1.0, "rouge2": 1.0, "rougeL": 1.0}
    assert score_summary("a", []) == {"rouge1": 0.0, "rouge2": 0.0, "rougeL": 0.0}


def lcs_by_table(a, b):
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            longest = max(table[i][j + 1], table[i + 1][j])
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else longest
    return table[-1][-1]


def test_lcs_equals_the_table():
    rng = random.Random(0)
    for _ in range(200):
        a = rng.choices("abcde", k=rng.randint(0, 90))
        b = rng.choices("abcdef", k=rng.randint(0, 90))
        assert length_of_lcs(a, b) == lcs_by_table(a, b)


def rouge_sum(sentences, chosen, reference):
    """ROUGE-1 + ROUGE-2 F1, pairs within sentences."""
    from spacy_bert_suite.tasks.summarizer.rouge import count_ngrams, f1

    total = 0.0
    for n in (1, 2):
        theirs = count_ngrams(words_of(reference), n)
        ours = sum((count_ngrams(words_of(sentences[i]), n) for i in chosen), type(theirs)())
        total += f1((ours & theirs).total(), ours.total(), theirs.total())
    return total


def test_oracle_is_greedy():
    """Each step's choice is the best of all single additions, and none is left that helps."""
    rng = random.Random(1)
    for _ in range(50):
        sentences = [" ".join(rng.choices("abcdefgh", k=rng.randint(1, 8))) for _ in range(7)]
        reference = " ".join(rng.choices("abcdefghij", k=12))
        chosen, best = [], 0.0
        while True:
            scores = {
                i: rouge_sum(sentences, [*chosen, i], reference)
                for i in range(7)
                if i not in chosen
            }
            i = max(scores, key=lambda i: (round(scores[i], 12), -i), default=None)
            if i is None or scores[i] <= best + 1e-12:
                break
            chosen.append(i)
            best = scores[i]
        found = choose_oracle(sentences, [reference])
        assert rouge_sum(sentences, found, reference) == pytest.approx(best)


def test_oracle_finds_an_extract():
    sentences = ["One two three.", "Four five six.", "Seven eight nine.", "Ten eleven."]
    for picked in itertools.combinations(range(4), 2):
        reference = " ".join(sentences[i] for i in picked)
        assert choose_oracle(sentences, [reference]) == list(picked)


def test_oracle_takes_the_reference_that_can_be_met_and_keeps_to_the_limit():
    sentences = ["a b c.", "d e f.", "g h."]
    assert choose_oracle(sentences, ["x a y z w v", "d e f g h"]) == [1, 2]
    assert choose_oracle(sentences, ["a b c d e f g h"], max_sentences=1) == [0]
    assert choose_oracle(sentences, ["nothing shared"]) == []
    assert choose_oracle([], ["a"]) == choose_oracle(["a"], []) == choose_oracle(["."], [""]) == []
