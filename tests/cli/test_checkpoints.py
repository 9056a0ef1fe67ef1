"""`python -m spacy bert import-checkpoint` and `export`."""

import pytest
import spacy
from click.testing import CliRunner
from safetensors import SafetensorError
from transformers import AutoModelForTokenClassification, PreTrainedModel

from spacy_bert_suite.cli.main import cli

NAMES = ["O", "B-PER", "I-PER"]


def run(*args):
    return CliRunner().invoke(cli, [str(arg) for arg in args])


def test_there_and_back(make_original, tmp_path):
    one = make_original("BertForTokenClassification", num_labels=3)
    two = make_original("BertForSequenceClassification", names=["POS", "NEG"], folder="two")
    target = tmp_path / "new" / "nlp"
    done = run("import-checkpoint", one, two, target, "--task", "ner", "--task", "sentiment",
               "--labels", "O, B-PER,I-PER", "--labels", "pos,neg", "--lang", "de")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "B939" in done.output and f"{two} -> bert_2 + bert_sentiment" in done.output
    nlp = spacy.load(target)
    assert nlp.lang == "de" and nlp.get_pipe("bert_ner").labels == ("PER",)
    assert nlp.get_pipe("bert_sentiment").labels == ("pos", "neg")
    done = run("export", target, "bert_ner", tmp_path / "out")
    assert done.exit_code == 0, done.output
    config = AutoModelForTokenClassification.from_pretrained(tmp_path / "out").config
    assert config.id2label == dict(enumerate(NAMES))


@pytest.mark.parametrize("error", [OSError(28, "No space left"), SafetensorError("No space left")])
def test_full_disk(error, make_original, tmp_path, monkeypatch):
    """A folder is written as a whole or not at all."""
    source = make_original("BertForTokenClassification", names=NAMES)
    assert run("import-checkpoint", source, tmp_path / "nlp").exit_code == 0
    before = sorted(tmp_path.iterdir())

    def full(*args, **kwargs):
        raise error

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", full)
    for args in (["import-checkpoint", source], ["export", tmp_path / "nlp", "bert_ner"]):
        done = run(*args, tmp_path / "new")
        assert done.exit_code == 1 and "[B234]" in done.output and "No space left" in done.output
        assert sorted(tmp_path.iterdir()) == before


def test_only_new_folders_are_written(make_original, tmp_path):
    source = make_original("BertForTokenClassification", names=NAMES)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    done = run("import-checkpoint", source, tmp_path / "full")
    assert done.exit_code == 1 and "[B232]" in done.output
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "args, status, message",
    [
        (["import-checkpoint", "none/at/all", "out"], 1, "B200"),
        (["import-checkpoint", "out"], 2, "at least one"),
        (["import-checkpoint", "a", "b", "c", "out", "--task", "ner", "--task", "qa"], 2, "of 3"),
        (["import-checkpoint", "a", "out", "--task", "nonsense"], 2, "nonsense"),
        (["export", "none", "bert_ner", "out"], 1, "B214"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(args, status, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*args)
    assert done.exit_code == status and message in done.output
    assert not list(tmp_path.iterdir())
