"""`init-config`: what it writes trains."""

import io
import json
import re
import shutil
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import spacy
from click.testing import CliRunner
from conftest import make_examples, write_tiny_bert
from spacy.cli.init_config import fill_config
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config

from spacy_bert_suite.backbone.weights.shape import Shape, read_shape
from spacy_bert_suite.cli.init_config import read_corpora
from spacy_bert_suite.cli.main import cli
from spacy_bert_suite.tasks.configs import task_configs
from spacy_bert_suite.tasks.convert import convert
from spacy_bert_suite.training.new_config.machine import SEVERAL, size_of
from spacy_bert_suite.training.new_config.task import PREFIX

FACTORIES = {entry.name.removeprefix(PREFIX) for entry in entry_points(group="spacy_factories")
             if entry.name.startswith(PREFIX)}  # fmt: skip
PROJECTS = Path(__file__).parents[2] / "projects"
PAIRS = [
    {"text1": "Anna works.", "text2": "Anna lives.", "label": "1", "score": 4},
    {"text1": "The film was bad.", "text2": "It was awful.", "label": "1", "score": 5},
    {"text1": "Ben met Carla.", "text2": "The bank is near.", "label": "0", "score": 0},
    {"text1": "Good music.", "text2": "The price is bad.", "label": "0", "score": 1},
] * 2
QUESTIONS = [
    {
        "context": "Anna works in Paris.",
        "question": "Who works?",
        "answers": {"text": ["Anna"], "answer_start": [0]},
    },
    {"context": "Ben met Carla.", "question": "Who is bad?", "answers": [], "is_impossible": True},
] * 4
SUMMARIES = [
    {"sentences": ["Anna works in Paris.", "It was good.", "Ben met Carla.", "The end."],
     "references": ["Anna works in Paris."]},
] * 4  # fmt: skip
TEXT = "Anna works in Paris. It is good.\n\nBen met Carla. The film was awful.\n\n" * 8


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args])
    assert result.exit_code == code, result.output
    return result.output


