"""A damaged index says so, or gives right results; never other ones."""

import json
import shutil

import numpy
import pytest
from search.toys import random_vectors

from spacy_bert_suite.search import SemanticIndex

VECTORS = random_vectors(30, 8, seed=5)


@pytest.fixture
def folder(tmp_path):
    index = SemanticIndex(path=tmp_path / "index", storage="int8")
    for part in (range(15), range(15, 30)):
        ids = [f"d{i}" for i in part]
        index.add([f"text {i}" for i in part], ids=ids, vectors=VECTORS[list(part)])
    index.delete(["d4", "d20"])
    return tmp_path / "index"


def results(folder):
    index = SemanticIndex.load(folder)
    return [[hit.id for hit in hits] for hits in index.batch(list(VECTORS), k=3)]


def damages(content):
    yield content[:-1]
    yield bytes(len(content))
    for place in (0, len(content) // 2, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        yield bytes(changed)


def test_no_damage_gives_other_results(folder):
    expected = results(folder)
    for path in filter(lambda p: p.is_file() and p.name != ".lock", folder.rglob("*")):
        content = path.read_bytes()
        for damaged in damages(content):
            path.write_bytes(damaged)
            try:
                assert results(folder) == expected, path
            except ValueError as error:
                assert "[B111]" in str(error), path
        path.write_bytes(content)
    assert results(folder) == expected


@pytest.mark.parametrize("name", ["vectors", "ids", "ends", "codes", "scales", "records"])
def test_swapped_files(folder, name):
    first, second = sorted(folder.glob(f"segment-*/{name}"))
    if first.read_bytes() == second.read_bytes():
        return
    first.rename(folder / "third")
    second.rename(first)
    (folder / "third").rename(second)
    with pytest.raises(ValueError, match="B111"):
        SemanticIndex.load(folder)


def old_manifest(folder, change=lambda manifest: None):
    """As earlier versions wrote it, which had no checksums."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    del manifest["crc32"]
    for segment in manifest["segments"]:
        del segment["sums"], segment["deleted_sum"]
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_an_index_without_checksums_loads(folder):
    expected = results(folder)
    old_manifest(folder)
    assert results(folder) == expected


@pytest.mark.parametrize(
    "field, value",
    [("name", "../other"), ("name", "/tmp"), ("deleted", "../x.deleted"), ("n_rows", -1),
     ("n_rows", True), ("first_key", 3), ("n_deleted", 99), ("name", 5)],
)  # fmt: skip
def test_no_foreign_names_or_numbers(folder, field, value):
    old_manifest(folder, lambda m: m["segments"][0].update({field: value}))
    with pytest.raises(ValueError, match="B111"):
        SemanticIndex.load(folder).save(folder.parent / "target")
    assert not (folder.parent / "target").exists()
    shutil.rmtree(folder)


def test_numpy_metadata_and_a_change_of_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    index = SemanticIndex(path="index")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    metadata = [{"n": numpy.int16(4), "yes": numpy.bool_(True)}]
    index.add(["a"], vectors=VECTORS[:1], metadata=metadata)
    (hit,) = index.search(VECTORS[0], where={"n": {"lte": numpy.uint8(4)}, "yes": numpy.True_})
    assert hit.metadata == {"n": 4, "yes": True}
