"""Many inputs, a batch at a time."""

import numpy
import pytest

from spacy_bert_suite.core.batching import batches_by_size, rows_in_batches, run_in_batches

WORDS = ["a", "dddd", "bb", "eeeee", "cc", ""]


def test_the_largest_come_first_and_equal_ones_keep_their_order():
    sizes = [len(word) for word in WORDS]
    assert list(batches_by_size(sizes)) == [[3, 1, 2, 4, 0, 5]]
    assert list(batches_by_size(sizes, at_once=4)) == [[3, 1, 2, 4], [0, 5]]
    assert list(batches_by_size([])) == []


def test_a_budget_holds_but_for_single_items():
    sizes = [len(word) for word in WORDS]
    assert list(batches_by_size(sizes, budget=4)) == [[3], [1], [2, 4], [0, 5]]
    assert list(batches_by_size(sizes, budget=0)) == [[3], [1], [2], [4], [0], [5]]
    assert list(batches_by_size(sizes, budget=4, at_once=1)) == [[3], [1], [2], [4], [0], [5]]


@pytest.mark.parametrize("limits", [{}, {"at_once": 1}, {"at_once": 2}, {"budget": 3}])
def test_results_have_the_order_of_the_items(limits):
    batches = []

    def run(batch):
        batches.append(batch)
        return [word.upper() for word in batch]

    assert run_in_batches(run, WORDS, len, **limits) == [word.upper() for word in WORDS]
    assert sorted(word for batch in batches for word in batch) == sorted(WORDS)
    rows = rows_in_batches(
        lambda batch: numpy.asarray([[len(word), 1.0] for word in batch]),
        WORDS,
        len,
        width=2,
        **limits,
    )
    assert rows.dtype == numpy.float32
    assert rows.tolist() == [[len(word), 1.0] for word in WORDS]


def test_nothing_is_run_for_nothing():
    def run(batch):
        raise AssertionError("run in vain")

    assert run_in_batches(run, [], len) == []
    assert rows_in_batches(run, [], len, width=3).shape == (0, 3)


def test_a_result_is_missing():
    with pytest.raises(ValueError, match="zip"):
        run_in_batches(lambda batch: batch[1:], WORDS, len)
