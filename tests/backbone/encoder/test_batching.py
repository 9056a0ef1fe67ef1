import itertools

import numpy
import pytest

from spacy_bert_suite.backbone.encoder.batching import (
    CPU_PREDICT,
    CPU_TRAIN,
    GPU,
    Costs,
    make_batches,
)


def cost_of(batches, costs):
    return sum(costs.call + max(batch) * len(batch) for batch in batches)


@pytest.mark.parametrize("costs", [CPU_PREDICT, CPU_TRAIN, GPU])
@pytest.mark.parametrize("budget", [64, 512, 8192])
def test_batches_hold_every_window_once_and_keep_the_budget(costs, budget):
    lengths = numpy.random.default_rng(0).integers(2, 60, size=500)
    batches = make_batches(lengths, budget, costs)
    assert sorted(numpy.concatenate(batches).tolist()) == list(range(500))
    for batch in batches:
        assert lengths[batch].max() * len(batch) <= min(budget, costs.most)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("call", [0, 5, 20, 100])
def test_no_way_to_cut_costs_less(seed, call):
    lengths = numpy.random.default_rng(seed).integers(2, 30, size=9)
    costs = Costs(call, 1000)
    found = cost_of([lengths[batch] for batch in make_batches(lengths, 60, costs)], costs)
    longest_first = sorted(lengths, reverse=True)
    ways = []
    for cuts in itertools.product([False, True], repeat=8):
        edges = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), 9]
        batches = [longest_first[a:b] for a, b in zip(edges, edges[1:])]
        if all(max(batch) * len(batch) <= 60 for batch in batches):
            ways.append(cost_of(batches, costs))
    assert found == min(ways)


def test_batches_are_longest_first():
    batches = make_batches(numpy.asarray([5, 50, 20, 50]), 100, GPU)
    assert [batch.tolist() for batch in batches] == [[1, 3], [2, 0]]


def test_a_window_above_the_budget_is_alone():
    batches = make_batches(numpy.asarray([90, 10, 95]), 50, GPU)
    assert [batch.tolist() for batch in batches] == [[2], [0], [1]]


def test_no_windows_no_batches():
    assert make_batches(numpy.zeros(0, dtype="int64"), 100, GPU) == []


def test_little_padding_in_prediction():
    lengths = numpy.random.default_rng(0).integers(20, 60, size=1000)
    batches = make_batches(lengths, 8192, CPU_PREDICT)
    padded = sum(lengths[batch].max() * len(batch) for batch in batches)
    assert padded < 1.1 * lengths.sum()
