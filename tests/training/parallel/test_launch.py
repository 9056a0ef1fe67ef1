"""The launcher: all processes end together."""

import os
import signal
import time
from contextlib import nullcontext

import pytest
from click.testing import CliRunner

from spacy_bert_suite.cli.main import cli
from spacy_bert_suite.cli.pretrain import pretrain
from spacy_bert_suite.cli.train import train
from spacy_bert_suite.errors import Errors
from spacy_bert_suite.training.parallel.launch import is_launched, launch

FAILS = """
import os, sys, time
if os.environ["RANK"] == "1":
    sys.exit(3)
time.sleep(100)
"""
INTERRUPTED = """
import os, signal, sys, time
open(sys.argv[1] + os.environ["RANK"], "w").close()
if os.environ["RANK"] == "0":
    os.kill(os.getppid(), signal.SIGINT)
time.sleep(100)
"""


def test_one_that_fails_ends_all():
    started = time.time()
    with pytest.raises(ValueError, match="B181.*Process 1 of 2 .* code 3"):
        launch(2, ["-c", FAILS])
    assert time.time() - started < 60


def test_an_interruption_ends_all(tmp_path):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        launch(2, ["-c", INTERRUPTED, str(tmp_path / "started")])
    assert signal.getsignal(signal.SIGINT) is handler
    assert len(list(tmp_path.iterdir())) >= 1


def test_is_launched(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert not is_launched()
    monkeypatch.setitem(os.environ, "RANK", "0")
    monkeypatch.setitem(os.environ, "WORLD_SIZE", "1")
    assert not is_launched()
    monkeypatch.setitem(os.environ, "WORLD_SIZE", "2")
    assert is_launched()


def test_messages_name_a_way_out():
    assert "--resume" in Errors.B181 and "--processes" in Errors.B182


def test_the_command_hands_on_what_it_was_given(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(
        "spacy_bert_suite.training.parallel.launch.launch", lambda *args: calls.append(args)
    )
    config = tmp_path / "config.cfg"
    arguments = ["train", str(config), "--processes", "3", "-o", "out", "--resume", "--keep", "5",
                 "--training.max_steps", "7"]  # fmt: skip
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    (n_processes, found), = calls  # fmt: skip
    assert n_processes == 3
    assert found[:4] == ["-m", "spacy_bert_suite", "train", str(config)]
    context = train.make_context("train", found[3:])
    assert context.params["output"].name == "out"
    assert context.params["resume"] and context.params["keep"] == 5
    assert context.params["processes"] == 1
    assert context.args == ["--training.max_steps", "7"]


def test_pretraining_hands_on_what_it_was_given(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(
        "spacy_bert_suite.training.parallel.launch.launch", lambda *args: calls.append(args)
    )
    arguments = [
        "pretrain",
        "a.txt",
        "b.txt",
        "out",
        "--processes",
        "2",
        "--pieces",
        "--steps",
        "9",
    ]
    CliRunner().invoke(cli, arguments, catch_exceptions=False)
    (n_processes, found), = calls  # fmt: skip
    assert n_processes == 2 and found[:3] == ["-m", "spacy_bert_suite", "pretrain"]
    params = pretrain.make_context("pretrain", found[3:]).params
    assert [path.name for path in params["paths"]] == ["a.txt", "b.txt", "out"]
    assert not params["whole_words"] and params["steps"] == 9 and not params["resume"]
    assert params["dev"] is None and params["processes"] == 1


def test_one_of_many_does_not_launch(monkeypatch, tmp_path):
    """Also not with --processes given to torchrun's own."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    seen = []
    monkeypatch.setattr("spacy_bert_suite.cli.train.work_together", nullcontext)
    monkeypatch.setattr("spacy_bert_suite.cli.train.train_config", lambda *a, **k: seen.append(a))
    CliRunner().invoke(cli, ["train", "x.cfg", "--processes", "2"], catch_exceptions=False)
    assert len(seen) == 1