def write(path: Path, rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")


@pytest.fixture(scope="module")
def corpora(tmp_path_factory) -> Path:
    """A raw file and a .spacy file for each kind of gold."""
    folder = tmp_path_factory.mktemp("corpora")
    docs = [eg.reference for eg in make_examples(spacy.blank("en")) * 2]
    DocBin(docs=docs).to_disk(folder / "docs.spacy")
    write(folder / "pairs.jsonl", PAIRS)
    write(folder / "questions.jsonl", QUESTIONS)
    write(folder / "summaries.jsonl", SUMMARIES)
    (folder / "text.txt").write_text(TEXT, encoding="utf8")
    convert("pairs", folder / "pairs.jsonl", folder / "pairs.spacy", max_score=5)
    convert("qa", folder / "questions.jsonl", folder / "questions.spacy")
    convert("summaries", folder / "summaries.jsonl", folder / "summaries.spacy")
    return folder


@pytest.fixture
def config_of(tmp_path, tiny_bert):
    """Writes a config on the tiny BERT, and returns its path."""

    def write_config(tasks: str, *files: str, **options) -> Path:
        path = tmp_path / "config.cfg"
        given = [arg for file in files for arg in ("--train", file, "--dev", file)]
        options = {"weights": tiny_bert, "steps": 2, "epochs": 0, **options}
        more = [arg for key, value in options.items() for arg in (f"--{key}", value)]
        run("init-config", path, "--tasks", tasks, *given, *more)
        return path

    return write_config


def trained(path: Path):
    """Train by a config, as `spacy train` does, on the CPU."""
    config = load_config(path, interpolate=False)
    config["components"]["bert"]["model"].update(device="cpu", precision="fp32")
    config["training"]["logger"] = {"@loggers": "spacy.ConsoleLogger.v1", "progress_bar": False}
    if "checkpoint" in config["paths"]:
        config["paths"]["checkpoint"] = str(path.parent / "checkpoint")
    output = path.parent / "training"
    output.mkdir(exist_ok=True)
    train(init_nlp(config), output, stdout=io.StringIO())
    return spacy.load(output / "model-best")


def test_every_component_has_a_config():
    assert set(task_configs()) == FACTORIES


@pytest.mark.parametrize(
    "task, file",
    [
        ("ner", "docs.spacy"),
        ("textcat", "docs.spacy"),
        ("textcat_multilabel", "docs.spacy"),
        ("sentiment", "docs.spacy"),
        ("similarity", "pairs.jsonl"),
        ("similarity", "pairs.spacy"),
        ("paraphrase", "pairs.jsonl"),
        ("paraphrase", "pairs.spacy"),
        ("qa", "questions.jsonl"),
        ("qa", "questions.spacy"),
        ("summarizer", "summaries.jsonl"),
        ("summarizer", "summaries.spacy"),
        ("pretrainer", "text.txt"),
    ],
)
def test_what_is_written_is_whole_and_trains(task, file, config_of, corpora, tmp_path):
    if task == "textcat":
        docs = list(DocBin().from_disk(corpora / file).get_docs(spacy.blank("en").vocab))
        for doc in docs:
            doc.cats = {label: doc.cats[label] for label in ("home", "work")}
        corpora, file = tmp_path, "topics.spacy"
        DocBin(docs=docs).to_disk(tmp_path / file)
    path = config_of(task, corpora / file)
    before, after = fill_config(tmp_path / "filled.cfg", path, silent=True)
    assert before == after
    nlp = trained(path)
    assert f"bert_{task}" in nlp.pipe_names


def test_one_corpus_for_several_tasks(config_of, corpora):
    """Sentiments are not topics, too."""
    path = config_of("bert_ner,textcat,sentiment", corpora / "docs.spacy")
    config = load_config(path)
    assert config["corpora"]["train"]["@readers"] == "spacy.Corpus.v1"
    assert not config["corpora"]["train"]["gold_preproc"]  # it cuts texts at sentences
    assert config["training"]["optimizer"]["learn_rate"]["initial_rate"] == 1e-3
    assert config["components"]["bert"]["model"]["lr_scale"] == 0.2
    nlp = trained(path)
    assert nlp.get_pipe("bert_textcat").labels == ("home", "work")
    assert nlp.get_pipe("bert_sentiment").labels == ("negative", "positive")


def test_corpora_of_their_own(config_of, corpora):
    files = [corpora / "docs.spacy", f"qa={corpora / 'questions.jsonl'}",
             f"bert_paraphrase={corpora / 'pairs.jsonl'}",
             f"similarity={corpora / 'pairs.jsonl'}"]  # fmt: skip
    path = config_of("ner,similarity,paraphrase,qa", *files, steps=6)
    config = load_config(path, interpolate=True)
    keys = ["bert_ner", "bert_similarity+bert_paraphrase", "bert_qa"]
    for split in ("train", "dev"):
        assert list(config["corpora"][split]["corpora"]) == keys
    assert config["training"]["batcher"]["sizes"] == {"bert_qa": 16}
    assert config["corpora"]["dev"]["corpora"][keys[1]]["max_score"] == 5
    assert config["components"]["bert_similarity"]["loss"]["@losses"].endswith("CoSENT.v1")
    assert config["components"]["bert_similarity"]["distillation"] == 0  # only for "embedded"
    callbacks = config["training"]["before_to_disk"]["callbacks"]
    assert {name: Path(each["path"]).name for name, each in callbacks.items()} == {
        "bert_paraphrase": "pairs.jsonl",
        "bert_qa": "questions.jsonl",
    }
    assert trained(path).pipe_names[-4:] == [
        "bert_ner", "bert_similarity", "bert_paraphrase", "bert_qa",
    ]  # fmt: skip


def settings(path: Path) -> dict:
    config = load_config(path, interpolate=False)
    return {**config["components"]["bert_similarity"], **config["components"]["bert_paraphrase"]}


@pytest.mark.parametrize(
    "gold, loss, mode",
    [
        ([{"score": 0.5}, {"score": 1}], "CoSENT", "graded"),
        ([{"label": "1"}, {"label": "0"}], "MultipleNegativesRanking", "binary"),
        ([{"label": "paraphrase"}], "MultipleNegativesRanking", "binary"),
        ([{"label": x} for x in ("entailment", "neutral", "contradiction", "-")],
         "MultipleNegativesRanking", "classes"),
    ],
)  # fmt: skip
def test_pairs_decide_over_loss_and_mode(gold, loss, mode, config_of, tmp_path):
    write(tmp_path / "pairs.jsonl", [{"text1": "a", "text2": "b", **row} for row in gold])
    found = settings(config_of("similarity,paraphrase", tmp_path / "pairs.jsonl"))
    assert loss in found["loss"]["@losses"]
    assert found["mode"] == mode


def test_rates_follow_the_weights(config_of, corpora, tmp_path):
    def rates(width: int, heads: int, **options):
        shape = {"hidden_size": width, "num_attention_heads": heads, "num_hidden_layers": 1}
        weights = write_tiny_bert(tmp_path / str(width), intermediate_size=8, **shape)
        path = config_of("ner", corpora / "docs.spacy", weights=weights, **options)
        config = load_config(path)
        model, training = config["components"]["bert"]["model"], config["training"]
        path.unlink()
        return (
            *(training["optimizer"]["learn_rate"]["initial_rate"], model["lr_scale"]),
            *(model["layerwise_lr_decay"], model["max_batch_pieces"]),
            *(training["accumulate_gradient"], model["activation_checkpointing"]),
        )

    assert rates(384, 12) == (1e-3, 0.2, 1.0, 8192, 1, False)
    assert rates(768, 12) == (5e-5, 1.0, 1.0, 2048, 2, False)
    assert rates(768, 12, size="large") == (5e-5, 1.0, 1.0, 8192, 1, False)
    assert rates(1024, 16) == (2e-5, 1.0, 0.95, 2048, 4, True)
    assert rates(1024, 16, size="large") == (2e-5, 1.0, 0.95, 8192, 2, False)


@pytest.mark.parametrize("task", [*task_configs()])
@pytest.mark.parametrize(
    "size, file", [("small", "embedded"), ("base", "base"), ("large", "large")]
)
def test_rates_are_those_of_the_templates(task, size, file):
    path = PROJECTS / task / "configs" / f"{file}.cfg"
    if task == "textcat_multilabel":
        path = PROJECTS / "textcat" / "configs" / f"{file.replace('embedded', 'multilabel')}.cfg"
    if not path.is_file():
        pytest.skip("pretraining has no template for BERT-large")
    config = load_config(path)
    rate = config["training"]["optimizer"]["learn_rate"]["initial_rate"]
    assert task_configs()[task].rates[size] == (
        rate,
        config["components"]["bert"]["model"].get("lr_scale", 1),
    )


@pytest.mark.parametrize(
    "size, file", [("small", "embedded"), ("base", "base"), ("large", "large")]
)
def test_rates_of_several_are_those_of_the_template(size, file):
    config = load_config(PROJECTS / "multitask" / "configs" / f"{file}.cfg")
    rate = config["training"]["optimizer"]["learn_rate"]["initial_rate"]
    assert SEVERAL[size] == (rate, config["components"]["bert"]["model"]["lr_scale"])


@pytest.mark.parametrize(
    "name, size",
    [
        ("bert-base-cased", "base"),
        ("bert-large-uncased", "large"),
        ("prajjwal1/bert-mini", "small"),
        ("someone/anything", "base"),
    ],
)
def test_a_hub_id_that_is_not_here_tells_by_its_name(name, size):
    assert read_shape(name) is None
    assert size_of(name, None) == size


def test_shape_of_weights(tiny_bert, tmp_path):
    assert read_shape(tiny_bert) == Shape(width=16, n_layers=4, longest=64)
    assert read_shape("embedded") == Shape(width=384, n_layers=6, longest=512)
    with pytest.raises(FileNotFoundError, match="B003"):
        read_shape(str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="B004"):
        read_shape(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert", "hidden_size": "wide"}')
    with pytest.raises(ValueError, match="B006"):
        read_shape(str(tmp_path))


def test_comments_say_why(config_of, corpora):
    text = config_of("sentiment", corpora / "docs.spacy").read_text(encoding="utf8")
    assert text.startswith("# sentiment: written by")
    assert "python -m spacy train" in text
    commented = re.findall(r"(?:^#.*\n)+^(\S+)", text, re.MULTILINE)
    wanted = {"initial_rate", "lr_scale", "window", "size", "max_steps"}
    assert wanted | {"[training.score_weights]"} <= set(commented)


def test_a_section_stands_before_those_inside_it(config_of, corpora):
    text = config_of("ner", corpora / "docs.spacy").read_text(encoding="utf8")
    sections = re.findall(r"^\[(.+)\]$", text, re.MULTILINE)
    outer = [name for name in sections if "." not in name]
    assert outer == list(dict.fromkeys(name.partition(".")[0] for name in sections))
    assert outer[:5] == ["paths", "system", "nlp", "components", "corpora"]
    at = sections.index("components.bert_ner")
    assert sections[at + 1 : at + 3] == ["components.bert_ner.scorer", "components.bert_ner.model"]


def test_an_existing_config_is_kept(tmp_path, corpora, tiny_bert):
    path = tmp_path / "config.cfg"
    path.write_text("mine")
    file = corpora / "docs.spacy"
    args = ["init-config", path, "-t", "ner", "--train", file, "--dev", file, "-w", tiny_bert]
    assert "B271" in run(*args, code=1)
    assert path.read_text() == "mine"
    run(*args, "--force")
    assert "bert_ner" in path.read_text(encoding="utf8")


def test_a_config_for_the_console(corpora, tiny_bert):
    file = corpora / "docs.spacy"
    args = ["init-config", "-", "-t", "ner", "--train", file, "--dev", file, "-w", tiny_bert]
    result = CliRunner().invoke(cli, [str(arg) for arg in args])
    assert "learning rate" in result.stderr
    assert spacy.util.load_config_from_str(result.stdout)["nlp"]["pipeline"] == ["bert", "bert_ner"]


@pytest.mark.parametrize(
    "code, tasks, files",
    [
        ("B260", "ner,tagging", ["docs.spacy"]),
        ("B261", "ner", ["nothing.spacy"]),
        ("B261", "qa", ["nothing.jsonl"]),
        ("B262", "ner", ["pairs.jsonl"]),
        ("B263", "ner,qa", ["ner=docs.spacy"]),
        ("B264", "ner", ["docs.spacy", "qa=questions.jsonl"]),
        ("B265", "pretrainer,ner", ["docs.spacy"]),
        ("B266", "textcat,sentiment", ["moods.spacy"]),
        ("B065", "similarity", ["docs.spacy"]),
        ("B066", "paraphrase", ["summaries.jsonl"]),
    ],
)
def test_what_is_wrong_is_told(code, tasks, files, corpora, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(corpora, tmp_path, dirs_exist_ok=True)
    docs = list(DocBin().from_disk("docs.spacy").get_docs(spacy.blank("en").vocab))
    for doc in docs:
        doc.cats = {"positive": 1.0, "negative": 0.0}
    DocBin(docs=docs).to_disk("moods.spacy")
    given = [arg for file in files for arg in ("--train", file, "--dev", file)]
    assert f"[{code}]" in run("init-config", "config.cfg", "-t", tasks, *given, code=1)
    assert not (tmp_path / "config.cfg").exists()


def test_files_by_task(tmp_path):
    given = ["corpus/all.spacy", "qa=corpus/qa.jsonl", "bert_ner=a=b.spacy", "a/b=c.spacy"]
    assert read_corpora(given[:3]) == {
        "": Path("corpus/all.spacy"),
        "qa": Path("corpus/qa.jsonl"),
        "ner": Path("a=b.spacy"),
    }
    assert read_corpora(given[3:]) == {"": Path("a/b=c.spacy")}
    output = run("init-config", "-", "-t", "ner", "--train", "a", "--train", "b", "--dev", "c",
                 code=2)  # fmt: skip
    assert "already" in output
