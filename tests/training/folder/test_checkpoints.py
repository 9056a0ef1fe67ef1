"""Checkpoints are whole or not there; a run goes on only as what it was."""

import errno
import json
import shutil
import signal
import subprocess
import sys

import pytest
from safetensors import SafetensorError
from spacy.language import Language
from training.runs import differing, make_config, run, run_spacy

from spacy_bert_suite.training.folder import checkpoints as module
from spacy_bert_suite.training.folder import manifest

KILLER = """
import os, shutil, signal, sys
from pathlib import Path
from spacy_bert_suite.training.folder.checkpoints import Checkpoints

os.fsync = lambda descriptor: None  # a kill loses nothing that was written; it takes long

class Config:
    def interpolate(self):
        return {}

def deadly(original):
    def call(*args, **kwargs):
        global n_calls
        n_calls += 1
        if n_calls == n_deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)
    return call

def fill(folder):
    for i in range(2):
        (folder / f"part{i}").write_bytes(bytes([i]) * 1000)

def write(step):
    Checkpoints(path, keep=1).write(step, Config(), fill)

for n_deadly in range(1, 200):
    path, n_calls = Path(sys.argv[1]) / str(n_deadly), 0
    path.mkdir()
    pid = os.fork()
    if not pid:
        # Path has its own hold of these calls in Python 3.10.
        for module, name in [(os, "fsync"), (os, "rename"), (os, "unlink"), (os, "rmdir"),
                             (os, "mkdir"), (Path, "write_bytes"), (Path, "write_text"),
                             (Path, "rename"), (Path, "unlink"), (Path, "mkdir")]:
            setattr(module, name, deadly(getattr(module, name)))
        n_deadly, limit = 0, n_deadly
        write(1)
        n_deadly, n_calls = limit, 0
        write(2)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(n_deadly, status, Checkpoints(path).find(Config()).name, flush=True)
    write(3)
    assert sorted(p.name for p in (path / "checkpoints").iterdir()) == ["step-3"]
    if not status:
        break
"""


def test_killed_while_writing(tmp_path):
    """At every call to the system there is a whole checkpoint, and what is left over goes."""
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(tmp_path)], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    assert {status for _, status, _ in rows[:-1]} == {str(-signal.SIGKILL)}
    assert rows[-1][1] == "0" and len(rows) > 15
    found = [name for _, _, name in rows]
    assert found == sorted(found) and {*found} == {"step-1", "step-2"}


@pytest.fixture(scope="session")
def first_part(tiny_bert, corpus, tmp_path_factory):
    """A run that was killed after checkpoints at 0, 2 and 4, of which two are kept; and spaCy's."""
    folder = tmp_path_factory.mktemp("killed")
    config = make_config(tiny_bert, corpus, others={}, max_steps=6, eval_frequency=2)
    run(config, folder / "ours", kill_at=5)
    names = sorted(path.name for path in (folder / "ours" / "checkpoints").iterdir())
    assert names == ["step-2", "step-4"]
    run_spacy(config, folder / "spacy")
    return config, folder


@pytest.fixture
def killed(first_part, tmp_path):
    config, folder = first_part
    shutil.copytree(folder / "ours", tmp_path / "ours")
    return config.copy(), tmp_path / "ours"


@pytest.fixture
def whole(first_part):
    return first_part[1] / "spacy"


@pytest.mark.parametrize("damage", ["cut", "lost", "no manifest"])
def test_damaged_checkpoint(damage, killed, whole):
    """The one before it serves, and the run still ends as it should."""
    config, path = killed
    newest = path / "checkpoints" / "step-4"
    if damage == "cut":
        file = newest / "components" / "bert" / "model" / "model.safetensors"
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(content[:-1])
    elif damage == "lost":
        (newest / "moments" / "bert.0.0.safetensors").unlink()
    else:
        (newest / "manifest.json").write_text("{")
    with pytest.warns(UserWarning, match="B930.*step-4"):
        printed = run(config, path, resume=True)
    assert "the data of 3 updates" in " ".join(printed.split())
    assert differing(whole, path) == []


def test_all_damaged(killed):
    config, path = killed
    for checkpoint in (path / "checkpoints").iterdir():
        (checkpoint / "state.msgpack").write_bytes(b"")
    with pytest.warns(UserWarning, match="B930"), pytest.raises(ValueError, match="B174"):
        run(config, path, resume=True)


def test_other_settings(killed):
    config, path = killed
    other = config.copy()
    other["training"]["dropout"] = 0.3
    with pytest.raises(ValueError, match=r"B172.*training\.dropout"):
        run(other, path, resume=True)
    free = config.copy()
    free["training"]["logger"] = {"@loggers": "spacy-bert-suite.ProgressLogger.v1"}
    free["training"].update(max_steps=5, patience=90)
    run(free, path, resume=True)


