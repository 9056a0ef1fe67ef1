"""Weights that stand on the disk already are not written again, and never changed in place."""

import os

import pytest
import spacy
import torch
from training.runs import make_config, run, run_spacy

from spacy_bert_suite.backbone.model import get_backbone
from spacy_bert_suite.core import atomic

WEIGHTS = "bert/model/model.safetensors"


@pytest.fixture
def written(monkeypatch):
    """Files of weights that were given their place."""
    paths, replace = [], os.replace

    def recorded(source, target):
        if str(target).endswith(WEIGHTS):
            paths.append(target)
        return replace(source, target)

    monkeypatch.setattr(atomic.os, "replace", recorded)
    return paths


@pytest.fixture
def nlp(make_nlp):
    return make_nlp("bert_textcat")


@pytest.mark.parametrize("trainable", [True, False])
def test_spacy_train(trainable, tiny_bert, corpus, tmp_path, written):
    changes = {"bert": {"trainable": trainable}, "others": {}, "max_steps": 4, "eval_frequency": 2}
    run_spacy(make_config(tiny_bert, corpus, **changes), tmp_path / "spacy")
    # At 0 and 2 and 4, and once more at the end.
    assert len(written) == (3 if trainable else 1)


@pytest.mark.parametrize("frozen", ["trainable = false", "frozen_components"])
def test_our_train(frozen, tiny_bert, corpus, tmp_path, written, nlp):
    changes = {"others": {}, "max_steps": 4, "eval_frequency": 2}
    if frozen == "frozen_components":
        nlp.to_disk(tmp_path / "source")
        written.clear()
        changes.update(sourced={"bert": tmp_path / "source"}, annotating_components=["bert"])
    else:
        changes["bert"] = {"trainable": False}
    ours = tmp_path / "ours"
    run(make_config(tiny_bert, corpus, **changes), ours)
    assert len(written) == 1
    files = [ours / "model-last" / WEIGHTS, ours / "model-best" / WEIGHTS]
    files += [path / "components" / WEIGHTS for path in (ours / "checkpoints").iterdir()]
    assert len(files) == 4 and len({file.stat().st_ino for file in files}) == 1
    assert spacy.load(ours / "model-best")


def inode(path):
    return (path / "model" / "model.safetensors").stat().st_ino


def test_file_that_was_changed(nlp, tmp_path):
    """It is written again, whatever its date says, and so are weights that have changed."""
    bert, path = nlp.get_pipe("bert"), tmp_path / "bert"
    file = path / "model" / "model.safetensors"
    bert.to_disk(path)
    content, first = file.read_bytes(), file.stat()
    bert.to_disk(path)
    assert inode(path) == first.st_ino
    damaged = bytearray(content)
    damaged[-1] ^= 1
    file.write_bytes(bytes(damaged))
    os.utime(file, ns=(first.st_atime_ns, first.st_mtime_ns))
    bert.to_disk(path)
    assert file.read_bytes() == content
    file.write_bytes(b"")
    bert.to_disk(path)
    assert file.read_bytes() == content
    parameter = next(get_backbone(bert.model).module.parameters())
    parameter.data[0, 0] += 1.0  # behind torch's own counter of changes
    bert.to_disk(path)
    assert file.read_bytes() != content


def test_linked_file_keeps_its_content(nlp, tmp_path):
    bert, path = nlp.get_pipe("bert"), tmp_path / "bert"
    bert.to_disk(path)
    file, link = path / "model" / "model.safetensors", tmp_path / "link"
    os.link(file, link)
    content = link.read_bytes()
    with torch.no_grad():
        next(get_backbone(bert.model).module.parameters()).add_(1.0)
    bert.to_disk(path)
    assert link.read_bytes() == content != file.read_bytes()


def test_weights_in_parts_go(nlp, tmp_path):
    bert, folder = nlp.get_pipe("bert"), tmp_path / "bert" / "model"
    folder.mkdir(parents=True)
    for name in ("model-00001-of-00002.safetensors", "model.safetensors.index.json", "notes.txt"):
        (folder / name).write_text("old")
    (folder / ".new-abc").mkdir()  # of a process that was killed
    bert.to_disk(tmp_path / "bert")
    assert sorted(path.name for path in folder.glob("model*")) == ["model.safetensors"]
    assert not (folder / ".new-abc").exists()
    assert (folder / "notes.txt").read_text() == "old"
