import numpy
import pytest

from spacy_bert_suite.backbone.batching import make_batches


@pytest.mark.parametrize("on_cpu", [True, False])
@pytest.mark.parametrize("budget", [64, 512, 8192])
def test_batches_hold_every_window_once_and_keep_the_budget(on_cpu, budget):
    lengths = numpy.random.default_rng(0).integers(2, 60, size=500)
    batches = make_batches(lengths, budget, on_cpu=on_cpu)
    assert sorted(numpy.concatenate(batches).tolist()) == list(range(500))
    for batch in batches:
        assert lengths[batch].max() * len(batch) <= budget


def test_batches_are_longest_first():
    batches = make_batches(numpy.asarray([5, 50, 20, 50]), 100, on_cpu=False)
    assert [batch.tolist() for batch in batches] == [[1, 3], [2, 0]]


def test_a_window_above_the_budget_is_alone():
    assert [b.tolist() for b in make_batches(numpy.asarray([90, 10]), 50, on_cpu=False)] == [
        [0],
        [1],
    ]


def test_no_windows_no_batches():
    assert make_batches(numpy.zeros(0, dtype="int64"), 100, on_cpu=True) == []


def test_little_padding_on_cpu():
    lengths = numpy.random.default_rng(0).integers(20, 60, size=1000)
    batches = make_batches(lengths, 8192, on_cpu=True)
    padded = sum(lengths[batch].max() * len(batch) for batch in batches)
    assert padded < 1.1 * lengths.sum()
