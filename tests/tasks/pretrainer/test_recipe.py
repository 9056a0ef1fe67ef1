"""The commands `pretrain` and `fill-mask`."""

import io
import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import spacy
import torch
from click.testing import CliRunner
from spacy.cli.train import train
from spacy.util import load_model_from_config
from tasks.pretrainer.corpora import make_documents, write_text
from thinc.api import Config
from training.runs import differing, rows_of
from training.runs import run as train_in_parts
from transformers import AutoModel, BertForPreTraining

from spacy_bert_suite.cli.main import cli
from spacy_bert_suite.tasks.pretrainer import recipe
from spacy_bert_suite.tasks.pretrainer.recipe import Recipe, make_config


def run(*arguments):
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def trained(tiny_bert, tmp_path_factory):
    """Folder of a short run, and what it printed."""
    folder = tmp_path_factory.mktemp("run")
    path = write_text(folder / "a.txt.gz", make_documents(30))
    options = ["--max-length", 32, "--steps", 20, "--eval-every", 10, "--batch-size", 8]
    code, output = run("pretrain", path, folder / "out", "--model", tiny_bert, *options,
                       "--dev", path, "--dev-instances", 16, "--learn-rate", 5e-4,
                       "--device", "cpu", "--precision", "fp32")  # fmt: skip
    assert code == 0, output
    return folder / "out", output


def test_pretrain_writes_a_pipeline_and_a_checkpoint(trained):
    out, printed = trained
    names = {path.name for path in out.iterdir()}
    assert {"config.cfg", "model-best", "model-last", "checkpoint"} <= names
    assert str(out / "checkpoint") in printed
    best = spacy.load(out / "model-best")
    model, report = BertForPreTraining.from_pretrained(out / "checkpoint", output_loading_info=True)
    assert not report["missing_keys"]
    state = best.get_pipe("bert").model.shims[0].module.transformer.state_dict()
    theirs = model.bert.state_dict()
    assert all((state[name] == theirs[name]).all() for name in state)
    assert json.loads((out / "model-best" / "meta.json").read_text())["performance"]["mlm_loss"] > 0


def test_a_refused_run_leaves_the_config(trained, tiny_bert, tmp_path):
    """That of a run which can go on is not overwritten by one that must not begin."""
    ours = tmp_path / "out"
    shutil.copytree(trained[0], ours)
    path = write_text(tmp_path / "a.txt", make_documents(30))
    newest = max((ours / "checkpoints").iterdir(), key=lambda folder: int(folder.name[5:]))
    (newest / "end.json").unlink()
    before = (ours / "config.cfg").read_text()
    options = ["--model", tiny_bert, "--max-length", 32, "--steps", 2, "--device", "cpu"]
    for option, error in ((), "B171"), (["--resume"], "B172"):
        code, printed = run("pretrain", path, ours, *options, *option)
        assert code == 1 and error in printed
        assert (ours / "config.cfg").read_text() == before


def test_a_run_that_has_ended(trained, tiny_bert, tmp_path, monkeypatch):
    """It is not made longer; what is said to do instead works."""
    stdout = io.StringIO()
    monkeypatch.setattr(recipe, "train", partial(recipe.train, stdout=stdout))
    out = Path(shutil.copytree(trained[0], tmp_path / "out"))
    path = trained[0].parent / "a.txt.gz"
    shared = ["--max-length", 32, "--eval-every", 10, "--batch-size", 8, "--dev", path,
              "--dev-instances", 16, "--device", "cpu", "--precision", "fp32"]  # fmt: skip
    same = [*shared, "--model", tiny_bert, "--learn-rate", 5e-4]
    code, printed = run("pretrain", path, out, *same, "--steps", 20, "--resume")
    advice = " ".join(stdout.getvalue().split())
    assert code == 0 and "nothing to do" in advice
    assert "To train on, begin another run: --model" in advice and "max_steps" not in advice
    code, printed = run("pretrain", path, out, *same, "--steps", 22, "--resume")
    assert code == 1 and "B172" in printed and "--model OUTPUT/checkpoint" in printed
    more = tmp_path / "more"
    code, printed = run("pretrain", path, more, *shared, "--model", out / "checkpoint",
                        "--steps", 1, "--learn-rate", 1e-9)  # fmt: skip
    assert code == 0, printed
    heads = [
        spacy.load(folder / "model-best").get_pipe("bert_pretrainer").model.shims[0].module
        for folder in (out, more)
    ]
    for one, two in zip(*(head.parameters() for head in heads)):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=0)


