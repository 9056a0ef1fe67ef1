"""Private names of other libraries: each is used in one file, and a release that drops one fails
here and says which.
"""

import importlib
import inspect
import re
from pathlib import Path

import pytest
import torch

import spacy_bert_suite

ROOT = Path(spacy_bert_suite.__file__).parent
# Name, where it is found, and the one file that uses it.
PRIVATE = [
    ("_link_components", "spacy.language:Language", "core/pipelines.py"),
    ("_is_in_bad_fork", "torch.cuda", "backbone/fork_safety.py"),
    ("_version", "torch:Tensor", "backbone/cache/features.py"),
    ("_model", "thinc.shims:Shim", "core/torch_shim.py"),
    ("_util import app", "spacy.cli._util", "cli/plugin.py"),
    ("_util import import_code", "spacy.cli._util", "cli/train.py"),
    ("_util import setup_gpu", "spacy.cli._util", "cli/train.py"),
    ("_raise_exceptions_for_gated_repo", "", "tasks/similarity/sentence_bert.py"),
]


@pytest.mark.parametrize("name, place, file", PRIVATE)
def test_private_name_is_there_and_used_once(name, place, file):
    using = [
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if re.search(rf"(?<![\w]){re.escape(name)}\b", path.read_text(encoding="utf8"))
    ]
    assert using == [file]
    module, _, owner = place.partition(":")
    if module:
        found = importlib.import_module(module)
        found = getattr(found, owner) if owner else found
        attribute = name.split()[-1]
        assert hasattr(found, attribute) or attribute in inspect.getsource(found), name


def test_arguments_of_cached_file():
    from transformers.utils.hub import cached_file, cached_files

    source = inspect.getsource(cached_file) + inspect.getsource(cached_files)
    for name in ("missing_entries", "connection_errors", "gated_repo"):
        assert f"_raise_exceptions_for_{name}" in source


def test_version_of_a_tensor_counts_its_changes():
    weights = torch.zeros(2)
    before = weights._version
    weights.add_(1)
    assert weights._version > before
