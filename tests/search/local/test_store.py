"""Saving, loading and being killed: an index is as it was before or as it is after."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from search.local.killer import make_index, orphans, state_of
from search.toys import IDS, TEXTS, ids_of, random_vectors, toy_vectors

from spacy_bert_suite.search import SemanticIndex
from spacy_bert_suite.search.local import store as store_module

KILLER = Path(__file__).parent / "killer.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
@pytest.mark.parametrize("action", ["add", "delete", "compact", "save", "optimize", "build"])
def test_killed_at_any_point_the_index_is_readable(action, tmp_path):
    """Processes are killed before one of their calls that touch the disk."""
    paths = filter(None, (str(KILLER.parents[2]), os.environ.get("PYTHONPATH")))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(KILLER), str(tmp_path), action]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    before, after = report["before"], report["after"]
    assert report["status"] == 0
    assert (after == before) == (action in ("compact", "optimize"))
    assert len(report["killed"]) > 5
    for n, (killed, found, again, final, left) in enumerate(report["killed"], start=1):
        assert killed == -9, n
        assert found in (before, after), f"kill {n}"
        assert (again, final, left) == (0, after, []), f"tried again after kill {n}"
    assert report["killed"][0][1] == before
    assert report["killed"][-1][1] == after


@pytest.mark.parametrize("storage", ["float32", "float16", "int8"])
def test_save_and_load(storage, tmp_path):
    vectors = random_vectors(200)
    index = SemanticIndex(storage=storage, info={"model": "m"})
    index.add([f"t{i}" for i in range(200)], vectors=vectors, ids=[f"d{i}" for i in range(200)])
    index.delete(["d3"])
    index.save(tmp_path / "deep" / "index")
    loaded = SemanticIndex.load(tmp_path / "deep" / "index")
    assert loaded.info == {"model": "m"}
    assert len(loaded) == 199
    for mode, query in (("vector", vectors[7]), ("bm25", "t7")):
        hits = index.search(query, k=20, mode=mode)
        assert loaded.search(query, k=20, mode=mode) == hits
        assert hits[0].id == "d7"


def test_an_index_without_a_path_lives_where_it_was_saved(tmp_path):
    pytest.importorskip("bm25s")
    index = SemanticIndex()
    temporary = index.backend.store.folder
    index.add(["one"], ids=["a"], vectors=[numpy.ones(4)])
    index.optimize(hnsw=False)
    assert ids_of(index.search("one", mode="bm25")) == ["a"]
    index.save(tmp_path / "index")
    assert not temporary.exists()
    index.add(["two"], ids=["b"], vectors=[numpy.ones(4)])
    assert ids_of(index.search("two", mode="bm25")) == ["b"]
    index.save(tmp_path / "copy")
    index.delete(["a"])
    assert len(SemanticIndex.load(tmp_path / "index")) == 1
    assert len(SemanticIndex.load(tmp_path / "copy")) == 2
    del index
    assert len(SemanticIndex.load(tmp_path / "index")) == 1


def test_save_again_writes_only_what_is_new(tmp_path):
    index = SemanticIndex(path=tmp_path / "own")
    index.add(["a"], vectors=[numpy.ones(4)])
    index.save(tmp_path / "index")
    (segment,) = (tmp_path / "index").glob("segment-*")
    written = (segment / "vectors").stat().st_mtime_ns
    index.add(["b"], vectors=[numpy.ones(4)])
    index.save(tmp_path / "index")
    assert (segment / "vectors").stat().st_mtime_ns == written
    assert len(SemanticIndex.load(tmp_path / "index")) == 2
    index.compact()
    index.save(tmp_path / "index")
    assert len(list((tmp_path / "index").glob("segment-*"))) == 1
    SemanticIndex.load(tmp_path / "index").save(tmp_path / "copy")
    assert orphans(tmp_path / "copy") == []


def test_save_to_itself_changes_nothing(tmp_path):
    index = make_index(tmp_path / "index")
    before = state_of(tmp_path / "index")
    index.save(tmp_path / "index")
    assert state_of(tmp_path / "index") == before
    index.add(["x"], vectors=[numpy.ones(8)], ids=["x"])


def test_save_to_itself_keeps_what_others_have_added(tmp_path):
    stale = make_index(tmp_path / "index")
    SemanticIndex.load(tmp_path / "index").add(["x"], vectors=[numpy.ones(8)], ids=["x"])
    (tmp_path / "link").symlink_to(tmp_path / "index")
    for path in (tmp_path / "index", tmp_path / "link"):
        with pytest.raises(ValueError, match="B123"):
            stale.save(path)
    loaded = SemanticIndex.load(tmp_path / "index")
    assert ids_of(loaded.search(numpy.ones(8), k=1)) == ["x"]
    stale.save(tmp_path / "copy")
    assert len(SemanticIndex.load(tmp_path / "copy")) == 5


def test_what_another_process_has_removed_cannot_be_saved(tmp_path):
    stale = make_index(tmp_path / "index")
    SemanticIndex.load(tmp_path / "index").compact()
    with pytest.raises(ValueError, match="B123"):
        stale.save(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("broken", ["copy_whole", "sync_path", "Manifest.write"])
def test_a_save_that_failed_can_be_tried_again(broken, tmp_path, monkeypatch):
    index = make_index(tmp_path / "index")
    index.optimize(hnsw=False)
    expected = state_of(tmp_path / "index")

    def fail(*args):
        raise OSError("no room")

    monkeypatch.setattr(f"spacy_bert_suite.search.local.store.{broken}", fail)
    with pytest.raises(OSError, match="no room"):
        index.save(tmp_path / "copy")
    monkeypatch.undo()
    for name in (".new-manifest.json", "manifest.json.part"):
        (tmp_path / "copy" / name).write_text("cut")
    index.save(tmp_path / "copy")
    assert state_of(tmp_path / "copy") == expected and orphans(tmp_path / "copy") == []


def test_words_are_found_after_another_process_has_optimized(tmp_path):
    pytest.importorskip("bm25s")
    writer = make_index(tmp_path / "index")
    writer.optimize(hnsw=False)
    reader = SemanticIndex.load(tmp_path / "index")
    writer.add(["x"], vectors=[numpy.ones(8)], ids=["x"])
    writer.optimize(hnsw=False)
    assert ids_of(reader.search("harbour", mode="bm25")) == ["d0", "d1"]


def test_texts_without_a_word_can_be_optimized_and_saved(tmp_path):
    pytest.importorskip("bm25s")
    index = SemanticIndex(path=tmp_path / "index")
    index.add(["the", "?"], vectors=numpy.ones((2, 4)))
    index.optimize(hnsw=False)
    index.save(tmp_path / "copy")
    for path in ("index", "copy"):
        loaded = SemanticIndex.load(tmp_path / path)
        assert loaded.search("the harbour", mode="bm25") == []
        assert loaded.backend._cache.words[1].keys.tolist() == [0, 1]
        assert list((tmp_path / path).glob("bm25-*"))


def test_many_small_additions_are_joined(tmp_path):
    index = SemanticIndex(path=tmp_path / "index", storage="int8")
    vectors = random_vectors(40)
    for i, vector in enumerate(vectors):
        index.add([f"t{i}"], ids=[f"d{i}"], vectors=[vector])
        if i % 7 == 0:
            index.delete([f"d{i}"])
    assert len(list((tmp_path / "index").glob("segment-*"))) < 30
    assert len(index.backend.store.segments) <= store_module.MOST_SMALL + 1
    loaded = SemanticIndex.load(tmp_path / "index")
    kept = [i for i in range(40) if i % 7]
    assert len(loaded) == len(kept)
    assert [loaded.search(vectors[i], k=1)[0].id for i in kept] == [f"d{i}" for i in kept]
    loaded.compact()
    assert len(loaded.backend.store.segments) == 1
    assert [loaded.search(vectors[i], k=1)[0].id for i in kept] == [f"d{i}" for i in kept]


def test_compact_of_nothing_left(tmp_path):
    index = make_index(tmp_path / "index")
    index.delete(IDS)
    index.compact()
    assert (len(index), index.search(numpy.ones(8))) == (0, [])
    index.add(["again"], vectors=[numpy.ones(8)], ids=["d0"])
    assert ids_of(SemanticIndex.load(tmp_path / "index").search(numpy.ones(8))) == ["d0"]


def test_a_reader_keeps_its_state(tmp_path):
    make_index(tmp_path / "index")
    reader = SemanticIndex.load(tmp_path / "index")
    writer = SemanticIndex.load(tmp_path / "index")
    before = reader.search(toy_vectors()[0], k=9)
    writer.delete(["d0"])
    writer.compact()
    assert reader.search(toy_vectors()[0], k=9) == before
    with pytest.raises(ValueError, match="B123"):
        reader.delete(["d1"])


def test_two_writers(tmp_path):
    index = make_index(tmp_path / "index")

    def texts():
        with pytest.raises(ValueError, match="B116"):
            SemanticIndex.load(tmp_path / "index").delete(["d0"])
        yield "one"

    index.add(texts(), vectors=[numpy.ones(8)])


def test_folders_that_are_no_index(tmp_path):
    with pytest.raises(ValueError, match="B110"):
        SemanticIndex.load(tmp_path / "absent")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="B124"):
        SemanticIndex(path=tmp_path)
    with pytest.raises(ValueError, match="B124"):
        SemanticIndex().save(tmp_path)
    for path in (tmp_path / "notes.txt", tmp_path / "notes.txt" / "deep"):
        with pytest.raises(ValueError, match="B134.*notes.txt"):
            SemanticIndex(path=path)
        with pytest.raises(ValueError, match="B134"):
            SemanticIndex().save(path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    (tmp_path / "own" / "segment-notes").mkdir(parents=True)
    with pytest.raises(ValueError, match="B124"):
        SemanticIndex().save(tmp_path / "own")


@pytest.mark.parametrize("name", ["vectors", "records", "ids", "ends", "codes", "scales"])
@pytest.mark.parametrize("damage", ["short", "absent"])
def test_damaged_files_are_named(name, damage, tmp_path):
    index = SemanticIndex(path=tmp_path / "index", storage="int8")
    index.add(TEXTS, vectors=toy_vectors())
    (path,) = (tmp_path / "index").glob(f"segment-*/{name}")
    if damage == "short":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.unlink()
    with pytest.raises(ValueError, match=f"B111.*{name}"):
        SemanticIndex.load(tmp_path / "index")


@pytest.mark.parametrize("n_bytes", [0, 8, None])
def test_a_damaged_list_of_deleted_rows_is_named(n_bytes, tmp_path):
    make_index(tmp_path / "index").delete(["d5"])
    (path,) = (tmp_path / "index").glob("segment-*.deleted")
    content = path.read_bytes()
    path.unlink()
    if n_bytes is not None:
        path.write_bytes(content[:n_bytes])
    with pytest.raises(ValueError, match="B111.*deleted"):
        SemanticIndex.load(tmp_path / "index")


@pytest.mark.parametrize("damage", [(b"{", b"x"), (b'"text"', b'"tent"'), (b'{"id"', b"\xff" * 5)])
def test_a_damaged_record_is_named(damage, tmp_path):
    make_index(tmp_path / "index")
    for path in (tmp_path / "index").glob("segment-*/records"):
        path.write_bytes(path.read_bytes().replace(*damage))
    with pytest.raises(ValueError, match="B111.*records"):
        SemanticIndex.load(tmp_path / "index")


def test_a_reader_opens_what_the_last_of_several_writers_left(tmp_path, monkeypatch):
    """The index changes each time between the reading of the manifest and of its files."""
    writer = make_index(tmp_path / "index")
    writer.delete(["d3"])
    deleted_keys = ["d0", "d1", "d2"]
    read_manifest = store_module.read_manifest

    def read_before_a_change(folder):
        manifest = read_manifest(folder)
        if deleted_keys:
            monkeypatch.setattr(store_module, "read_manifest", read_manifest)
            writer.delete([deleted_keys.pop()])
            monkeypatch.setattr(store_module, "read_manifest", read_before_a_change)
        return manifest

    monkeypatch.setattr(store_module, "read_manifest", read_before_a_change)
    assert len(SemanticIndex.load(tmp_path / "index")) == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 99}', "\0"])
def test_damaged_manifest(content, tmp_path):
    make_index(tmp_path / "index")
    (tmp_path / "index" / "manifest.json").write_text(content)
    with pytest.raises(ValueError, match="B111"):
        SemanticIndex.load(tmp_path / "index")


def test_manifest_can_be_read_by_people(tmp_path):
    make_index(tmp_path / "index")
    manifest = json.loads((tmp_path / "index" / "manifest.json").read_text())
    assert (manifest["width"], manifest["storage"]) == (8, "float32")
    assert [segment["n_rows"] for segment in manifest["segments"]] == [4, 2]


def test_a_temporary_index_leaves_nothing():
    index = SemanticIndex()
    folder = index.backend.store.folder
    index.add(["a"], vectors=[numpy.ones(4)])
    assert folder.exists()
    del index
    assert not folder.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_fork_leaves_the_temporary_folder():
    code = (
        "import os, sys, numpy\n"
        "from spacy_bert_suite.search import SemanticIndex\n"
        "index = SemanticIndex()\n"
        "index.add(['a'], vectors=numpy.ones((1, 4)))\n"
        "pid = os.fork()\n"
        "if not pid: sys.exit()\n"
        "os.waitpid(pid, 0)\n"
        "index.add(['b'], vectors=numpy.ones((1, 4)))\n"
        "print(len(index), index.backend.store.folder)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    n_entries, folder = done.stdout.split()
    assert n_entries == "2" and not Path(folder).exists()


def test_an_interruption_after_the_change_loses_nothing(tmp_path, monkeypatch):
    """Ctrl-C while old files are removed: what was added counts already."""
    index = make_index(tmp_path / "index")

    def interrupt(folder, manifest):
        if manifest.n_keys > 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(store_module, "remove_orphans", interrupt)
    with pytest.raises(KeyboardInterrupt):
        index.add(["n0"], ids=["n0"], vectors=[numpy.ones(8)])
    with pytest.raises(KeyboardInterrupt):
        index.compact()
    monkeypatch.undo()
    loaded = SemanticIndex.load(tmp_path / "index")
    assert ids_of(loaded.search(numpy.ones(8), k=1)) == ["n0"]
    loaded.delete(["n0"])
    assert orphans(tmp_path / "index") == []