@pytest.mark.parametrize("workers, kills", [(0, [2, 6]), (1, [6])])
def test_killed_and_resumed(workers, kills, tiny_bert, tmp_path):
    """The same weights, byte for byte: texts come in the order of their pass, with the masks of the
    step. There are three passes, and the process dies inside of the first and the second.
    """
    path = write_text(tmp_path / "a.txt", make_documents(8))
    asked = Recipe([path], tiny_bert, max_length=32, batch_size=8, steps=8, eval_every=4,
                   learn_rate=1e-3, dev=path, dev_instances=4, workers=workers, device="cpu",
                   precision="fp32")  # fmt: skip
    config = load_model_from_config(make_config(asked), auto_fill=True).config
    printed = rows_of(train_in_parts(config, tmp_path / "whole"))
    assert [row.split()[:2] for row in printed] == [["0", "0"], ["1", "4"], ["2", "8"]]
    for i, step in enumerate(kills):
        train_in_parts(config, tmp_path / "ours", kill_at=step, resume=i > 0)
    train_in_parts(config, tmp_path / "ours", resume=True)
    assert differing(tmp_path / "whole", tmp_path / "ours") == []


def test_spacy_train_takes_over(trained, tmp_path):
    out, _ = trained
    overrides = {"training.max_steps": 2, "training.eval_frequency": 2}
    train(out / "config.cfg", tmp_path / "again", overrides=overrides)
    assert spacy.load(tmp_path / "again" / "model-best").pipe_names == ["bert", "bert_pretrainer"]


def test_two_processes_write_what_one_does(still_bert, tmp_path, english):
    path = write_text(tmp_path / "a.txt", make_documents(20))
    options = ["--model", still_bert, "--max-length", 32, "--steps", 4, "--eval-every", 2,
               "--batch-size", 8, "--dev", path, "--dev-instances", 8, "--device", "cpu",
               "--precision", "fp32", "--learn-rate", 1e-3]  # fmt: skip
    assert run("pretrain", path, tmp_path / "one", *options)[0] == 0
    command = [sys.executable, "-m", "spacy_bert_suite", "pretrain", path, tmp_path / "two"]
    command += [*options, "--processes", 2]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    assert str(tmp_path / "two" / "checkpoint") in done.stdout
    one, two = (
        BertForPreTraining.from_pretrained(tmp_path / name / "checkpoint").state_dict()
        for name in ("one", "two")
    )
    start = AutoModel.from_pretrained(still_bert).state_dict()
    word = "embeddings.word_embeddings.weight"
    assert not torch.allclose(one[f"bert.{word}"], start[word], atol=1e-4)
    for name, value in one.items():
        assert torch.allclose(two[name], value, atol=1e-4), name


def test_fill_mask(trained, tmp_path):
    out, _ = trained
    code, lines = run("fill-mask", out / "checkpoint", "the [MASK]", "[MASK] met [MASK]",
                      "--top-k", 2)  # fmt: skip
    rows = [line.split("\t") for line in lines.splitlines()]
    assert code == 0 and len(rows) == 6 and all(0 <= float(row[1]) <= 1 for row in rows)
    expected = spacy.load(out / "model-best").get_pipe("bert_pretrainer").fill_mask("the [MASK]", 2)
    assert [row[0] for row in rows[:2]] == [fill.token for fill in expected]
    code, printed = run("fill-mask", out / "model-best", "the [MASK]", "-o", tmp_path / "a" / "b")
    assert code == 0 and len((tmp_path / "a" / "b").read_text().splitlines()) == 5


