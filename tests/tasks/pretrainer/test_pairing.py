"""Which sentences stand together, and what is masked: rules and statistics of the paper."""

from collections import Counter

import numpy
import pytest

from spacy_bert_suite.tasks.pretrainer.instance import Instance
from spacy_bert_suite.tasks.pretrainer.masking import (
    MaskSettings,
    Vocabulary,
    choose,
    mask_instances,
)
from spacy_bert_suite.tasks.pretrainer.pairing import (
    InstanceSettings,
    Segment,
    make_plans,
    shorten,
    truncate,
)

VOCABULARY = Vocabulary(cls_id=2, sep_id=3, mask_id=4, n_pieces=1000, others=numpy.arange(5, 1000))
WHOLE = MaskSettings(0.15, True, 0)


def lengths_of(n_documents, rng, most=30):
    return [rng.integers(1, 40, size=rng.integers(1, most)) for _ in range(n_documents)]


def plan(objective, lengths, *, max_length=128, short=0.1, seed=0, keys=None):
    settings = InstanceSettings(objective, max_length, short)
    keys = keys or [(0, i) for i in range(len(lengths))]
    return make_plans(settings, lengths, keys, numpy.random.default_rng(seed))


@pytest.fixture(scope="module")
def lengths():
    return lengths_of(4000, numpy.random.default_rng(5))


# Pairs


def test_statistics_of_pairs(lengths):
    """On more than 10 000 instances: half are random, a tenth is short, none is too long."""
    plans = plan("mlm+nsp", lengths)
    assert len(plans) > 10_000
    assert abs(sum(p.label for p in plans) / len(plans) - 0.5) < 0.01
    sizes = numpy.asarray([len(p.first) + len(p.second) for p in plans])
    assert sizes.max() == 125 and sizes.min() >= 2
    # A pair that does not reach the length is short by chance, or at the end of a document.
    long_documents = lengths_of(100, numpy.random.default_rng(2), most=2000)
    full = plan("mlm+nsp", long_documents)
    n_short = sum(len(p.first) + len(p.second) < 125 for p in full if p.label == 0)
    n_follow = sum(p.label == 0 for p in full)
    assert len(full) > 10_000
    # Of targets drawn evenly, those that sentences overshoot are cut to the full length.
    assert abs(n_short / n_follow - 0.1 * 110 / 125) < 0.02
    none = [p for p in plan("mlm+nsp", long_documents, short=0.0) if p.label == 0]
    assert sum(len(p.first) + len(p.second) < 125 for p in none) < 100  # one for each document


def test_follows_is_what_follows(lengths):
    for p in plan("mlm+nsp", lengths):
        if p.label == 0:
            assert p.first.document == p.second.document and p.first.end <= p.second.start
        else:
            assert p.first.document != p.second.document


def test_pairs_that_fit_are_whole_sentences():
    lengths = [numpy.full(50, 10) for _ in range(40)]
    plans = plan("mlm+nsp", lengths, max_length=103, short=0.0)
    for p in plans:
        assert p.label == 1 or len(p.first) + len(p.second) == 100 or p.second.end == 500
        if p.label == 0:
            assert p.first.end == p.second.start
            assert p.first.start % 10 == 0 and p.first.end % 10 == 0 and p.second.end % 10 == 0


def test_unused_sentences_are_put_back():
    """Every sentence stands in an A, or in the B that follows it; none in both."""
    lengths = [numpy.full(60, 10) for _ in range(30)]
    covered = numpy.zeros((30, 600), dtype=int)
    for p in plan("mlm+nsp", lengths, max_length=103, short=0.0):
        covered[p.first.document, p.first.start : p.first.end] += 1
        if p.label == 0:
            covered[p.second.document, p.second.start : p.second.end] += 1
    assert (covered <= 1).all()
    assert covered.mean() > 0.97  # a random B may push the longer A over the length


