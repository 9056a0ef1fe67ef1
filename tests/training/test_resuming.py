"""A run that is broken off and resumed ends as spaCy's own training does, bit for bit."""

import os
import signal
import subprocess
import sys
import time

import click.testing
import pytest
import spacy
import spacy.cli  # noqa: F401  (registers the commands with `app`)
import torch
import typer.testing
from conftest import bert_model
from spacy.cli._util import app as spacy_app
from training.runs import (
    OWN_TAGGER,
    PARSER,
    differing,
    make_config,
    rows_of,
    run,
    run_spacy,
    saved,
)

from spacy_bert_suite.cli.main import cli
from spacy_bert_suite.training import steps
from spacy_bert_suite.training.signals import stop_requests

STREAM = {"augmenter": {"@augmenters": "spacy.lower_case.v1", "level": 0.5}}
HELD = {"factory": "bert_similarity", "distillation": 1.0}
SENTENCIZER = {"sentencizer": {"factory": "sentencizer"}}

# Settings, and the updates at which the process dies: before any checkpoint, right after an
# evaluation, inside an epoch, at its end, and again soon after it went on.
CASES = {
    "plain": ({}, [0, 1, 4, 6]),
    "parts and averages": (
        {
            "accumulate_gradient": 2,
            "others": {"own_tagger": OWN_TAGGER, "parser": PARSER},
            "optimizer": {"@optimizers": "Adam.v1", "use_averages": True, "learn_rate": 1e-3},
            "patience": 5,
            "max_steps": 0,
        },
        [3, 6],
    ),
    "stream": (
        {
            "max_epochs": -1,
            "reader": STREAM,
            "heads": ["bert_ner", "bert_sentiment"],
            "others": SENTENCIZER,
            "sourced": ["trained_tagger"],
            "annotating_components": ["sentencizer", "bert", "bert_ner"],
        },
        [2, 5, 9],
    ),
    "vectors that are held": (
        {"heads": ["bert_ner"], "others": {"bert_similarity": HELD}, "max_steps": 14},
        [2, 6, 9],
    ),
    "features, whole epochs": (
        {"bert": {"trainable": False}, "max_steps": 0, "max_epochs": 3},
        [5, 7],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_ends_as_spacy_does(case, tiny_bert, corpus, trained_tagger, tmp_path):
    changes, kills = CASES[case]
    sourced = dict.fromkeys(changes.get("sourced", []), trained_tagger)
    changes = {**changes, "sourced": sourced}
    config = make_config(tiny_bert, corpus, **changes)
    printed = rows_of(run_spacy(config, tmp_path / "spacy"))
    ours, rows = tmp_path / "ours", []
    for i, step in enumerate(kills):
        rows += rows_of(run(config, ours, kill_at=step, resume=i > 0))
    rows += rows_of(run(config, ours, resume=True))
    assert differing(tmp_path / "spacy", ours) == []
    assert sorted({*rows}, key=lambda row: int(row.split()[1])) == printed


def test_without_a_backbone(tiny_bert, corpus, tmp_path):
    config = make_config(tiny_bert, corpus, heads=[], others={"own_tagger": OWN_TAGGER})
    config["nlp"]["pipeline"].remove("bert")
    del config["components"]["bert"]
    run_spacy(config, tmp_path / "spacy")
    run(config, tmp_path / "ours", kill_at=6)
    run(config, tmp_path / "ours", resume=True)
    assert differing(tmp_path / "spacy", tmp_path / "ours") == []


def test_killed_process(tiny_bert, corpus, tmp_path):
    """SIGKILL to a process of its own, wherever it may be after its second checkpoint."""
    config = make_config(tiny_bert, corpus, others={}, max_steps=200, eval_frequency=2)
    config.to_disk(tmp_path / "config.cfg")
    ours = tmp_path / "ours"
    command = [sys.executable, "-m", "spacy", "bert", "train", str(tmp_path / "config.cfg")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # as in this process
    process = subprocess.Popen(
        [*command, "--output", str(ours)], stdout=subprocess.DEVNULL, env=environment
    )
    wait_for(ours / "checkpoints" / "step-2", process)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = max(int(path.name[5:]) for path in (ours / "checkpoints").glob("step-*"))
    config["training"]["max_steps"] = reached + 3
    run(config, ours, resume=True)
    run_spacy(config, tmp_path / "spacy")
    names = [name for name in differing(tmp_path / "spacy", ours) if "config.cfg" not in name]
    assert names == []


@pytest.mark.gpu
def test_resumed_on_a_gpu(tiny_bert, corpus, tmp_path):
    """With averages, which lie beside the weights as the moments do."""
    adam = {"@optimizers": "Adam.v1", "use_averages": True, "learn_rate": 1e-3}
    bert = {"model": bert_model(tiny_bert, device="cuda")}
    config = make_config(tiny_bert, corpus, others={}, bert=bert, optimizer=adam)
    run(config, tmp_path / "ours", kill_at=6)
    run(config, tmp_path / "ours", resume=True)
    run(config, tmp_path / "whole")
    for name, whole in spacy.load(tmp_path / "whole" / "model-last").pipeline:
        ours = spacy.load(tmp_path / "ours" / "model-last").get_pipe(name)
        expected = whole.model.shims[0].module.state_dict()
        for key, value in ours.model.shims[0].module.state_dict().items():
            torch.testing.assert_close(value, expected[key], rtol=1e-3, atol=1e-4)


def wait_for(path, process):
    for _ in range(1200):
        if path.exists():
            return
        assert process.poll() is None
        time.sleep(0.1)
    raise TimeoutError(path)


@pytest.fixture
def handled():
    """Ctrl-C raises, also where the tests run in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop(handled, number, tiny_bert, corpus, tmp_path, monkeypatch):
    """The step is finished and a checkpoint written, though none is due."""
    config = make_config(tiny_bert, corpus, others={}, max_steps=4)
    before, update = signal.getsignal(number), steps.update

    def interrupted(run, state, *args):
        if state.step == 2:
            os.kill(os.getpid(), number)
        update(run, state, *args)

    monkeypatch.setattr(steps, "update", interrupted)
    with pytest.raises((KeyboardInterrupt, SystemExit)) as caught:
        run(config, tmp_path / "ours", printed=(lines := []))
    monkeypatch.setattr(steps, "update", update)
    assert getattr(caught.value, "code", None) == (143 if number == signal.SIGTERM else None)
    assert signal.getsignal(number) == before
    assert "Stopped after 3 updates" in lines[0]
    advice = " ".join(lines[0].split())  # of every command that trains, whatever its options
    assert "add --resume to the command" in advice and "--output" not in advice
    assert (tmp_path / "ours" / "checkpoints" / "step-2").is_dir()
    run(config, tmp_path / "ours", resume=True)
    run_spacy(config, tmp_path / "spacy")
    assert differing(tmp_path / "spacy", tmp_path / "ours") == []


def test_second_signal_breaks_off(handled):
    with pytest.raises(KeyboardInterrupt), stop_requests() as request:
        os.kill(os.getpid(), signal.SIGINT)
        assert request
        os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_that_is_ignored_stays_so(handled):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stop_requests() as request:
        os.kill(os.getpid(), signal.SIGINT)
        assert not request
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_run_that_has_ended(tiny_bert, corpus, tmp_path):
    """It is left alone; with more steps allowed it goes on."""
    config = make_config(tiny_bert, corpus, others={}, max_steps=2)
    run(config, tmp_path / "ours")
    before = saved(tmp_path / "ours")
    dates = {path: path.stat().st_mtime_ns for path in (tmp_path / "ours").rglob("*")}
    assert "Training has ended after step 2: nothing to do" in run(
        config, tmp_path / "ours", resume=True
    )
    assert saved(tmp_path / "ours") == before
    assert dates == {path: path.stat().st_mtime_ns for path in (tmp_path / "ours").rglob("*")}
    config["training"].update(max_steps=5, patience=100)
    assert "passing over" in run(config, tmp_path / "ours", resume=True)
    run_spacy(config, tmp_path / "spacy")
    assert differing(tmp_path / "spacy", tmp_path / "ours") == []


def test_whole_epochs_have_ended(tiny_bert, corpus, tmp_path):
    config = make_config(tiny_bert, corpus, others={}, max_steps=0, max_epochs=1)
    run(config, tmp_path / "ours")
    assert "nothing to do" in run(config, tmp_path / "ours", resume=True)
    config["training"]["max_epochs"] = 2
    run(config, tmp_path / "ours", resume=True)
    run_spacy(config, tmp_path / "spacy")
    assert differing(tmp_path / "spacy", tmp_path / "ours") == []


def test_resume_without_a_checkpoint(tiny_bert, corpus, tmp_path):
    config = make_config(tiny_bert, corpus, others={}, max_steps=1)
    assert "beginning anew" in run(config, tmp_path / "ours", resume=True)
    with pytest.raises(ValueError, match="B175"):
        run(config, None, resume=True)


def test_begun_anew_only_after_the_end(tiny_bert, corpus, tmp_path):
    config = make_config(tiny_bert, corpus, others={}, max_steps=3, eval_frequency=2)
    run(config, tmp_path / "ours", kill_at=3)
    with pytest.raises(ValueError, match=r"B171.*last update: 2"):
        run(config, tmp_path / "ours")
    run(config, tmp_path / "ours", resume=True)
    before = saved(tmp_path / "ours")
    run(config, tmp_path / "ours")
    assert saved(tmp_path / "ours") == before


def test_command(tiny_bert, corpus, tmp_path):
    """Options, overrides and lines are those of `spacy train`."""
    config = make_config(tiny_bert, corpus, others={})
    config.to_disk(tmp_path / "config.cfg")
    options = ["--training.max_steps", "3", "--training.eval_frequency=2"]
    printed = {}
    for name, app, runner in (("spacy", spacy_app, typer.testing), ("ours", cli, click.testing)):
        args = ["train", str(tmp_path / "config.cfg"), "-o", str(tmp_path / name), *options]
        result = runner.CliRunner().invoke(app, args)
        assert result.exit_code == 0, result.output
        printed[name] = result.output.replace(str(tmp_path / name), "")
    assert printed["ours"] == printed["spacy"]
    assert differing(tmp_path / "spacy", tmp_path / "ours") == []
    args = ["train", str(tmp_path / "config.cfg"), "--resume"]
    result = click.testing.CliRunner().invoke(cli, args)
    assert result.exit_code == 1 and "Error: [B175]" in result.output