def test_bad_input_of_commands(trained, tmp_path, tiny_bert):
    out, _ = trained
    assert "B159" in run("fill-mask", out / "checkpoint", "the")[1]
    assert "B214" in run("fill-mask", tmp_path / "nothing", "the [MASK]")[1]
    assert "B158" in run("fill-mask", tiny_bert, "the [MASK]")[1]
    spacy.blank("en").to_disk(tmp_path / "blank")
    assert "B162" in run("fill-mask", tmp_path / "blank", "the [MASK]")[1]
    assert "B200" in run("pretrain", tmp_path / "none.txt", tmp_path / "out")[1]
    assert run("pretrain", tmp_path / "none.txt")[0] == 2
    assert not (tmp_path / "out").exists()
    for name in ("text.txt", "out"):
        (tmp_path / name).write_text("A line.\nAnother one.\n", encoding="utf8")
    model = ["--model", tiny_bert, "--max-length", 32]
    assert "B177" in run("pretrain", *model, tmp_path / "text.txt", tmp_path / "out")[1]


@pytest.mark.parametrize("place", ["texts", "texts/out", "dev/a/out"])
def test_the_output_is_never_read_as_text(place, tmp_path):
    """Its vocab.txt would be in the corpus, which then is another one when the run goes on."""
    for name in ("texts", "dev"):
        (tmp_path / name).mkdir()
        write_text(tmp_path / name / "a.txt", make_documents(3))
    paths = tmp_path / "texts", tmp_path / place
    code, printed = run("pretrain", *paths, "--dev", tmp_path / "dev")
    assert code == 2 and "OUTPUT lies in the text" in printed
    files = sorted(path.name for path in tmp_path.rglob("*"))
    assert files == ["a.txt", "a.txt", "dev", "texts"]


@pytest.mark.parametrize(
    "option, value",
    [
        ("--steps", 0),
        ("--steps", -1),
        ("--batch-size", 0),
        ("--batch-size", -1),
        ("--accumulate", 0),
        ("--learn-rate", 0),
        ("--learn-rate", -1e-4),
        ("--warmup", -0.1),
        ("--warmup", 1.5),
        ("--eval-every", 0),
        ("--dev-instances", -1),
        ("--workers", -1),
        ("--seed", -1),
    ],
)
def test_options_out_of_range(option, value, tmp_path):
    path = write_text(tmp_path / "a.txt", make_documents(3))
    code, printed = run("pretrain", path, tmp_path / "out", f"{option}={value}")
    assert code == 2 and option in printed
    assert not (tmp_path / "out").exists()


def test_interrupted(tiny_bert, tmp_path, monkeypatch):
    """Ctrl-C ends it as a shell expects."""
    path = write_text(tmp_path / "a.txt", make_documents(30))

    def interrupted(config, output, resume):
        raise KeyboardInterrupt

    monkeypatch.setattr(recipe, "pretrain", interrupted)
    code, printed = run("pretrain", path, tmp_path / "out", "--model", tiny_bert)
    assert code == 130 and "Aborted" not in printed


def test_config_says_what_was_asked(tmp_path, tiny_bert):
    path = write_text(tmp_path / "a.txt", make_documents(3))
    asked = Recipe([path], tiny_bert, objective="mlm", steps=200, learn_rate=3e-4, warmup=0.25,
                    batch_size=7, accumulate=2, seed=5, workers=3, whole_words=False)  # fmt: skip
    config = Config().from_str(make_config(asked).to_str())
    rate = config["training"]["optimizer"]["learn_rate"]
    assert rate["initial_rate"] == 3e-4 and rate["warmup_steps"] == 50
    assert config["training"]["batcher"]["size"] == 7
    assert config["corpora"]["train"]["workers"] == 3
    assert config["corpora"]["train"]["objective"] == config["corpora"]["dev"]["objective"] == "mlm"
    assert config["corpora"]["dev"]["path"] == [str(path)] and config["corpora"]["dev"]["fixed"]
    assert not config["components"]["bert_pretrainer"]["whole_words"]
    assert config["components"]["bert"]["model"]["name"] == str(Path(tiny_bert).resolve())
