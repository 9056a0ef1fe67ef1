"""What version 0.1.0 saved still loads, and gives the same as it gave then.

`saved_by_0_1/files` was written by `saved_by_0_1/make.py`, run with commit b40febf, the last one
before the modules moved. It is not to be written again with a later version.
"""

import json
import shutil
from pathlib import Path

import pytest
import spacy
from safetensors.numpy import load_file
from saved_by_0_1.make import command, hits, import_checkpoint, outputs, scores
from spacy.util import load_model_from_config

from spacy_bert_suite.search import SemanticIndex

FILES = Path(__file__).parent / "saved_by_0_1" / "files"
FOLDERS = ("exported", "again")
EXPECTED = json.loads((FILES / "expected.json").read_text(encoding="utf8"))
# Other versions of Python, torch or spaCy than those that saved are no matter of this test.
pytestmark = [pytest.mark.filterwarnings(f"ignore:.{code}") for code in ("B932", "W095")]


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """A copy: all paths in the files are relative to their folder."""
    shutil.copytree(FILES, tmp_path / "files")
    monkeypatch.chdir(tmp_path / "files")


@pytest.fixture(scope="module")
def nlp():
    return spacy.load(FILES / "pipeline")


def close_to(expected):
    """RETURNS (Any): Plain values in which a number also equals one that is nearly it."""
    if isinstance(expected, float):
        return pytest.approx(expected, abs=1e-5)
    if isinstance(expected, dict):
        return {key: close_to(value) for key, value in expected.items()}
    return [*map(close_to, expected)] if isinstance(expected, list) else expected


def test_pipeline(nlp):
    expected = close_to(EXPECTED["pipeline"])
    assert outputs(nlp) == expected
    again = load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert outputs(again) == expected


def test_index(nlp):
    pytest.importorskip("bm25s")
    index = SemanticIndex.load("index", nlp)
    assert hits(index) == close_to(EXPECTED["index"])
    index.add(["A new film."], ids=["new"])
    index.delete(["film"])
    index.compact()
    assert len(SemanticIndex.load("index")) == len(index) == 4


def test_exported_checkpoint():
    assert outputs(import_checkpoint("exported")) == close_to(EXPECTED["exported"])
    command("export", "pipeline", "bert_paraphrase", "again")
    ours, again = (json.loads(Path(name, "config.json").read_text()) for name in FOLDERS)
    for key in ("architectures", "spacy_bert_suite"):  # the rest is of transformers
        assert again[key] == ours[key]
    weights, same = (load_file(Path(name, "model.safetensors")) for name in FOLDERS)
    assert weights.keys() == same.keys()
    assert all((same[key] == weights[key]).all() for key in weights)


def test_run_goes_on():
    """Its config names callbacks, a schedule, a batcher and a logger; it ends as it did."""
    printed = command("train", "config.cfg", "--output", "run", "--resume")
    assert "Resuming from" in printed
    assert outputs(spacy.load("run/model-last")) == close_to(EXPECTED["run"])


def test_readers_and_scorers(nlp):
    assert scores(nlp) == close_to(EXPECTED["scores"])
