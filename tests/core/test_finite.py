"""Weights that are no numbers are refused, whatever tensor and value it is."""

import math
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import spacy
import torch

from spacy_bert_suite.backbone.weights.loading import load_folder
from spacy_bert_suite.core.finite import check_finite, is_finite
from spacy_bert_suite.core.torch_shim import get_shim


@pytest.fixture
def copied_bert(tiny_bert, tmp_path):
    return Path(shutil.copytree(tiny_bert, tmp_path / "copied"))


def spoil(path, part, value):
    weights = safetensors.torch.load_file(path)
    name = next(name for name in sorted(weights) if part in name)
    weights[name].view(-1)[-1] = value
    safetensors.torch.save_file(weights, path, metadata={"format": "pt"})


def test_large_numbers_are_numbers():
    assert is_finite(torch.full((4,), 3e38)) and is_finite(torch.tensor([1, 2]))
    assert is_finite(torch.empty(0))
    for value in (math.inf, -math.inf, math.nan):
        assert not is_finite(torch.tensor([0.0, value]))
    assert not is_finite(torch.tensor([math.inf, -math.inf]))
    with pytest.raises(ValueError, match="B350.*'here'.*'b'"):
        check_finite([("a", torch.ones(1)), ("b", torch.tensor([math.nan]))], "here")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("part", ["word_embeddings", "3.output.dense.bias", "LayerNorm.weight"])
def test_a_backbone_with_values_that_are_no_numbers(copied_bert, part, value):
    spoil(copied_bert / "model.safetensors", part, value)
    with pytest.raises(ValueError, match="B350"):
        load_folder(copied_bert)


def test_a_head_with_values_that_are_no_numbers(make_nlp, tmp_path):
    nlp = make_nlp("bert_textcat")
    module = get_shim(nlp.get_pipe("bert_textcat").model).module
    with torch.no_grad():
        next(module.parameters()).view(-1)[0] = math.inf
    nlp.to_disk(tmp_path)
    with pytest.raises(ValueError, match="B350"):
        spacy.load(tmp_path)
