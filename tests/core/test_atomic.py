"""Files and folders are old or new, whole, whenever the writer dies; and there is one writer."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spacy_bert_suite.core import atomic

# Kills a process before its n-th call to the system, for each n, and prints what is left.
KILLER = """
import json, os, shutil, signal, sys
from pathlib import Path
from spacy_bert_suite.core import atomic

os.fsync = lambda descriptor: None  # a kill loses nothing that was written; it takes long
CALLS = ["fsync", "rename", "replace", "unlink", "rmdir", "mkdir", "open"]

def fill(folder, content):
    for i in range(2):
        (folder / f"part{i}").write_text(content)

def replace_file(path, content):
    with atomic.replace_file(path / "file") as new:
        new.write_text(content)

def replace_files(path, content):
    with atomic.replace_files(path) as new:
        fill(new, content)

def replace_folder(path, content):
    with atomic.replace_folder(path / "folder") as new:
        fill(new, content)

def remove_folder(path, content):
    if content == "old":
        replace_folder(path, content)
    else:
        atomic.recover(path / "folder")
        if (path / "folder").exists():
            atomic.remove_folder(path / "folder")

def copy_whole(path, content):
    if content == "old":
        fill(path, content)
    else:
        (path / "source").mkdir(exist_ok=True)
        fill(path / "source", content)
        atomic.copy_whole(path / "source", path / "copy")
        shutil.rmtree(path / "source")

def contents(path):
    return {str(p.relative_to(path)): p.read_text() for p in path.rglob("*") if p.is_file()}

def deadly(original):
    def call(*args, **kwargs):
        global n_calls
        n_calls += 1
        if n_calls == n_deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)
    return call

action = globals()[sys.argv[2]]
for n_deadly in range(1, 200):
    path, n_calls = Path(sys.argv[1]) / str(n_deadly), 0
    path.mkdir()
    action(path, "old")
    pid = os.fork()
    if not pid:
        for name in CALLS:
            setattr(os, name, deadly(getattr(os, name)))
        action(path, "new")
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    left = contents(path)
    action(path, "new")
    print(json.dumps([status, left, contents(path)]), flush=True)
    if not status:
        break
"""


def whole(name, content):
    return {f"{name}part{i}": content for i in range(2)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
@pytest.mark.parametrize(
    "action, states",
    [
        ("replace_file", [{"file": "old"}, {"file": "new"}]),
        ("replace_files", [whole("", "old"), whole("", "new")]),
        ("replace_folder", [whole("folder/", "old"), whole("folder/", "new")]),
        ("remove_folder", [whole("folder/", "old"), {}]),
        ("copy_whole", [whole("", "old"), whole("", "old") | whole("copy/", "new")]),
    ],
)
def test_killed_at_any_call(action, states, tmp_path):
    command = [sys.executable, "-c", KILLER, str(tmp_path), action]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) > 3 and {row[0] for row in rows[:-1]} == {-signal.SIGKILL}
    assert rows[-1][0] == 0 and rows[-1][1] == states[1]
    for n, (_, left, again) in enumerate(rows, start=1):
        found = {k: v for k, v in left.items() if not k.startswith((".", "source"))}
        if not found and states[0]:  # between two renames: put back by whoever comes next
            found = {k.removeprefix(".old-"): v for k, v in left.items() if ".new-" not in k}
        if action == "replace_files":  # each file by itself
            assert set(found) == set(states[0]) and {*found.values()} <= {"old", "new"}, n
        else:
            assert found in states, f"kill {n}"
        assert again == states[1], f"tried again after kill {n}"


def test_what_a_kill_leaves_is_put_back_or_removed(tmp_path):
    for name in (".old-a", ".new-a", ".old-b", "b", ".new-other", ".old-other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    (tmp_path / ".new-c").write_text("a file of the user")
    atomic.recover_all(tmp_path, "[abc]")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"a", "b", ".new-other", ".old-other", ".new-c"}
    assert (tmp_path / "a" / "file").read_text() == ".old-a"
    assert (tmp_path / "b" / "file").read_text() == "b"


def test_an_error_leaves_what_was_there(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    for replace in (atomic.replace_file, atomic.replace_folder, atomic.replace_files):
        path = tmp_path / ("file" if replace is atomic.replace_file else "folder")
        with pytest.raises(ZeroDivisionError), replace(path) as new:
            target = new if replace is atomic.replace_file else new / "part"
            target.write_text("cut")
            raise ZeroDivisionError
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "old"


def test_hard_links_keep_their_content(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("old")
    os.link(tmp_path / "a" / "file", tmp_path / "link")
    with atomic.replace_files(tmp_path / "a") as new:
        (new / "file").write_text("new")
    assert (tmp_path / "link").read_text() == "old"
    assert (tmp_path / "a" / "file").read_text() == "new"


def test_links_to_folders_stay(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    with atomic.replace_folder(tmp_path / "link") as new:
        (new / "file").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "file").read_text() == "new"


needs_locks = pytest.mark.skipif(atomic.fcntl is None, reason="needs locks")

WRITER = """
import sys, time
from pathlib import Path
from spacy_bert_suite.core import atomic
with getattr(atomic, sys.argv[1])(Path(sys.argv[2])):
    print("in it", flush=True)
    time.sleep(60)
"""


@needs_locks
@pytest.mark.parametrize("name", ["replace_folder", "replace_files", "only_writer"])
def test_one_writer_until_it_dies(name, tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    writer = getattr(atomic, name)
    command = [sys.executable, "-c", WRITER, name, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"in it\n"
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(ValueError, match="B116"), writer(path):
            pass
        assert sorted(tmp_path.rglob("*")) == before
        process.kill()
    with writer(path):
        pass
    assert {p.name for p in tmp_path.rglob("*")} <= {"folder", ".lock"}


@needs_locks
def test_leftovers_are_not_taken_from_a_writer_that_lives(tmp_path):
    with atomic.replace_folder(tmp_path / "a") as new:
        with pytest.raises(ValueError, match="B116"):
            atomic.recover_all(tmp_path, "a")
        assert new.is_dir()
    assert (tmp_path / "a").is_dir()


def test_the_next_writer_is_left_alone(tmp_path):
    """After the rename another process may begin; what it writes is not this one's to remove."""
    with atomic.partial_folder(tmp_path / "a") as new:
        atomic.put_in_place(new, tmp_path / "a")
        (tmp_path / ".new-a").mkdir()
    assert {path.name for path in tmp_path.iterdir()} == {"a", ".new-a"}


def test_file_systems_without_locks(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(9, "Bad file descriptor")

    if atomic.fcntl is not None:
        monkeypatch.setattr(atomic.fcntl, "flock", refuse)
    with atomic.replace_folder(tmp_path / "a") as new:
        (new / "file").write_text("new")
    assert (tmp_path / "a" / "file").read_text() == "new"


def test_new_folders_are_new(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    for name in ("file", "full"):
        with pytest.raises(FileExistsError, match="B232"), atomic.new_folder(tmp_path / name):
            pass
    for name in ("empty", Path("deep") / "absent"):
        with atomic.new_folder(tmp_path / name) as new:
            (new / "part").write_text("")
        assert (tmp_path / name / "part").is_file()
