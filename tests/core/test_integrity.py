"""Files of a saved pipeline that are damaged, missing, or not those that were saved."""

import hashlib
import json
import zlib

import pytest
import safetensors.torch
import spacy
import torch

from spacy_bert_suite.backbone.model import get_backbone
from spacy_bert_suite.backbone.weights.loading import save_folder
from spacy_bert_suite.core import integrity
from spacy_bert_suite.errors import CodedValueError, Errors

HEAD = "bert_textcat/model"
WEIGHTS = "bert/model/model.safetensors"
MIXTURE = "bert/model/layers.safetensors"
CHECKSUMS = "bert/model/checksums.json"


@pytest.fixture
def nlp(make_nlp):
    return make_nlp("bert_textcat", bert={"layers": "scalar_mix"})


@pytest.fixture
def saved(nlp, tmp_path):
    with torch.no_grad():
        get_backbone(nlp.get_pipe("bert").model).module.mix_weights[1] = 3.0
    nlp.to_disk(tmp_path)
    return tmp_path


def cut(content):
    return content[: len(content) // 2]


def empty(content):
    return b""


def flip(content):
    return content[:-5] + bytes([content[-5] ^ 0x7F]) + content[-4:]


def change_weights(nlp):
    with torch.no_grad():
        next(get_backbone(nlp.get_pipe("bert").model).module.transformer.parameters()).add_(1.0)


@pytest.mark.parametrize("change", [cut, empty])
@pytest.mark.parametrize("name", [HEAD, MIXTURE, "bert_textcat/cfg", "bert/cfg"])
def test_damaged(name, change, saved):
    (saved / CHECKSUMS).unlink()
    (saved / name).write_bytes(change((saved / name).read_bytes()))
    with pytest.raises(ValueError, match=rf"\[B006\].*{saved}"):
        spacy.load(saved)


@pytest.mark.parametrize("name", [HEAD, MIXTURE])
def test_missing(name, saved):
    (saved / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"\[B006\].*{saved / name}.*no such file"):
        spacy.load(saved)


@pytest.mark.parametrize("name", [WEIGHTS, MIXTURE])
def test_changed_weights(name, saved):
    (saved / name).write_bytes(flip((saved / name).read_bytes()))
    with pytest.raises(ValueError, match=rf"\[B045\] {saved / name}"):
        spacy.load(saved)
    (saved / CHECKSUMS).unlink()  # as the message says
    assert spacy.load(saved)


def test_damaged_checksums(saved):
    (saved / CHECKSUMS).write_text("[3]")
    with pytest.raises(ValueError, match=rf"\[B006\].*{saved / CHECKSUMS}"):
        spacy.load(saved)


def test_mixture_of_another_model(saved):
    (saved / CHECKSUMS).unlink()
    tensors = {"mix_weights": torch.zeros(3), "mix_gamma": torch.ones(1)}
    safetensors.torch.save_file(tensors, saved / MIXTURE)
    with pytest.raises(ValueError, match=r"\[B039\].*layers.safetensors"):
        spacy.load(saved)


@pytest.mark.parametrize("name", ["bert", "bert_textcat"])
def test_damaged_bytes(name, nlp):
    pipe = nlp.get_pipe(name)
    with pytest.raises(ValueError, match=rf"\[B006\].*'{name}'"):
        pipe.from_bytes(cut(pipe.to_bytes()))


def test_errors_with_a_code_stay(saved):
    (saved / WEIGHTS).unlink()
    with pytest.raises(FileNotFoundError, match=r"^\[B004\]"):
        spacy.load(saved)


def test_checksums_follow_the_weights(nlp, saved):
    before = json.loads((saved / CHECKSUMS).read_text())
    assert sorted(before) == ["layers.safetensors", "model.safetensors"]
    change_weights(nlp)
    nlp.to_disk(saved)
    assert json.loads((saved / CHECKSUMS).read_text()) != before
    assert spacy.load(saved)


def test_other_weights_in_the_same_folder(nlp, saved):
    """Whoever else writes weights there leaves no checksum of the old ones; the heads were not
    trained on them.
    """
    change_weights(nlp)
    save_folder(get_backbone(nlp.get_pipe("bert").model).to_checkpoint(), saved / "bert" / "model")
    assert not (saved / CHECKSUMS).exists()
    with pytest.raises(ValueError, match="B352.*bert_textcat"):
        spacy.load(saved)


def test_killed_while_saving(nlp, saved, monkeypatch):
    """No checksum of older weights stays beside newer ones; older heads do, and are refused."""
    monkeypatch.setattr(integrity, "crc32", lambda path: 1 / 0)
    change_weights(nlp)
    with pytest.raises(ZeroDivisionError):
        nlp.to_disk(saved)
    with pytest.raises(ValueError, match="B352.*bert_textcat"):
        spacy.load(saved)


def test_digests_find_what_was_changed(tmp_path):
    """However long a file is; a changed size is seen without reading it."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "long").write_bytes(bytes(integrity.BLOCK + 5))
    (tmp_path / "empty").write_bytes(b"")
    digests = integrity.digests_of(tmp_path)
    assert digests["empty"] == [0, hashlib.sha256().hexdigest()]
    assert integrity.crc32(tmp_path / "deep" / "long") == zlib.crc32(bytes(integrity.BLOCK + 5))
    assert integrity.first_changed(tmp_path, digests) is None
    (tmp_path / "other").write_text("not listed")
    assert integrity.first_changed(tmp_path, digests) is None
    (tmp_path / "deep" / "long").write_bytes(bytes(integrity.BLOCK + 4) + b"x")
    assert integrity.first_changed(tmp_path, digests) == "deep/long"
    (tmp_path / "deep" / "long").unlink()
    assert integrity.first_changed(tmp_path, digests) == "deep/long"


@pytest.mark.parametrize("error", [KeyError("a"), OSError("cut"), AttributeError("pop")])
def test_damage_gets_the_code_of_who_reads(error, tmp_path):
    with (
        pytest.raises(ValueError, match=r"\[B111\].*there"),
        integrity.coded_as(Errors.B111, "there"),
    ):
        raise error
    with pytest.raises(ValueError, match="B110"), integrity.coded_as(Errors.B111, "there"):
        raise CodedValueError(Errors.B110)
