"""Loggers: ours, and those of spaCy and spacy-loggers under our loop."""

import io
import json
import math
import sys
from types import ModuleType, SimpleNamespace

import pytest
import tqdm
from spacy.util import registry
from training.runs import make_config, rows_of, run, run_spacy

from spacy_bert_suite.training.logging import meter
from spacy_bert_suite.training.logging.jsonl_log import JsonlLog
from spacy_bert_suite.training.logging.progress import hours

PROGRESS = {"@loggers": "spacy-bert-suite.ProgressLogger.v1"}


def read_rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def infos():
    """What a logger under test has been called with."""
    seen = []

    @registry.loggers("test_recorder.v1")
    def make_recorder():
        def setup(nlp, stdout=sys.stdout, stderr=sys.stderr):
            return lambda info: seen.append(info and dict(info)), lambda: seen.append("closed")

        return setup

    return seen


CHAIN = {
    "@loggers": "spacy.ChainLogger.v1",
    "logger1": {"@loggers": "test_recorder.v1"},
    "logger2": {**PROGRESS, "console_output": True},
    "logger3": {"@loggers": "spacy.LookupLogger.v1", "patterns": ["^score$"]},
}


@pytest.mark.parametrize("loop", [run, run_spacy], ids=["ours", "spacy"])
def test_rows(loop, tiny_bert, corpus, tmp_path, infos):
    """Means of losses, tokens and scores are those of spaCy's info; the rest is plausible."""
    file = tmp_path / "logs" / "rows.jsonl"
    chain = {**CHAIN, "logger2": {**PROGRESS, "output_file": str(file)}}
    config = make_config(tiny_bert, corpus, logger=chain, max_steps=6, eval_frequency=3)
    printed = rows_of(loop(config, tmp_path / "out"))
    rows, seen = read_rows(file), [info for info in infos if isinstance(info, dict)]
    assert [row["step"] for row in rows] == [0, 3, 6] and infos[-1] == "closed"
    assert len(infos) == 7 + 1 and infos[1] is infos[2] is None
    for row, info, n_updates, line in zip(rows, seen, (1, 3, 3), printed):
        assert row["words"] == info["words"] and row["score"] == info["score"]
        assert set(row["losses"]) == {"bert_textcat", "tagger"}
        for name, loss in row["losses"].items():
            assert loss == pytest.approx(info["losses"][name] / n_updates)
        assert row["scores"]["tag_acc"] == info["other_scores"]["tag_acc"]
        assert row["tokens_per_second"] > 0 and row["gradient_norm"] > 0 and row["n_skipped"] == 0
        cells = line.split()
        assert cells[:2] == [str(row["epoch"]), str(row["step"])]
        assert cells[2] == f"{row['losses']['bert_textcat']:.4f}"
        assert cells[-2] == "0" and cells[-4] == f"{row['learn_rate']:.2e}"
    # The rate is that of the step that was taken: warm-up over two steps, then down to step 20.
    assert [row["learn_rate"] for row in rows] == pytest.approx([0, 5e-3 * 17 / 18, 5e-3 * 14 / 18])
    assert rows[-1]["seconds_left"] == 0 and rows[0]["seconds_left"] > 0


def test_a_head_learns_from_its_own_batches_only(make_nlp, monkeypatch):
    """Two of three updates had gold: the mean is over these two. And the speed is that of
    updates: what evaluation takes does not count.
    """
    nlp = make_nlp("bert_textcat")
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(meter, "timer", lambda: clock.now)
    counted = meter.ThroughputMeter(nlp)
    shim = nlp.get_pipe("bert_textcat").model.shims[0]
    info = {"epoch": 0, "score": 0.5, "other_scores": {}, "seconds": 9}

    def update(n_steps, seconds):
        clock.now += seconds
        shim.report = meter_report(shim.report, n_steps)

    update(1, 100.0)
    first = counted.read({**info, "step": 0, "words": 10, "losses": {"bert_textcat": 3.0}})
    assert first.losses == {"bert_textcat": 3.0}
    for n_steps in (1, 0, 0):
        update(n_steps, 2.0)
        counted.count()
    update(1, 50.0)
    row = counted.read({**info, "step": 4, "words": 50, "losses": {"bert_textcat": 3.0}})
    assert row.losses == {"bert_textcat": 1.5}
    assert row.tokens_per_second == pytest.approx(10 / 2.0)
    assert row.n_skipped == 0


def meter_report(report, n_steps):
    from dataclasses import replace

    return replace(report, n_steps=report.n_steps + n_steps)


def test_resumed(tiny_bert, corpus, tmp_path):
    """A file of rows goes on: no row is lost, none is there twice, half a line is dropped."""
    file = tmp_path / "rows.jsonl"
    logger = {**PROGRESS, "output_file": str(file)}
    changes = {"logger": logger, "others": {}, "max_steps": 6, "eval_frequency": 2}
    config = make_config(tiny_bert, corpus, **changes)
    run(config, tmp_path / "ours", kill_at=5, checkpoint_every=3)
    assert [row["step"] for row in read_rows(file)] == [0, 2, 4]
    with file.open("a") as stream:
        stream.write('{"step": 6, "ep')
    run(config, tmp_path / "ours", resume=True)
    assert [row["step"] for row in read_rows(file)] == [0, 2, 4, 6]


