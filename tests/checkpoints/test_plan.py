"""Plans: configs of components, and what a checkpoint's own config says."""

from types import SimpleNamespace

import pytest
import torch

from spacy_bert_suite.checkpoints.plan import Plan, dropout_of, known, pooled_weights


def test_layers_read_from_the_backbone():
    plan = Plan("bert_qa", {"dropout": 0.0}, ["pairs"], {"max_answer_pieces": 7})
    encoder = {"@architectures": "spacy-bert-suite.PairEncoder.v1", "upstream": "bert_2"}
    assert plan.config("bert_2") == {
        "max_answer_pieces": 7,
        "model": {"dropout": 0.0, "pairs": encoder},
    }


@pytest.mark.parametrize(
    "values, expected",
    [
        ({"classifier_dropout": 0.3, "hidden_dropout_prob": 0.2}, 0.3),
        ({"classifier_dropout": None, "hidden_dropout_prob": 0.2}, 0.2),
        ({"dropout": 1.0}, 0.1),
        ({}, 0.1),
    ],
)
def test_dropout(values, expected):
    assert dropout_of(SimpleNamespace(**values)) == expected


def test_known_keys():
    assert known({"threshold": 0.5, "other": 1}, "threshold", "thresholds") == {"threshold": 0.5}


def test_weights_of_a_pooled_head():
    weight, bias = torch.ones(2, 2), torch.zeros(2)
    found = pooled_weights({"weight": weight, "bias": bias}, {"weight": weight})
    assert set(found) == {"pooler.0.weight", "pooler.0.bias", "output.weight"}
    assert found["pooler.0.weight"] is weight
