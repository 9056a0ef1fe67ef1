"""The package as a whole: imports, names, what stands where."""

import ast
import os
import pickle
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import spacy_bert_suite
from spacy_bert_suite.errors import CodedValueError, Errors, Warnings
from spacy_bert_suite.errors.coded import codes_of

ROOT = Path(spacy_bert_suite.__file__).parent

# Each room imports only from those below it. Within a level, rooms do not know each other; no
# task imports another.
LEVELS = [
    {"errors"},
    {"core"},
    {"backbone", "data", "vectors"},
    {"heads", "training"},
    {"tasks"},
    {"search", "clustering", "analysis", "render", "checkpoints"},
    {"cli"},
]
LEVEL = {room: i for i, rooms in enumerate(LEVELS) for room in rooms}
MODULES = [path for path in sorted(ROOT.rglob("*.py")) if path.parent != ROOT]


def parts_of(module: str) -> tuple[str, str | None]:
    """RETURNS (tuple[str, str | None]): Room of a module, and its task if it is of one."""
    room, *rest = module.split(".")
    return room, rest[0] if room == "tasks" and rest else None


def imports_of(path: Path):
    """YIELDS (str): What of the package a module imports, as modules or names in modules."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            within = package[: len(package) - node.level + 1]
            for alias in node.names:
                yield ".".join([*within, *filter(None, [node.module]), alias.name])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    room, task = parts_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    is_of_all_tasks = path.parent == ROOT / "tasks"
    for module in imports_of(path):
        other, other_task = parts_of(module)
        assert other == room or LEVEL[other] < LEVEL[room], f"{path} imports {module}"
        if room == "tasks" and other == "tasks" and not is_of_all_tasks:
            assert other_task == task, f"{path} imports {module}"


def test_every_room_has_a_level():
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(LEVEL)


def test_only_some_rooms_know_other_libraries():
    """The encoder knows torch alone; others are kept to the files that are made for them."""
    rules = {
        r"^\s*(from|import) (spacy|thinc)\b": lambda path: not path.startswith("backbone/encoder/"),
        r"^\s*(from|import) spacy_transformers\b": lambda path: path.startswith("backbone/trf_"),
        r"^\s*(from|import) qdrant_client\b": lambda path: path.startswith("search/qdrant/"),
    }
    for path in MODULES:
        name, source = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf8")
        for pattern, may in rules.items():
            assert may(name) or not re.search(pattern, source, re.MULTILINE), (name, pattern)


def test_modules_can_be_read_at_once():
    """No module is longer than about 300 lines, but for tables."""
    lengths = {path: len(path.read_text(encoding="utf8").splitlines()) for path in MODULES}
    assert {path for path, length in lengths.items() if length > 335} == set()


def test_public_names_can_be_imported():
    assert [*spacy_bert_suite.PUBLIC] == spacy_bert_suite.__all__
    for name in spacy_bert_suite.__all__:
        assert getattr(spacy_bert_suite, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'anything'"):
        spacy_bert_suite.anything  # noqa: B018


def run(code: str) -> str:
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize("module", ["spacy_bert_suite", "spacy_bert_suite.cli.main"])
def test_import_costs_and_prints_nothing(module):
    code = f"import sys, {module}; print({{'torch', 'spacy', 'transformers'}} & {{*sys.modules}})"
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
    for code in codes_of(table):
        message = getattr(table, code)
        assert message.startswith(f"[{code}] ") and message.endswith((".", "}")), code


@pytest.mark.parametrize("table", [Errors, Warnings])
def test_codes_are_of_one_catalogue_and_sorted(table):
    joined = [code for room in table.__bases__ for code in vars(room) if code.startswith("B")]
    assert sorted(joined) == codes_of(table)
    for room in table.__bases__:
        codes = [code for code in vars(room) if code.startswith("B")]
        assert codes == sorted(codes), room


def test_errors_know_their_codes():
    error = CodedValueError(Errors.B200.format(path="there"))
    assert isinstance(error, ValueError) and error.code == "B200"
    copied = pickle.loads(pickle.dumps(error))
    assert (copied.code, str(copied)) == ("B200", str(error))


def test_every_message_is_used():
    sources = "".join(path.read_text(encoding="utf8") for path in ROOT.rglob("*.py"))
    for table in (Errors, Warnings):
        for code in codes_of(table):
            assert sources.count(code) > 1, code


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
