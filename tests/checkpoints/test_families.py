"""Families of encoders: the layers that transformers' own classifiers have."""

from types import SimpleNamespace

import pytest
import transformers
from transformers import AutoConfig

from spacy_bert_suite.checkpoints.families import FAMILIES, HEAD_LAYERS, find_family

SIZES = {
    "vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
    "intermediate_size": 8,
}  # fmt: skip


@pytest.mark.parametrize("model_type", FAMILIES)
def test_layers_are_those_of_transformers(model_type):
    config = AutoConfig.for_model(model_type, **SIZES)
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    family = find_family(model_type, "original", config)
    for layer in (family.dense, family.output):
        assert {f"{layer}.weight", f"{layer}.bias"} <= set(model.state_dict())
    assert family.output in HEAD_LAYERS


def test_deberta_says_what_follows_its_pooler():
    config = SimpleNamespace(pooler_hidden_act="relu")
    assert find_family("deberta-v2", "original", config).activation == "ReLU"
    with pytest.raises(ValueError, match="B222.*mish"):
        find_family("deberta-v2", "original", SimpleNamespace(pooler_hidden_act="mish"))


def test_other_encoders_have_no_known_heads():
    with pytest.raises(ValueError, match="B222.*gpt2"):
        find_family("gpt2", "original")
