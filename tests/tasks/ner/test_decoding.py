"""Decoding, probabilities and the loss of a CRF against all sequences, one by one."""

import itertools
import tracemalloc

import numpy
import pytest
import torch

from spacy_bert_suite.tasks.ner.biluo import (
    MISSING,
    NEVER,
    free_best_before,
    free_sum_after,
    free_sum_before,
    valid_first,
    valid_transitions,
)
from spacy_bert_suite.tasks.ner.crf import crf_loss
from spacy_bert_suite.tasks.ner.decoding import Chain, find_entities
from spacy_bert_suite.tasks.ner.schemes import make_tags

LABELS = ["A", "B"]
TAGS = make_tags(LABELS)


def valid_sequences(n_words):
    valid = valid_transitions(len(LABELS))
    first = valid_first(len(LABELS))
    for tags in itertools.product(range(len(TAGS)), repeat=n_words):
        steps = all(valid[a, b] for a, b in zip(tags, tags[1:]))
        if first[tags[0]] and steps and valid[tags[-1], -1]:
            yield tags


def weight_of(tags, emissions, transitions):
    score = sum(emissions[i, tag] for i, tag in enumerate(tags))
    return numpy.exp(score + sum(transitions[a, b] for a, b in zip(tags, tags[1:])))


def spans_of(tags):
    found, start = set(), 0
    for i, tag in enumerate(tags):
        name = TAGS[tag]
        if name[0] in "BU":
            start = i
        if name[0] in "LU":
            found.add((start, i + 1, name[2:]))
    return found


def test_transitions_are_biluo():
    valid = valid_transitions(2)
    index = {tag: i for i, tag in enumerate(TAGS)}
    for before, after in itertools.product(TAGS, TAGS):
        is_open = before[0] in "BI"
        continues = after[0] in "IL"
        expected = (continues and before[1:] == after[1:]) if is_open else not continues
        assert valid[index[before], index[after]] == expected, (before, after)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("crf", [False, True])
def test_best_path_and_probabilities_are_exact(seed, crf):
    random = numpy.random.default_rng(seed)
    lengths = [3, 1, 4]
    emissions = random.normal(size=(sum(lengths), len(TAGS))).astype("float32") * 2
    transitions = random.normal(size=(len(TAGS), len(TAGS))).astype("float32") * crf
    offsets = numpy.cumsum([0, *lengths])
    spaces = numpy.zeros(sum(lengths), dtype=bool)
    found = find_entities(emissions, transitions, offsets, spaces, LABELS)
    for i, n_words in enumerate(lengths):
        rows = emissions[offsets[i] : offsets[i + 1]].astype("float64")
        weights = {t: weight_of(t, rows, transitions) for t in valid_sequences(n_words)}
        best = spans_of(max(weights, key=weights.__getitem__))
        assert {entity[:3] for entity in found[i]} == best
        total = sum(weights.values())
        for entity in found[i]:
            with_it = sum(w for t, w in weights.items() if entity[:3] in spans_of(t))
            assert entity.score == pytest.approx(with_it / total, rel=1e-6)


def test_space_is_never_at_the_edge_of_an_entity():
    wanted = ["B-A", "I-A", "L-A", "U-A", "O"]
    emissions = numpy.full((5, len(TAGS)), -5.0)
    for row, tag in enumerate(wanted):
        emissions[row, TAGS.index(tag)] = 5.0
    zero = numpy.zeros((len(TAGS), len(TAGS)))
    inside = numpy.asarray([False, True, False, False, False])
    (found,) = find_entities(emissions, zero, numpy.asarray([0, 5]), inside, LABELS)
    assert [entity[:3] for entity in found] == [(0, 3, "A"), (3, 4, "A")]
    edges = numpy.asarray([True, False, False, True, False])
    (found,) = find_entities(emissions, zero, numpy.asarray([0, 5]), edges, LABELS)
    assert all(not edges[entity.start] and not edges[entity.end - 1] for entity in found)


def test_no_words_no_entities():
    zero = numpy.zeros((len(TAGS), len(TAGS)))
    empty = numpy.zeros((0, len(TAGS)))
    none = numpy.zeros(0, dtype=bool)
    assert find_entities(empty, zero, numpy.asarray([0, 0, 0]), none, LABELS) == [[], []]


def test_confident_scores_stay_probabilities():
    emissions = numpy.full((200, len(TAGS)), -200.0)
    emissions[:, 0] = 300.0
    emissions[100, TAGS.index("U-B")] = 900.0
    zero = numpy.zeros((len(TAGS), len(TAGS)))
    none = numpy.zeros(200, dtype=bool)
    (found,) = find_entities(emissions, zero, numpy.asarray([0, 200]), none, LABELS)
    assert [entity[:3] for entity in found] == [(100, 101, "B")]
    assert found[0].score == pytest.approx(1.0)