def test_streaming_is_another_run(killed):
    config, path = killed
    config["training"]["max_epochs"] = -1
    with pytest.raises(ValueError, match=r"B172.*training\.max_epochs"):
        run(config, path, resume=True)


def test_moved_data(killed, corpus, tmp_path):
    config, path = killed
    moved = tmp_path / "moved.spacy"
    shutil.copy(corpus, moved)
    config["corpora"]["train"]["path"] = str(moved)
    with pytest.warns(UserWarning, match=r"B931.*corpora\.train\.path"):
        run(config, path, resume=True)


def test_changed_data(killed):
    config, path = killed
    config["corpora"]["train"]["limit"] = 10
    with pytest.warns(UserWarning, match="B931"), pytest.raises(ValueError, match="B173"):
        run(config, path, resume=True)


def test_other_versions(killed, monkeypatch):
    config, path = killed
    monkeypatch.setattr(manifest, "versions", lambda: {"torch": "1.0"})
    with pytest.warns(UserWarning, match=r"B932.*torch 2\."):
        run(config, path, resume=True)


def test_full_disk(killed, whole, monkeypatch):
    """What was there before is as it was, and serves when there is room again."""
    config, path = killed

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "make_manifest", full)
        with pytest.raises(OSError, match="B170.*No space left"):
            run(config, path, resume=True)
    assert sorted(p.name for p in (path / "checkpoints").iterdir()) == ["step-2", "step-4"]
    run(config, path, resume=True)
    assert differing(whole, path) == []


@pytest.mark.parametrize("error", [OSError(28, "No space left"), SafetensorError("No space left")])
def test_full_disk_for_a_model(error, killed, whole, monkeypatch):
    config, path = killed

    def full(*args):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Language, "to_disk", full)
        with pytest.raises(OSError, match="B170.*model-last.*No space left"):
            run(config, path, resume=True)
    run(config, path, resume=True)
    assert differing(whole, path) == []


def test_every_few_steps(tiny_bert, corpus, tmp_path):
    config = make_config(tiny_bert, corpus, others={}, max_steps=7, eval_frequency=4)
    run(config, tmp_path / "ours", checkpoint_every=3, keep=5)
    steps = sorted(path.name for path in (tmp_path / "ours" / "checkpoints").iterdir())
    assert steps == ["step-3", "step-6", "step-7"]
    for key in ("keep", "checkpoint_every"):
        with pytest.raises(ValueError, match="B176"):
            run(config, tmp_path / "other", **{key: -1})


@pytest.mark.parametrize("key", ["accumulate_gradient", "eval_frequency"])
def test_numbers_to_divide_by(key, tiny_bert, corpus, tmp_path):
    for value in (0, -2):
        config = make_config(tiny_bert, corpus, others={}, max_steps=1, **{key: value})
        with pytest.raises(ValueError, match=rf"B176.*training\.{key} is {value}"):
            run(config, tmp_path / "ours")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_pickled(killed):
    """A checkpoint holds json, msgpack and safetensors, and a backbone that opens by itself."""
    from transformers import BertModel

    config, path = killed
    newest = path / "checkpoints" / "step-4"
    suffixes = {file.suffix for file in newest.rglob("*") if file.is_file()}
    assert suffixes <= {".json", ".msgpack", ".safetensors", ".txt", ""}
    assert BertModel.from_pretrained(newest / "components" / "bert" / "model")
    listed = json.loads((newest / "manifest.json").read_text())["files"]
    assert len(listed) == sum(file.is_file() for file in newest.rglob("*")) - 1


def test_unusable_folder(tiny_bert, corpus, tmp_path):
    """A file is where the folder is to be, or above it."""
    config = make_config(tiny_bert, corpus, others={}, max_steps=1)
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "ours"):
        with pytest.raises(OSError, match="B177"):
            run(config, path)


def test_other_files_among_checkpoints_stay(tiny_bert, corpus, tmp_path):
    """Beginning anew removes the checkpoints of the run before, and nothing that is not its own."""
    config = make_config(tiny_bert, corpus, others={}, max_steps=2, eval_frequency=1)
    folder = tmp_path / "ours" / "checkpoints"
    (folder / ".new-step-9").mkdir(parents=True)
    (folder / "step-one").mkdir()
    others = [folder / "lightning.ckpt", folder / "step-7", folder / "step-one" / "weights"]
    for file in others:
        file.write_text("precious")
    run(config, tmp_path / "ours", keep=1)
    assert {path.name for path in folder.iterdir()} == {
        "lightning.ckpt", "step-2", "step-7", "step-one"
    }  # fmt: skip
    config["training"]["max_steps"] = 1
    run(config, tmp_path / "ours", keep=1)
    assert (folder / "step-1").is_dir() and not (folder / "step-2").exists()
    assert [file.read_text() for file in others] == ["precious"] * 3


def test_no_output(tiny_bert, corpus, tmp_path):
    run(make_config(tiny_bert, corpus, others={}, max_steps=1), None)
    assert list(tmp_path.iterdir()) == []
