"""`doc.cats` as targets."""

import math

import numpy
import pytest
import spacy
import torch
from spacy.training import Example

from spacy_bert_suite.data.multitask import stamped
from spacy_bert_suite.heads.category_gold import (
    category_gold,
    cross_entropy,
    exclusive_gold,
    gold_labels,
)


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("en")


def example(nlp, **cats):
    return Example.from_dict(nlp.make_doc("a text"), {"cats": cats})


def test_what_is_absent_or_for_others_is_not_given(nlp):
    examples = [example(nlp, a=1.0, b=0.25), example(nlp, b=1), example(nlp, c=1)]
    examples.append(stamped(example(nlp, a=1.0), "another"))
    values, given = category_gold(examples, ["a", "b"], "pipe")
    assert values.tolist() == [[1, 0.25], [0, 1], [0, 0], [0, 0]]
    assert given.tolist() == [[True, True], [False, True], [False, False], [False, False]]


@pytest.mark.parametrize("value", [1.5, -0.1, math.nan, "x", None])
def test_a_value_is_a_number_from_0_to_1(nlp, value):
    eg = example(nlp)
    eg.reference.cats["a"] = value
    with pytest.raises(ValueError, match="B058.*pipe"):
        category_gold([eg], ["a"], "pipe")


def test_exclusive_gold_may_be_soft_but_not_double(nlp):
    values, _ = exclusive_gold([example(nlp, a=0.5, b=0.5)], ["a", "b"], "pipe")
    assert values.tolist() == [[0.5, 0.5]]
    with pytest.raises(ValueError, match="B059.*a, b"):
        exclusive_gold([example(nlp, a=1.0, b=1.0)], ["a", "b"], "pipe")


def test_cross_entropy_is_the_mean_over_docs_with_gold():
    logits = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0], [1.0, 1.0, 1.0]])
    values = numpy.asarray([[1, 0, 0], [0, 0, 0], [0, 0.2, 0.2]], dtype="float32")
    given = numpy.asarray([[1, 1, 1], [1, 1, 1], [0, 1, 1]], dtype=bool)
    logs = logits.log_softmax(dim=1)
    expected = -(logs[0, 0] + (logs[2, 1] + logs[2, 2]) / 2) / 2
    assert torch.allclose(cross_entropy(logits, values, given), expected)
    none = cross_entropy(logits, numpy.zeros_like(values), given)
    assert float(none) == 0.0


def test_labels_are_the_keys_of_all_examples(nlp):
    assert gold_labels([example(nlp, b=0), example(nlp, a=1)], "pipe") == ["a", "b"]
    with pytest.raises(ValueError, match="B054"):
        gold_labels([Example.from_dict(nlp.make_doc("a"), {"cats": {"": 1.0}})], "pipe")
