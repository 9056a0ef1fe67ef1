"""Heads and the backbone and settings that belong to them, on disk and in memory."""

import json
import shutil
import warnings

import pytest
import spacy
import torch
from spacy.training import Example

from spacy_bert_suite.core.torch_shim import get_shim


def shift(nlp, by=0.05, dtype=None):
    """As training does; or as a copy in lower precision."""
    module = get_shim(nlp.get_pipe("bert").model).module
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(p + by * torch.randn_like(p) if dtype is None else p.to(dtype).float())
    module.weights_changed()
    return nlp


def test_a_head_on_another_backbone_warns_once(make_nlp):
    source, target = shift(make_nlp("bert_sentiment")), shift(make_nlp("bert_textcat"))
    with pytest.warns(UserWarning, match="B965.*'bert_sentiment'"):
        target.add_pipe("bert_sentiment", source=source)
    target.add_pipe("entity_ruler")
    source.add_pipe("entity_ruler")


def test_a_head_on_a_backbone_that_is_not_loaded_yet(make_nlp, backbone_config):
    source = shift(make_nlp("bert_ner"))
    target = spacy.blank("en")
    target.add_pipe("bert", config=backbone_config)
    with pytest.warns(UserWarning, match="B965"):
        target.add_pipe("bert_ner", source=source)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_copies_of_one_backbone_are_one(make_nlp, tmp_path, dtype):
    source = shift(make_nlp("bert_textcat", "bert_ner"))
    source.to_disk(tmp_path)
    target = shift(spacy.load(tmp_path, exclude=["bert_textcat"]), dtype=dtype)
    target.add_pipe("bert_textcat", source=source)


def test_sourced_together_and_with_a_copy(make_nlp, tmp_path):
    source = shift(make_nlp("bert_textcat"))
    target = spacy.blank("en")
    for name in ("bert", "bert_textcat"):
        target.add_pipe(name, source=source)
    target.to_disk(tmp_path / "together")
    spacy.load(tmp_path / "together")
    source.replace_listeners("bert", "bert_textcat", ["model.bert"])
    other = shift(make_nlp("bert_ner"))
    other.add_pipe("bert_textcat", source=source)
    other.to_disk(tmp_path / "copy")
    spacy.load(tmp_path / "copy")


def test_a_joined_head_is_told_of_only_once_and_both_pipelines_load(make_nlp, tmp_path):
    source, target = shift(make_nlp("bert_ner")), shift(make_nlp("bert_textcat"))
    with pytest.warns(UserWarning, match="B965"):
        target.add_pipe("bert_ner", source=source)
    for name, nlp in {"source": source, "target": target}.items():
        nlp.to_disk(tmp_path / name)
        spacy.load(tmp_path / name)


def test_a_head_loaded_beside_a_backbone_that_learnt_more(make_nlp, tmp_path):
    nlp = make_nlp("bert_textcat")
    nlp.to_disk(tmp_path)
    nlp.from_disk(tmp_path)
    shift(nlp)
    nlp.to_disk(tmp_path / "later")
    with pytest.warns(UserWarning, match="B965"):
        nlp.get_pipe("bert_textcat").from_disk(tmp_path / "bert_textcat", exclude=["vocab"])
    nlp.from_disk(tmp_path / "later")


def test_training_goes_on_without_a_word(make_nlp, tmp_path, optimizer):
    nlp = make_nlp("bert_textcat")
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    label = again.get_pipe("bert_textcat").labels[0]
    again.update([Example.from_dict(again.make_doc("good"), {"cats": {label: 1.0}})], sgd=optimizer)
    again.to_disk(tmp_path)
    spacy.load(tmp_path)


@pytest.mark.parametrize("part", ["bert", "bert_sentiment/cfg", "bert_sentiment/model"])
def test_parts_of_two_pipelines(make_nlp, tmp_path, part):
    old, new = make_nlp("bert_sentiment"), shift(make_nlp("bert_sentiment"))
    new.get_pipe("bert_sentiment").cfg["labels"] = old.get_pipe("bert_sentiment").labels[::-1]
    old.to_disk(tmp_path / "old")
    new.to_disk(tmp_path / "new")
    target = tmp_path / "old" / part
    if target.is_dir():
        shutil.rmtree(target)
        shutil.copytree(tmp_path / "new" / part, target)
    else:
        shutil.copyfile(tmp_path / "new" / part, target)
    with pytest.raises(ValueError, match="B35[12]"):
        spacy.load(tmp_path / "old")


def edit(labels, kind):
    changes = {
        "order": labels[::-1],
        "fewer": labels[:-1],
        "more": [*labels, "NEW"],
        "renamed": [*labels[:-1], "NEW"],
        "text": "abc",
        "numbers": [*range(len(labels))],
        "absent": None,
    }
    return changes[kind]


@pytest.mark.parametrize("kind", ["order", "fewer", "more", "renamed", "text", "numbers", "absent"])
@pytest.mark.parametrize("head", ["bert_textcat_multilabel", "bert_ner"])
def test_edited_settings(make_nlp, tmp_path, head, kind):
    make_nlp(head).to_disk(tmp_path)
    file = tmp_path / head / "cfg"
    cfg = json.loads(file.read_text())
    cfg["labels"] = edit(cfg["labels"], kind)
    file.write_text(json.dumps(cfg))
    with pytest.raises(ValueError, match="B351|B006"), warnings.catch_warnings():
        spacy.load(tmp_path)
