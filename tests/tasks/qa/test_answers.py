"""Logits of windows to answers, against a plain search over all spans."""

import numpy
import pytest
import spacy
import torch
from spacy.tokens import Span

from spacy_bert_suite.backbone.input.wordpieces import Wordpieces
from spacy_bert_suite.tasks.qa.answers import choose_answers
from spacy_bert_suite.tasks.qa.logits import PairLogits
from spacy_bert_suite.tasks.qa.model import answer_loss
from spacy_bert_suite.tasks.qa.spans import (
    NO_SPAN_SCORE,
    extract_candidates,
    join_readings,
    log_sum,
    score_spans,
    span_score_band,
    window_targets,
)

N_QUESTION = 3
WORDS = ["Anna", "met", "Ben", "in", "Paris", "and", "Oslo", "."]


def make_logits(logits_of_pieces, windows, null, n_question=N_QUESTION, words=WORDS):
    """One pair, whose text has a piece for each word. The rows of question and [SEP] are such that
    they would win if they were let in.

    logits_of_pieces: for each window, (n_pieces, 2).
    windows: [start, end) of each.
    null: start and end of each [CLS].
    """
    lengths = [len(word) + 1 for word in words]
    starts = numpy.cumsum([0] + lengths[:-1])
    ends = starts + numpy.asarray(lengths) - 1
    n = len(words)
    pieces = Wordpieces(numpy.arange(n), starts, ends, numpy.asarray([0, n]))
    rows, offsets = [], [0]
    for logits, cls in zip(logits_of_pieces, null):
        high = numpy.full((n_question + 1, 2), 99.0)
        rows.append(numpy.concatenate([[cls], high, logits, [[99.0, 99.0]]]))
        offsets.append(offsets[-1] + len(rows[-1]))
    bounds = numpy.asarray(windows)
    return PairLogits(
        torch.from_numpy(numpy.concatenate(rows).astype("float32")),
        numpy.asarray(offsets),
        numpy.asarray([0, len(windows)]),
        pieces,
        bounds[:, 0],
        bounds[:, 1],
    )


@pytest.fixture(scope="module")
def doc():
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    return nlp(" ".join(WORDS[:-1]) + " .")


@pytest.fixture
def pair_logits():
    rng = numpy.random.default_rng(0)
    logits = [rng.normal(size=(5, 2)), rng.normal(size=(5, 2))]
    return make_logits(logits, [(0, 5), (3, 8)], [(1.0, 0.5), (-1.0, 0.25)])


def all_spans(pair_logits, longest):
    """Every span of the passage with its best score over the windows, by plain loops."""
    found = {}
    rows = pair_logits.logits.numpy()
    for w, (begin, end) in enumerate(zip(pair_logits.starts, pair_logits.ends)):
        first = pair_logits.row_offsets[w] + 2 + N_QUESTION
        for i in range(begin, end):
            for j in range(i, min(end, i + longest)):
                score = rows[first + i - begin, 0] + rows[first + j - begin, 1]
                found[i, j] = max(score, found.get((i, j), -numpy.inf))
    return found


@pytest.mark.parametrize("longest", [1, 2, 4, 30])
def test_equals_a_search_over_all_spans(pair_logits, doc, longest):
    (scores,) = score_spans(pair_logits, longest)
    expected = all_spans(pair_logits, longest)
    for i in range(8):
        for j in range(scores.band.shape[1]):
            assert scores.band[i, j] == pytest.approx(expected.get((i, i + j), -numpy.inf))
    assert scores.null == pytest.approx(-0.75)  # the least of the windows
    (i, j), best = max(expected.items(), key=lambda item: item[1])
    (answer,) = choose_answers(extract_candidates(scores, doc, 1), "Who?", None)
    assert answer.span == doc[i : j + 1]
    total = sum(numpy.exp(list(expected.values()))) + numpy.exp(-0.75)
    assert answer.probability == pytest.approx(numpy.exp(best) / total, rel=1e-5)
    assert answer.null_probability == pytest.approx(numpy.exp(-0.75) / total, rel=1e-5)
    assert answer.null_score == pytest.approx(-0.75 - best, rel=1e-5)


def test_all_answers_sum_to_one(pair_logits, doc):
    """With spans of one piece none overlaps another, so that all are given."""
    (scores,) = score_spans(pair_logits, 1)
    answers = choose_answers(extract_candidates(scores, doc, 100), "Who?", None, 100)
    assert len(answers) == len(WORDS)
    assert sum(a.probability for a in answers) + answers[0].null_probability == pytest.approx(1)
    assert [a.probability for a in answers] == sorted([a.probability for a in answers])[::-1]


def test_no_answer_overlaps_another(pair_logits, doc):
    (scores,) = score_spans(pair_logits, 3)
    before = scores.band.copy()
    answers = choose_answers(extract_candidates(scores, doc, 10), "Who?", None, 10)
    taken = [i for a in answers for i in range(a.span.start, a.span.end)]
    assert len(taken) == len(set(taken)) > 3
    assert (scores.band == before).all()  # nothing was written into it
    # The second is the best of all spans that do not touch the first.
    first = answers[0].span
    rest = {
        key: score for key, score in all_spans(pair_logits, 3).items()
        if key[1] < first.start or key[0] >= first.end
    }  # fmt: skip
    i, j = max(rest, key=rest.get)
    assert answers[1].span == doc[i : j + 1]


