"""Export specs: what is written for transformers, and what it has no place for."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForTokenClassification

from spacy_bert_suite.backbone.weights.loading import load_folder
from spacy_bert_suite.checkpoints.export_spec import ExportSpec, names_of, write_model

AUTO = "AutoModelForTokenClassification"


@pytest.fixture
def layer():
    return torch.nn.Linear(16, 2)


def test_transformers_opens_what_is_written(tiny_bert, layer, tmp_path):
    state = torch.get_rng_state()
    spec = ExportSpec(AUTO, names_of(layer, "classifier"), ["O", "I-X"], extra={"scheme": "io"})
    write_model(spec, load_folder(Path(tiny_bert)), "bert_ner", tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    model = AutoModelForTokenClassification.from_pretrained(tmp_path)
    assert torch.equal(model.classifier.weight, layer.weight)
    assert model.config.id2label == {0: "O", 1: "I-X"}
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["spacy_bert_suite"] == {"scheme": "io"}


def test_tensors_without_a_place_are_refused(tiny_bert, layer, tmp_path):
    spec = ExportSpec(AUTO, names_of(layer, "head"), ["O", "I-X"])
    with pytest.raises(ValueError, match="B228.*bert_ner.*head.weight"):
        write_model(spec, load_folder(Path(tiny_bert)), "bert_ner", tmp_path)
