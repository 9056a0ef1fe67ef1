"""Folders of strangers: each is refused with a code, and at once."""

import json
import shutil
from pathlib import Path

import pytest

from spacy_bert_suite.backbone.weights.loading import load_checkpoint, load_folder
from spacy_bert_suite.checkpoints import import_checkpoint


@pytest.fixture
def copied(tiny_bert, tmp_path):
    return Path(shutil.copytree(tiny_bert, tmp_path / "copied"))


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("num_hidden_layers", 0, "B353"),
        ("num_hidden_layers", -3, "B353"),
        ("num_hidden_layers", 2, "B353"),  # of 4
        ("num_hidden_layers", 10**9, "B353"),
        ("num_hidden_layers", "4", "B353"),
        ("num_hidden_layers", True, "B353"),
        ("vocab_size", 10**12, "B353"),
        ("hidden_size", 10**9, "B353"),
        ("intermediate_size", -2, "B353"),
        ("max_position_embeddings", 10**12, "B353"),
        ("num_attention_heads", 0, "B006"),
        ("num_attention_heads", 5, "B006"),
        ("num_attention_heads", [2], "B006"),
        ("pad_token_id", 10**6, "B006"),
        ("pad_token_id", {}, "B006"),
        ("torch_dtype", "nothing", "B006"),
        ("attention_probs_dropout_prob", -2, "B006"),
        ("hidden_dropout_prob", "high", "B006"),
        ("hidden_act", "os.system", "B006"),
        ("pruned_heads", {"7": [0]}, "B006"),
        ("layer_norm_eps", float("nan"), "B008"),
        ("quantization_config", {"quant_method": "gptq", "bits": 4}, "B238"),
        ("quantization_config", {"quant_method": "unheard-of"}, "B238"),
    ],
)
def test_config(copied, key, value, code):
    change(copied / "config.json", **{key: value})
    with pytest.raises(ValueError, match=code):
        load_folder(copied)


@pytest.mark.parametrize(
    "index",
    [
        {"weight_map": [1]},
        {"weight_map": 3},
        {"metadata": {}},
        [],
        {"weight_map": {"a": "../model.safetensors"}},
        {"weight_map": {"a": "gone.safetensors"}},
        {"weight_map": {"a": None}},
    ],
)
def test_list_of_weights(copied, index):
    (copied / "model.safetensors").unlink()
    (copied / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="B006"):
        load_folder(copied)


def test_thousands_of_added_tokens(copied):
    path = copied / "tokenizer.json"
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    added = [{"id": 1000 + i, "content": f"new{i}", **flags} for i in range(50_000)]
    change(path, added_tokens=added)
    with pytest.raises(ValueError, match="B010"):
        load_folder(copied)


@pytest.mark.parametrize("name", ["~no_such_user_/model", "~no_such_user_", "x" * 5000])
def test_names_of_no_folder(name):
    with pytest.raises((ValueError, OSError), match=r"\[B\d+\]"):
        load_checkpoint(name)
    with pytest.raises((ValueError, OSError), match=r"\[B\d+\]"):
        import_checkpoint(name)