def test_parts_of_one_document_are_no_random_pair(lengths):
    keys = [(0, i // 40) for i in range(len(lengths))]
    for p in plan("mlm+nsp", lengths, keys=keys):
        assert p.label == 0 or keys[p.first.document] != keys[p.second.document]
    with pytest.raises(ValueError, match="B153"):
        plan("mlm+nsp", lengths[:5], keys=[(0, 0)] * 5)


def test_half_are_random_where_documents_are_short():
    """A last sentence has no continuation: such pairs are made up for."""
    rng = numpy.random.default_rng(0)
    short = [rng.integers(5, 60, size=rng.integers(1, 5)) for _ in range(8000)]
    plans = plan("mlm+nsp", short, max_length=64)
    assert len(plans) > 10_000
    assert abs(sum(p.label for p in plans) / len(plans) - 0.5) < 0.02


def test_order_of_sentences(lengths):
    plans = plan("mlm+sop", lengths)
    assert len(plans) > 8000
    assert abs(sum(p.label for p in plans) / len(plans) - 0.5) < 0.02
    for p in plans:
        assert p.first.document == p.second.document
        assert (p.first.end <= p.second.start) == (p.label == 0)
    assert plan("mlm+sop", [numpy.asarray([7])] * 5) == []


def test_single_segments_leave_nothing_out(lengths):
    plans = plan("mlm", lengths, max_length=32)
    assert all(p.second is None and p.label is None and 0 < len(p.first) <= 30 for p in plans)
    for document in (0, 17, 3999):
        mine = [p.first for p in plans if p.first.document == document]
        assert mine[0].start == 0 and mine[-1].end == lengths[document].sum()
        assert all(a.end == b.start for a, b in zip(mine, mine[1:]))
    ends = [set(numpy.cumsum(sizes).tolist()) for sizes in lengths]
    full = plan("mlm", lengths, max_length=130, short=0.0)
    assert all(p.first.end in ends[p.first.document] for p in full)  # no sentence is as long


def test_the_same_seed_gives_the_same(lengths):
    few = lengths[:200]
    assert plan("mlm+nsp", few, seed=3) == plan("mlm+nsp", few, seed=3)
    assert plan("mlm+nsp", few, seed=3) != plan("mlm+nsp", few, seed=4)


def test_nothing_makes_nothing():
    for objective in ("mlm", "mlm+nsp", "mlm+sop"):
        assert plan(objective, []) == []


# Truncation


@pytest.mark.parametrize("n_first, n_second, n_over", [
    (10, 3, 2), (3, 10, 2), (10, 3, 9), (3, 10, 9), (5, 5, 1), (5, 5, 4), (9, 4, 8), (4, 9, 6),
    (1, 1, 0),
])  # fmt: skip
def test_the_longer_one_is_cut(n_first, n_second, n_over):
    """As one wordpiece at a time: off A only where A is longer."""
    a, b = n_first, n_second
    for _ in range(n_over):
        a, b = (a - 1, b) if a > b else (a, b - 1)
    assert shorten(n_first, n_second, n_over) == (a, b)


def test_front_and_back_are_cut_alike():
    rng = numpy.random.default_rng(0)
    fronts = [truncate(Segment(0, 0, 60), Segment(1, 0, 20), 70, rng)[0].start for _ in range(4000)]
    assert abs(numpy.mean(fronts) - 5) < 0.15 and {0, 10} <= set(fronts)


# Masks


def make_instances(n, rng, label=0):
    for _ in range(n):
        n_pieces = int(rng.integers(20, 126))
        words = numpy.cumsum(rng.random(n_pieces) < 0.8).astype("int32")
        ids = rng.integers(5, 1000, size=n_pieces).astype("int32")
        yield Instance(ids, words - words[0], n_pieces // 2, 0, label, int(rng.integers(2**63 - 1)))


@pytest.fixture(scope="module")
def instances():
    return list(make_instances(10_000, numpy.random.default_rng(1)))


def special_of(row):
    return numpy.isin(row, [2, 3])


@pytest.mark.parametrize("whole_words", [True, False])
def test_statistics_of_masks(instances, whole_words):
    """15 % of the wordpieces of 10 000 instances, of these 80 % masked, 10 % others, 10 % kept."""
    settings = MaskSettings(0.15, whole_words, 0)
    batch = mask_instances(instances, settings, VOCABULARY, 7)
    n_chosen = len(batch.gold)
    n_pieces = sum(len(instance.ids) for instance in instances)
    assert abs(n_chosen / n_pieces - 0.15) < 0.001
    flat = numpy.concatenate(batch.rows.ids)
    found = flat[batch.rows.kept[:n_chosen]]
    is_masked, is_same = found == 4, found == batch.gold
    assert abs(is_masked.mean() - 0.8) < 0.003
    assert abs(is_same.mean() - 0.1 * (1 + 1 / 995)) < 0.003
    others = found[~is_masked & ~is_same]
    assert abs(len(others) / n_chosen - 0.1) < 0.003
    assert others.min() >= 5 and len(set(others.tolist())) == 995  # any, but no special token
    # Nothing else has changed, and no special token was chosen.
    original = []
    for instance in instances:
        a, b = numpy.split(instance.ids, [instance.n_first])
        original.append(numpy.concatenate([[2], a, [3], b, [3]]))
    original = numpy.concatenate(original)
    changed = numpy.flatnonzero(flat != original)
    chosen = batch.rows.kept[:n_chosen]
    assert numpy.isin(changed, chosen).all() and not special_of(original[chosen]).any()
    assert (original[chosen] == batch.gold).all()
    # Every place is as likely as any other.
    first = numpy.asarray([row[1] != instance.ids[0] for row, instance in
                           zip(batch.rows.ids, instances)])  # fmt: skip
    assert abs(first.mean() - 0.15 * 0.9) < 0.012


def test_words_are_masked_as_a_whole(instances):
    rng = numpy.random.default_rng(0)
    for instance in instances[:500]:
        chosen = set(choose(instance.words, WHOLE, rng).tolist())
        words = {int(instance.words[i]) for i in chosen}
        whole = {i for i, word in enumerate(instance.words) if int(word) in words}
        assert chosen == whole and len(chosen) <= max(1, round(0.15 * len(instance.words)))


def test_a_long_word_is_masked_in_part():
    words = numpy.zeros(60, dtype="int32")
    assert len(choose(words, WHOLE, numpy.random.default_rng(0))) == 9
    assert choose(words[:1], WHOLE, numpy.random.default_rng(0)).tolist() == [0]


def test_most_predictions(instances):
    settings = MaskSettings(0.15, False, 5)
    assert len(choose(instances[0].words, settings, numpy.random.default_rng(0))) == 5


def test_masks_follow_seed_and_number(instances):
    """The same again, alone or among others, and at each step another."""
    few = instances[:20]
    one = mask_instances(few, WHOLE, VOCABULARY, 3)
    again = mask_instances(few[::-1], WHOLE, VOCABULARY, 3)
    assert all((a == b).all() for a, b in zip(one.rows.ids, again.rows.ids[::-1]))
    other = mask_instances(few, WHOLE, VOCABULARY, 4)
    assert not any((a == b).all() for a, b in zip(one.rows.ids, other.rows.ids))
    numpy.random.seed(0)
    third = mask_instances(few, WHOLE, VOCABULARY, 3)
    assert (third.rows.kept == one.rows.kept).all()


def test_rows_are_as_the_paper_has_them(instances):
    batch = mask_instances(instances[:3], WHOLE, VOCABULARY, 0)
    for row, types, instance in zip(batch.rows.ids, batch.rows.types, instances):
        n = instance.n_first
        assert row[0] == 2 and row[n + 1] == 3 and row[-1] == 3
        assert len(row) == instance.length == len(instance.ids) + 3
        assert types.tolist() == [0] * (n + 2) + [1] * (len(instance.ids) - n + 1)
    starts = numpy.cumsum([0] + [len(row) for row in batch.rows.ids])[:-1]
    assert batch.rows.kept[-3:].tolist() == starts.tolist() and batch.labels.tolist() == [0, 0, 0]
    single = list(make_instances(2, numpy.random.default_rng(0), label=None))
    rows = mask_instances(single, WHOLE, VOCABULARY, 0).rows
    assert rows.types is None and len(rows.ids[0]) == single[0].length
    assert Counter(rows.ids[0].tolist())[3] == 1
