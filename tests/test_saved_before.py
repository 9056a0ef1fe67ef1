"""What was saved before the modules moved still loads, and gives the same.

`saved_before/files` was written by `saved_before/make.py` with the last commit of the old layout.
"""

import json
import shutil
from pathlib import Path

import pytest
import spacy
from saved_before.make import hits, outputs

from spacy_bert_suite.search import SemanticIndex

FILES = Path(__file__).parent / "saved_before" / "files"
EXPECTED = json.loads((FILES / "expected.json").read_text(encoding="utf8"))


def same(found, expected) -> bool:
    """RETURNS (bool): Whether plain values are equal, and numbers nearly so."""
    if isinstance(expected, float):
        return found == pytest.approx(expected, abs=1e-5)
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[k], expected[k]) for k in found)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return found == expected


def test_a_pipeline_with_every_component():
    nlp = spacy.load(FILES / "pipeline")
    found = outputs(nlp)
    for key, expected in EXPECTED["pipeline"].items():
        assert same(found[key], expected), key
    again = spacy.util.load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert same(outputs(again), EXPECTED["pipeline"])


def test_an_index(tmp_path):
    pytest.importorskip("bm25s")
    shutil.copytree(FILES / "index", tmp_path / "index")
    index = SemanticIndex.load(tmp_path / "index", spacy.load(FILES / "pipeline"))
    assert same(hits(index), EXPECTED["index"])
    index.delete(["bank"])
    assert len(index) == 2
