"""`evaluate`: the scores of all components."""

import json
import re
from pathlib import Path

import pytest
import spacy
from click.testing import CliRunner
from conftest import LABELS, bert_model, make_examples
from spacy.cli.evaluate import evaluate as spacy_evaluate
from spacy.tokens import DocBin
from spacy.training import Corpus
from spacy.util import fix_random_seed

import spacy_bert_suite
from spacy_bert_suite.cli.evaluate import as_text, tables_of
from spacy_bert_suite.cli.main import cli
from spacy_bert_suite.tasks.convert import convert
from spacy_bert_suite.tasks.evaluation import evaluate, flat

PAIRS = [
    {"text1": "Anna works.", "text2": "Anna lives.", "label": "1", "score": 4},
    {"text1": "Ben met Carla.", "text2": "The bank is near.", "label": "0", "score": 0},
    {"text1": "The film was bad.", "text2": "It was awful.", "label": "1", "score": 5},
]
QUESTIONS = [
    {"context": "Anna works in Paris.", "question": "Who works?",
     "answers": {"text": ["Anna"], "answer_start": [0]}},
    {"context": "Ben met Carla.", "question": "Who is bad?", "answers": []},
]  # fmt: skip
SUMMARIES = [{"sentences": ["Anna works.", "The end."], "references": ["Anna works."]}]
TEXT = "Anna works in Paris. It is good.\n\nBen met Carla. The film was awful.\n\n" * 8
# Of the pair passes, as a user gets them: bert_pretrainer has a pipeline of its own.
HEADS = [*LABELS, "bert_similarity", "bert_paraphrase", "bert_qa", "bert_summarizer"]
SCORED = {"@losses": "spacy-bert-suite.CosineSimilarity.v1"}


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name, rows in {"pairs": PAIRS, "questions": QUESTIONS, "summaries": SUMMARIES}.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf8")
    (folder / "text.txt").write_text(TEXT, encoding="utf8")
    (folder / "questions.json").write_text(json.dumps({"data": [{"paragraphs": [
        {"context": row["context"], "qas": [
            {"question": row["question"], "answers": [], "is_impossible": True}]}
        for row in QUESTIONS]}]}))  # fmt: skip
    convert("pairs", folder / "pairs.jsonl", folder / "pairs.spacy", max_score=5)
    convert("qa", folder / "questions.jsonl", folder / "questions.spacy")
    convert("summaries", folder / "summaries.jsonl", folder / "summaries.spacy")
    docs = [eg.reference for eg in make_examples(spacy.blank("en"))]
    DocBin(docs=docs).to_disk(folder / "docs.spacy")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory, tiny_bert, data) -> Path:
    """A pipeline with every head but the pretrainer, not trained."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert, window=48)})
    for head in HEADS:
        config = {"loss": SCORED} if head == "bert_similarity" else {}
        pipe = nlp.add_pipe(head, config=config)
        for label in LABELS.get(head, []):
            pipe.add_label(label)
    examples = make_examples(nlp)
    for name in ("pairs", "questions", "summaries"):
        examples += Corpus(data / f"{name}.spacy")(nlp)
    nlp.initialize(lambda: examples)
    path = tmp_path_factory.mktemp("model") / "model"
    nlp.to_disk(path)
    return path


def test_scores_of_a_corpus(model, data, tmp_path):
    output = run("evaluate", model, data / "docs.spacy", "-o", tmp_path / "scores.json")
    for shown in ("TOK", "SPEED", "bert_ner: ents_per_type", "bert_sentiment", "labels_macro_f"):
        assert shown in output
    for without_gold in ("sentencizer", "bert_qa", "bert_similarity", "bert_summarizer"):
        assert without_gold not in output
    scores = json.loads((tmp_path / "scores.json").read_text(encoding="utf8"))
    assert re.search(rf"^ents_f +{scores['ents_f'] * 100:.2f}$", output, re.MULTILINE)
    run("evaluate", model, data / "docs.spacy", "-o", tmp_path / "scores.json", "-P")
    by_component = json.loads((tmp_path / "scores.json").read_text(encoding="utf8"))
    assert by_component["bert_ner"]["ents_f"] == scores["ents_f"]


@pytest.mark.parametrize(
    "file, task, shown",
    [
        ("pairs.jsonl", "similarity", "similarity_pearson"),
        ("pairs.spacy", "paraphrase", "paraphrase_acc"),
        ("questions.json", None, "qa_no_answer_acc"),
        ("questions.jsonl", "qa", "qa_f1"),
        ("summaries.jsonl", "bert_summarizer", "summary_rouge1"),
    ],
)
def test_scores_of_what_the_readers_take(file, task, shown, model, data):
    output = run("evaluate", model, data / file, *(["--task", task] if task else []))
    assert shown in output
    prefixes = {shown.partition("_")[0]} if task else {"qa"}
    found = {
        line.partition("_")[0] for line in output.splitlines() if re.match("[a-z]+_[a-z]", line)
    }
    assert found - {"sents"} == prefixes


def test_scores_are_those_of_spacy(model, data):
    """A raw file and a converted one have the same scores, and those are `spacy evaluate`'s."""
    expected = spacy_evaluate(str(model), data / "pairs.spacy")
    nlp = spacy.load(model)
    for file, task in (("pairs.spacy", None), ("pairs.jsonl", "paraphrase")):
        found = flat(evaluate(nlp, data / file, task=task))
        keys = [key for key in found if key.startswith("paraphrase")]
        assert {key: found[key] for key in keys} == {key: expected[key] for key in keys}
    assert "similarity_score" not in found
    assert nlp.pipe_names[-1] == "bert_summarizer"  # enabled again


def test_scores_of_pretraining(tiny_bert, data, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert, window=48)})
    nlp.add_pipe("bert_pretrainer")
    make_corpus = spacy_bert_suite.make_pretrain_corpus
    nlp.initialize(lambda: list(make_corpus(data / "text.txt", max_length=32, limit=8)(nlp)))
    nlp.to_disk(tmp_path / "model")
    output = run("evaluate", tmp_path / "model", data / "text.txt")
    assert re.search(r"mlm_loss +\d\.\d{4}$", output, re.MULTILINE)


@pytest.mark.parametrize(
    "code, args",
    [
        ("B200", ["nothing.spacy"]),
        ("B260", ["docs.spacy", "--task", "tagging"]),
        ("B267", ["pairs.jsonl", "--task", "ner"]),
        ("B268", ["pairs.jsonl"]),
        ("B269", ["text.txt"]),
        ("B270", ["text.txt", "--task", "pretrainer"]),
        ("B272", ["docs.spacy", "--task", "qa"]),
    ],
)
def test_what_is_wrong_is_told(code, args, model, data):
    assert f"[{code}]" in run("evaluate", model, data / args[0], *args[1:], code=1)


def test_no_such_pipeline(data, tmp_path):
    assert "[B214]" in run("evaluate", tmp_path / "none", data / "docs.spacy", code=1)


def test_numbers():
    assert as_text("ents_f", 0.5) == "50.00"
    assert as_text("mlm_loss", 2.5) == "2.5000"
    assert as_text("qa_f1", None) == "-"
    assert as_text("cats_score_desc", "macro F") == "macro F"
    auc = {"cats_auc_per_type": {"home": 0.75, "work": None}}
    tables = list(tables_of({"textcat": {"cats_score": 0.5, **auc}, "speed": 10.2}))
    assert tables[0] == ("Results", [("SPEED", "10")], ())
    title = "textcat: cats_auc_per_type"
    assert tables[2] == (title, [("home", "75.00"), ("work", "-")], ("", "AUC"))
