"""Sources: folders, files and the hub's cache, whole or damaged."""

import shutil

import pytest
from transformers import AutoModel, AutoModelForTokenClassification

from spacy_bert_suite.checkpoints import import_checkpoint

from .originals import change_config, entities_of

TAGGER = "BertForTokenClassification"
NAMES = ["I-LOC", "B-PER", "O", "I-PER", "B-LOC"]
TEXT = "anna works in paris near the bank of london"


def test_revisions_are_found_in_the_cache(make_original, tmp_path, monkeypatch):
    from huggingface_hub import constants

    path = make_original(TAGGER, names=NAMES)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--me--tagger"
    commit = "a" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "v2").write_text(commit)
    shutil.copytree(path, repository / "snapshots" / commit)
    nlp = import_checkpoint("me/tagger", revision="v2")
    assert entities_of(nlp(TEXT)) == entities_of(import_checkpoint(path)(TEXT))
    assert nlp.meta["bert_checkpoints"][0]["revision"] == "v2"
    with pytest.raises(OSError, match="B005"):
        import_checkpoint("me/tagger", revision="v3")


def test_large_weights_in_several_files(make_original, tmp_path):
    path = make_original(TAGGER, names=NAMES)
    expected = entities_of(import_checkpoint(path)(TEXT))
    whole = AutoModelForTokenClassification.from_pretrained(path)
    (path / "model.safetensors").unlink()
    whole.save_pretrained(path, max_shard_size="8KB")
    assert len(list(path.glob("model-*.safetensors"))) > 1
    assert entities_of(import_checkpoint(path)(TEXT)) == expected


def damage(path, kind):
    if kind == "pickle":
        (path / "model.safetensors").rename(path / "pytorch_model.bin")
    elif kind == "no weights":
        (path / "model.safetensors").unlink()
    elif kind == "cut short":
        content = (path / "model.safetensors").read_bytes()
        (path / "model.safetensors").write_bytes(content[: len(content) // 2])
    elif kind == "no config":
        (path / "config.json").unlink()
    elif kind == "bad config":
        (path / "config.json").write_text("{")
    elif kind == "list":
        (path / "config.json").write_text("[]")
    elif kind == "no head":
        AutoModel.from_pretrained(path).save_pretrained(path)
        change_config(path, architectures=[TAGGER])
    elif kind == "other kind":
        change_config(path, architectures=["BertForMultipleChoice"])
    elif kind == "no folder":
        shutil.rmtree(path)


@pytest.mark.parametrize(
    "kind, code",
    [
        ("pickle", "B220"),
        ("no weights", "B004"),
        ("cut short", "B006"),
        ("no config", "B004"),
        ("bad config", "B006"),
        ("list", "B006"),
        ("no head", "B221"),
        ("other kind", "B230"),
        ("no folder", "B200"),
    ],
)
def test_damaged_sources(make_original, kind, code):
    path = make_original(TAGGER, names=NAMES)
    damage(path, kind)
    with pytest.raises((ValueError, OSError), match=code):
        import_checkpoint(path)


def test_adapters_and_quantized_weights_are_refused(make_original, tmp_path):
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text("{}")
    with pytest.raises(ValueError, match="B237.*merge_and_unload"):
        import_checkpoint(tmp_path / "lora")
    path = make_original(TAGGER, names=NAMES)
    change_config(path, quantization_config={"quant_method": "bitsandbytes"})
    with pytest.raises(ValueError, match="B238"):
        import_checkpoint(path)
