"""The package as a whole: imports, names, what stands where."""

import ast
import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import spacy_bert_suite
from spacy_bert_suite.attributes import ATTRIBUTES
from spacy_bert_suite.errors import Errors, Warnings

ROOT = Path(spacy_bert_suite.__file__).parent

# Who may import whom: each part only from those named. Anything may import errors, settings and
# unicode.
MAY_IMPORT = {
    "errors": set(),
    "compat": set(),
    "unicode": set(),
    "attributes": set(),
    "readers": set(),
    "records": set(),
    "biluo": set(),
    "callbacks": set(),
    "decoding": {"biluo"},
    "crf": {"biluo"},
    "training_length": set(),
    "matrix": {"vectors"},
    "settings": set(),
    "neighbors": {"matrix"},
    "vectors": set(),
    "pairs": {"records"},
    "pair_scores": {"pairs", "vectors"},
    "losses": set(),
    "pair_training": set(),
    "pair_pipe": {"heads", "pairs", "readers"},
    "folders": set(),
    "pipelines": set(),
    "backbone": {"backbone", "attributes", "compat", "folders"},
    "schemes": {"biluo", "decoding"},
    "sentences": set(),
    "pooling": {"backbone", "sentences"},
    "layers": {"backbone", "pooling", "schemes"},
    "embedding": {"backbone", "layers", "pooling"},
    "sentence_settings": {"backbone", "embedding"},
    "distillation": {"backbone", "embedding", "pair_training", "parallel"},
    "cross_encoder": {"backbone", "layers", "pooling"},
    "heads": {"backbone", "attributes", "parallel", "readers"},
    "summarization": {"backbone", "layers", "pooling", "records", "sentences"},
    "questions": {"records"},
    "pretraining": {"backbone", "records", "parallel", "pipelines", "training", "folders"},
    "components": {
        *("backbone", "attributes", "readers", "layers", "pooling", "heads", "vectors"),
        *("biluo", "crf", "decoding"),
        "pairs",
        *(
            "pair_pipe",
            "pair_scores",
            "pair_training",
            "losses",
            "distillation",
            "embedding",
            "sentence_settings",
            "cross_encoder",
            "summarization",
            "sentences",
        ),
        *("questions", "answers", "extraction", "squad", "pretraining", "parallel", "schemes"),
    },
    "checkpoints": {
        *("backbone", "biluo", "layers", "pairs", "questions", "schemes"),
    },
    "vocabulary": {"pretraining"},
    "new_backbone": {"backbone", "folders", "records", "vocabulary"},
    "input_embeddings": {"backbone"},
    "pairwise": {"backbone", "matrix"},
    "mining": {"matrix", "pairwise"},
    "isotropy": {"attributes", "matrix", "sentences"},
    "clustering": {"attributes", "matrix", "pairwise"},
    "search": {"folders", "neighbors", "records", "vectors"},
    "parallel": set(),
    "schedules": set(),
    "unfreezing": {"backbone"},
    "training": {"backbone", "folders", "parallel"},
}


def part_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0].removesuffix(".py")


def imports_of(path: Path):
    """Parts of the package that a module imports."""
    depth = len(path.relative_to(ROOT).parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            inner = node.level < depth
            module = (node.module or "").split(".")[0]
            if inner:
                yield part_of(path), module
            elif module:
                yield module, None
            else:
                yield from ((alias.name, None) for alias in node.names)


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_go_one_way(part):
    files = [ROOT / f"{part}.py"] if (ROOT / f"{part}.py").exists() else (ROOT / part).glob("*.py")
    for path in files:
        for imported, sibling in imports_of(path):
            allowed = MAY_IMPORT[part] | {"errors", "settings", "unicode"}
            assert imported in allowed or imported == part, f"{path}: {imported}"
            if part == "components":
                assert sibling is None, f"{path} imports the component {sibling}"


def run(code: str) -> str:
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    return done.stdout + done.stderr


def test_import_costs_and_prints_nothing():
    code = (
        "import sys, spacy_bert_suite; print({'torch', 'spacy', 'transformers'} & {*sys.modules})"
    )
    assert run(code).strip() == "set()"


def test_entry_points_can_be_loaded():
    found = [
        point
        for group in ("spacy_factories", "spacy_architectures", "spacy_readers", "spacy_batchers",
                      "spacy_scorers", "spacy_callbacks")
        for point in entry_points(group=group)
        if point.value.startswith("spacy_bert_suite.")
    ]  # fmt: skip
    assert len(found) >= 14
    assert all(callable(point.load()) for point in found)


@pytest.mark.parametrize("table", [Errors, Warnings])
def test_messages_have_codes(table):
    codes = [name for name in vars(table) if not name.startswith("__")]
    assert codes == sorted(codes)
    for code in codes:
        message = getattr(table, code)
        assert message.startswith(f"[{code}] ") and message.endswith((".", "}")), code


def test_every_message_is_used():
    sources = "".join(path.read_text(encoding="utf8") for path in ROOT.rglob("*.py"))
    for table in (Errors, Warnings):
        for code in [name for name in vars(table) if not name.startswith("__")]:
            assert sources.count(code) > 1, code


def test_attributes_name_their_owner():
    assert all(
        key.split(".")[0] == owner.__name__.lower() for key, (owner, _) in ATTRIBUTES.items()
    )


def test_no_pickle_and_no_remote_code():
    forbidden = (
        r"import pickle",
        r"(?<!safetensors\.)\btorch\.(load|save)\(",
        r"trust_remote_code(?!\": False)",
        r"set_extension\([^)]*force",
    )
    for path in ROOT.rglob("*.py"):
        source = path.read_text(encoding="utf8")
        for pattern in forbidden:
            assert not re.search(pattern, source), f"{path}: {pattern}"