def test_crf_loss_is_the_likelihood_of_what_is_given():
    torch.manual_seed(0)
    emissions = torch.randn(7, len(TAGS), requires_grad=True)
    transitions = torch.randn(len(TAGS), len(TAGS), requires_grad=True)
    index = TAGS.index
    full = numpy.asarray([index("B-A"), index("L-A"), 0, index("U-B")])
    partial = numpy.asarray([MISSING, index("U-A"), MISSING])
    loss = crf_loss(emissions, transitions, [full, partial], numpy.zeros(7, dtype=bool))
    expected = 0.0
    rows = emissions.detach().double().numpy()
    pairs = transitions.detach().double().numpy()
    for gold, part in ((full, rows[:4]), (partial, rows[4:])):
        weights = {t: weight_of(t, part, pairs) for t in valid_sequences(len(gold))}
        agree = [
            w for tags, w in weights.items() if all(g in (MISSING, t) for g, t in zip(gold, tags))
        ]
        expected -= numpy.log(sum(agree) / sum(weights.values()))
    assert loss.item() == pytest.approx(expected / 7, rel=1e-4)
    loss.backward()
    assert torch.isfinite(emissions.grad).all() and torch.isfinite(transitions.grad).all()


def test_crf_learns_nothing_from_white_space():
    torch.manual_seed(0)
    emissions = torch.randn(3, len(TAGS), requires_grad=True)
    transitions = torch.randn(len(TAGS), len(TAGS))
    gold = numpy.asarray([TAGS.index("B-A"), MISSING, TAGS.index("L-A")])
    loss = crf_loss(emissions, transitions, [gold], numpy.asarray([False, True, False]))
    rows = emissions.detach().double().numpy()
    rows[1] = [0.0 if tag[0] in "OI" else NEVER for tag in TAGS]
    weights = {t: weight_of(t, rows, transitions.double().numpy()) for t in valid_sequences(3)}
    agree = [w for t, w in weights.items() if (t[0], t[2]) == (gold[0], gold[2])]
    expected = -numpy.log(sum(agree) / sum(weights.values())) / 3
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    loss.backward()
    assert emissions.grad[1].abs().sum() == 0
    assert emissions.grad[0].abs().sum() > 0


def random_chain(seed, n_labels, ties):
    random = numpy.random.default_rng(seed)
    offsets = numpy.cumsum([0, *random.integers(1, 9, size=12)])
    size = (offsets[-1], 4 * n_labels + 1)
    scores = random.integers(0, 2, size) * 1.0 if ties else random.normal(size=size) * 3
    return Chain(scores, numpy.zeros((size[1], size[1])), offsets, numpy.arange(12), n_labels)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_labels", [1, 2, 7])
@pytest.mark.parametrize("ties", [False, True])
def test_without_transitions_the_short_way_is_the_same(seed, n_labels, ties):
    chain = random_chain(seed, n_labels, ties)
    assert chain.is_free
    paths = [
        chain._viterbi(chain.scores, best_before)
        for best_before in (free_best_before, chain._make_best_before())
    ]
    assert (paths[0] == paths[1]).all()
    assert (chain.best_path() == paths[1]).all() or ties
    x = numpy.exp(chain.scores[:, 0])
    assert free_sum_before(x) == pytest.approx(x @ chain.valid)
    assert free_sum_after(x) == pytest.approx(x @ chain.valid.T)


def test_many_docs_with_a_crf_are_decoded_in_chunks(monkeypatch):
    random = numpy.random.default_rng(0)
    emissions = random.normal(size=(60, len(TAGS)))
    transitions = random.normal(size=(len(TAGS), len(TAGS)))
    batch = emissions, transitions, numpy.arange(0, 61, 5), numpy.zeros(60, dtype=bool), LABELS
    expected = find_entities(*batch)
    monkeypatch.setattr("spacy_bert_suite.tasks.ner.decoding.MOST_CELLS", 250)
    for entities, others in zip(find_entities(*batch), expected):
        assert [entity[:3] for entity in entities] == [other[:3] for other in others]


def test_many_labels_take_little_memory():
    n_labels, n_docs = 150, 32
    emissions = numpy.random.default_rng(0).normal(size=(n_docs * 5, 4 * n_labels + 1))
    zero = numpy.zeros((4 * n_labels + 1, 4 * n_labels + 1))
    offsets, none = numpy.arange(0, n_docs * 5 + 1, 5), numpy.zeros(n_docs * 5, dtype=bool)
    tracemalloc.start()
    find_entities(emissions, zero, offsets, none, [str(i) for i in range(n_labels)])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < n_docs * zero.nbytes / 4  # all pairs of tags for all docs