def test_row_file_begins_anew(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"step": 0}\n[]\n{"step": 5}\n')
    JsonlLog(path).write({"step": 3})
    assert read_rows(path) == [{"step": 0}, {"step": 3}]
    JsonlLog(path).write({"step": 0})
    assert read_rows(path) == [{"step": 0}]


def test_row_file_is_json_for_any_reader(tmp_path):
    """Where a step was left out, norms and losses may be no numbers."""
    path = tmp_path / "rows.jsonl"
    path.write_text('{"step": 0, "gradient_norm": NaN}\n')
    losses = {"bert_ner": math.inf, "bert_textcat": 0.5}
    JsonlLog(path).write({"step": 1, "gradient_norm": math.nan, "losses": losses, "score": 0.25})
    rows = [json.loads(line, parse_constant=pytest.fail) for line in path.read_text().splitlines()]
    found = {"bert_ner": None, "bert_textcat": 0.5}
    assert rows == [
        {"step": 0, "gradient_norm": None},
        {"step": 1, "gradient_norm": None, "losses": found, "score": 0.25},
    ]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("kind", "total"), [("train", 4), ("eval", 2)])
def test_bar(kind, total, tiny_bert, corpus, monkeypatch):
    bars = []

    class Bar(tqdm.tqdm):
        def __init__(self, **kwargs):
            super().__init__(**{**kwargs, "file": Terminal()})
            bars.append(self)

    monkeypatch.setattr(tqdm, "tqdm", Bar)
    logger = {**PROGRESS, "progress_bar": kind}
    changes = {"logger": logger, "others": {}, "max_steps": 4, "eval_frequency": 2}
    run(make_config(tiny_bert, corpus, **changes), None)
    assert [bar.total for bar in bars] == [total] * 3
    assert [bar.n for bar in bars] == ([1, 3, 4] if kind == "train" else [1, 1, 0])


def test_bad_bar():
    with pytest.raises(ValueError, match="B176.*progress_bar"):
        registry.resolve({"logger": {**PROGRESS, "progress_bar": "all"}})


def test_mlflow(tiny_bert, corpus, tmp_path, monkeypatch):
    """spacy-loggers' own code, with a stand-in for the library that it calls."""
    calls = []
    mlflow = ModuleType("mlflow")
    for name in ("start_run", "log_metric", "log_metrics", "log_params", "log_artifact", "end_run"):
        setattr(mlflow, name, lambda *args, name=name, **kwargs: calls.append((name, args)))
    mlflow.spacy = SimpleNamespace(log_model=lambda nlp, name: calls.append((name, nlp.pipe_names)))
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    logger = {"@loggers": "spacy.MLflowLogger.v2", "experiment_id": "1", "run_name": "tiny"}
    changes = {"logger": logger, "others": {}, "max_steps": 2, "eval_frequency": 2}
    run(make_config(tiny_bert, corpus, **changes), tmp_path / "ours")
    names = [name for name, _ in calls]
    assert names[0] == "start_run" and names[-1] == "end_run"
    assert names.count("log_metric") == 2
    assert ("best", ["bert", "bert_textcat"]) in calls
    losses = [args[0] for name, args in calls if name == "log_metrics" and "loss_bert" in args[0]]
    assert len(losses) == 2 and all(loss["loss_bert_textcat"] > 0 for loss in losses)


def test_wandb(tiny_bert, corpus, tmp_path, monkeypatch):
    """As above, for Weights & Biases."""
    calls = []
    wandb = ModuleType("wandb")
    for name in ("log", "join", "log_artifact"):
        setattr(wandb, name, lambda *args, name=name, **kwargs: calls.append((name, args)))
    wandb.run = SimpleNamespace(id="7", name="")
    wandb.init = lambda **kwargs: calls.append(("init", kwargs)) or wandb.run

    class Artifact:
        def __init__(self, name, **kwargs):
            self.name = name

        def add_dir(self, path, name):
            calls.append(("add_dir", (path, name)))

    wandb.Artifact = Artifact
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    last = str(tmp_path / "ours" / "model-last")
    logger = {"@loggers": "spacy.WandbLogger.v5", "project_name": "tiny", "run_name": "one",
              "model_log_interval": 2, "log_latest_dir": last}  # fmt: skip
    changes = {"logger": logger, "others": {}, "max_steps": 2, "eval_frequency": 2}
    run(make_config(tiny_bert, corpus, **changes), tmp_path / "ours")
    assert calls[0][0] == "init" and calls[0][1]["config"]["training"]["max_steps"] == 2
    assert calls[-1][0] == "join" and wandb.run.name == "one"
    logged = [args[0] for name, args in calls if name == "log"]
    losses = [one["loss_bert_textcat"] for one in logged if "loss_bert_textcat" in one]
    assert len(losses) == 2 and all(loss > 0 for loss in losses)
    assert sum("score" in one for one in logged) == 2
    folders = [args for name, args in calls if name == "add_dir"]
    assert folders == [(last, "pipeline_7"), (last, "model_last")]


def test_hours():
    assert hours(59.6) == "0:01:00" and hours(3661) == "1:01:01" and hours(360000) == "100:00:00"
