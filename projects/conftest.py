"""Run the workflows of the templates in a copy, as a user would: offline, by the command line."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

OFFLINE = {"HF_HUB_OFFLINE": "1"}
ONE_PROCESS = Path(__file__).parent / "one_process.py"
MADE = ("corpus", "training", "metrics", "packages", "output", "project.lock", "test_*.py")


@pytest.fixture
def run_project(tmp_path) -> Callable[..., Path]:
    """Copies a template, runs one of its workflows and returns the copy.

    as_user (bool): Start every command as a process of its own, as users do; else all of them
        share one, which is several times faster.
    """

    def run(name: str, workflow: str, *, as_user: bool = False, **variables) -> Path:
        root = tmp_path / name
        if not root.exists():
            template = Path(__file__).parent / name
            shutil.copytree(template, root, ignore=shutil.ignore_patterns(*MADE))
        args = [arg for key, value in variables.items() for arg in (f"--vars.{key}", str(value))]
        spacy_project = ["-m", "spacy", "project"] if as_user else [str(ONE_PROCESS)]
        command = [sys.executable, *spacy_project, "run", workflow, ".", *args]
        done = subprocess.run(
            command, cwd=root, env={**os.environ, **OFFLINE}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return root

    return run


@pytest.fixture
def template() -> Path:
    return Path(__file__).parent