def test_spans_of_one_token_share_its_probability():
    """Two pieces in one token: all spans on it are one answer."""
    doc = spacy.blank("en")("playing")
    logits = numpy.asarray([[1.0, 0.0], [0.5, 2.0]])
    pair_logits = make_logits([logits], [(0, 2)], [(0.0, 0.0)], words=["play", "ing"])
    pair_logits.seconds.starts[:] = [0, 4]
    pair_logits.seconds.ends[:] = [4, 7]
    (scores,) = score_spans(pair_logits, 30)
    (answer,) = choose_answers(extract_candidates(scores, doc, 5), "What?", None, 5)
    assert answer.text == "playing"
    assert answer.probability + answer.null_probability == pytest.approx(1)


def test_threshold(pair_logits, doc):
    (scores,) = score_spans(pair_logits, 3)
    reading = extract_candidates(scores, doc, 2)
    edge = reading.null_score
    assert choose_answers(reading, "Who?", edge + 0.01)[0].span is not None
    none, best = choose_answers(reading, "Who?", edge - 0.01, 2)
    assert none.span is None and none.text == "" and none.sentence is None
    assert none.probability == none.null_probability
    assert best.span == reading.candidates[0].span
    assert none.to_dict()["start_char"] is None


def test_values_are_plain(pair_logits, doc):
    (scores,) = score_spans(pair_logits, 3)
    answer = choose_answers(extract_candidates(scores, doc, 1), "Who?", None)[0]
    values = answer.to_dict()
    assert doc.text[values["start_char"] : values["end_char"]] == values["text"] == answer.text
    assert {type(value) for value in values.values()} <= {str, int, float}
    assert answer.sentence == next(iter(doc.sents))
    bare = spacy.blank("en")(doc.text)
    assert choose_answers(extract_candidates(scores, bare, 1), "Who?", None)[0].sentence is None


def test_empty_text():
    pair_logits = make_logits([numpy.zeros((0, 2))], [(0, 0)], [(3.0, 0.0)], words=[])
    (scores,) = score_spans(pair_logits, 30)
    (answer,) = choose_answers(extract_candidates(scores, spacy.blank("en")(""), 1), "Who?", None)
    assert answer.span is None and answer.probability == 1.0
    assert answer.null_score == 3.0 - NO_SPAN_SCORE


def test_logits_that_are_not_numbers(doc):
    pair_logits = make_logits([numpy.full((8, 2), numpy.nan)], [(0, 8)], [(0.0, 0.0)])
    (scores,) = score_spans(pair_logits, 3)
    assert extract_candidates(scores, doc, 3).candidates == []


def test_huge_logits_do_not_overflow(doc):
    logits = numpy.full((8, 2), -500.0)
    logits[4] = 500.0
    (scores,) = score_spans(make_logits([logits], [(0, 8)], [(0.0, 0.0)]), 3)
    (answer,) = choose_answers(extract_candidates(scores, doc, 1), "Where?", None)
    assert answer.text == "Paris" and answer.probability == pytest.approx(1)


def test_banded_and_log_sum():
    logits = numpy.asarray([[1.0, 10.0], [2.0, 20.0]])
    assert span_score_band(logits, 2).tolist() == [[11.0, 21.0], [22.0, -numpy.inf]]
    assert span_score_band(logits[:0], 0).shape == (0, 0)
    assert log_sum(numpy.log([1.0, 2.0, 4.0])) == pytest.approx(numpy.log(7))
    assert log_sum(numpy.zeros(0)) == -numpy.inf


def test_texts_together_are_one_long_text(pair_logits, doc):
    (scores,) = score_spans(pair_logits, 1)
    joined = join_readings(
        [extract_candidates(scores, doc, 3), extract_candidates(scores._replace(null=-2.0), doc, 3)]
    )
    answers = choose_answers(joined, "Who?", None, 100)
    total = 2 * sum(numpy.exp(list(all_spans(pair_logits, 1).values()))) + numpy.exp(-2.0)
    assert answers[0].null_probability == pytest.approx(numpy.exp(-2.0) / total, rel=1e-5)
    assert len(answers) == 6 and answers[0].span == answers[1].span
    assert isinstance(answers[0].span, Span)


# Gold


def test_targets(pair_logits):
    """ "Paris" is in both windows, "Ben" in the first only, "met Ben in Paris and" in none."""
    at = {word: (begin, begin + len(word)) for word, begin in
          zip(WORDS, pair_logits.seconds.starts.tolist())}  # fmt: skip
    assert window_targets(pair_logits, [at["Paris"]]).tolist() == [[5, 5], [2, 2]]
    assert window_targets(pair_logits, [at["Ben"]]).tolist() == [[3, 3], [0, 0]]
    across = (at["met"][0], at["and"][1])
    assert window_targets(pair_logits, [across]).tolist() == [[0, 0], [0, 0]]
    assert window_targets(pair_logits, [None]).tolist() == [[0, 0], [0, 0]]
    inside_a_piece = (at["Paris"][0] + 1, at["Paris"][1] - 1)
    assert window_targets(pair_logits, [inside_a_piece]).tolist() == [[5, 5], [2, 2]]


def test_loss_is_plain_cross_entropy(pair_logits):
    start = int(pair_logits.seconds.starts[4])
    loss, gradient = answer_loss(pair_logits, [(start, start + 5)])
    rows = pair_logits.logits.clone().requires_grad_()
    losses = []
    for w, gold in enumerate([5, 2]):
        begin, end = pair_logits.row_offsets[w], pair_logits.row_offsets[w + 1]
        allowed = torch.cat([rows[begin : begin + 1], rows[begin + 2 + N_QUESTION : end - 1]])
        losses += [-allowed[:, k].log_softmax(0)[gold] for k in (0, 1)]
    expected = torch.stack(losses).mean()
    expected.backward()
    assert loss == pytest.approx(float(expected.detach()), rel=1e-6)
    assert torch.allclose(gradient, rows.grad, atol=1e-7)
    assert (gradient[1 : 2 + N_QUESTION] == 0).all()  # the question learns nothing
