"""The reader of articles with summaries."""

import gzip
import json

import pytest
import spacy
from click.testing import CliRunner
from conftest import bert_model
from spacy.training import Corpus

from spacy_bert_suite.cli.main import cli
from spacy_bert_suite.tasks.convert import convert
from spacy_bert_suite.tasks.summarizer.corpus import make_summary_corpus
from spacy_bert_suite.tasks.summarizer.gold import REFERENCES, gold_labels
from spacy_bert_suite.tasks.summarizer.scorer import score_summaries

TEXT = "Anna met Ben in Oslo. The film was bad. Carla works at the bank."


def write(path, *records):
    lines = "\n".join(json.dumps(record) for record in records)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(lines.encode()))
    else:
        path.write_text(lines, encoding="utf8")
    return path


def read(path, **settings):
    return list(make_summary_corpus(path, **settings)(spacy.blank("en")))


@pytest.mark.parametrize("text", ["document", "text", "article"])
@pytest.mark.parametrize("summary", ["references", "summary", "highlights", "target"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_documents(tmp_path, text, summary, name):
    path = write(tmp_path / name, {text: TEXT, summary: "Carla works. Anna met Ben."})
    (eg,) = read(path)
    assert eg.predicted.text == eg.reference.text == TEXT
    gold = [span.text for span in eg.reference.spans["summary"]]
    assert gold == ["Anna met Ben in Oslo.", "Carla works at the bank."]
    assert eg.reference.user_data[REFERENCES] == ["Carla works. Anna met Ben."]
    assert "summary" not in eg.predicted.spans
    assert gold_labels(eg, "summary").tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("field", ["sentences", "source"])
def test_given_sentences_are_boundaries(tmp_path, field):
    sentences = ["Anna met Ben. In Oslo", "  ", "and it was good.\n"]
    path = write(tmp_path / "a.jsonl", {field: sentences, "references": ["Anna met Ben"]})
    (eg,) = read(path)
    for doc in (eg.predicted, eg.reference):
        assert [sent.text for sent in doc.sents] == ["Anna met Ben. In Oslo", "and it was good."]
    assert gold_labels(eg, "summary").tolist() == [1.0, 0.0]


def test_limits_and_key(tmp_path):
    record = {"document": TEXT, "references": "Carla works. Anna met Ben."}
    path = write(tmp_path / "a.jsonl", record, record, record)
    found = read(path, limit=2, max_sentences=1, spans_key="gist")
    assert len(found) == 2
    assert all(len(eg.reference.spans["gist"]) == 1 for eg in found)


def test_gold_sentences_on_other_boundaries(tmp_path):
    path = write(tmp_path / "a.jsonl", {"document": TEXT, "references": "The film was bad."})
    (eg,) = read(path)
    for token in eg.predicted:
        token.is_sent_start = token.i in (0, 3)  # "Anna met Ben", and the rest
    assert gold_labels(eg, "summary").tolist() == [0.0, 0.0]
    for token in eg.predicted:
        token.is_sent_start = token.text in ("Anna", "Oslo", "Carla")
    assert gold_labels(eg, "summary").tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    "record, field",
    [({"references": ["a"]}, "document"), ({"document": " ", "references": ["a"]}, "document"),
     ({"document": 5, "references": ["a"]}, "document"), ({"document": "a"}, "references"),
     ({"document": "a", "references": []}, "references"),
     ({"document": "a", "references": [1]}, "references"),
     ({"document": "a", "summary": ""}, "summary"),
     ({"sentences": [], "summary": "a"}, "sentences"),
     ({"sentences": ["", " "], "summary": "a"}, "sentences"),
     ({"sentences": "a", "summary": "a"}, "sentences"),
     ({"sentences": ["a", 1], "summary": "a"}, "sentences")],
)  # fmt: skip
def test_malformed_records_are_named(tmp_path, record, field):
    good = {"document": "a", "references": ["a"]}
    with pytest.raises(ValueError, match=f"B204.*line 2: '{field}'"):
        read(write(tmp_path / "a.jsonl", good, record))


def test_missing_file(tmp_path):
    with pytest.raises(ValueError, match="B200"):
        read(tmp_path / "none.jsonl")


def test_surrogates_and_no_shared_word(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"document": "\\ud800 a.", "summary": "z"}', encoding="utf8")
    (eg,) = read(path)
    assert len(eg.reference.spans["summary"]) == 0
    assert eg.reference.text == "\ufffd a."


def test_score_against_the_best_reference(tmp_path):
    from spacy_bert_suite.core.attributes import register_attributes

    register_attributes("bert_summarizer", ["doc.summary"])
    path = write(tmp_path / "a.jsonl", {"document": TEXT, "references": ["x y", "the film was"]})
    (eg,) = read(path)
    assert score_summaries([eg])["summary_rouge1"] == 0.0
    eg.predicted._.summary = "The film was bad."
    scores = score_summaries([eg])
    assert scores["summary_rouge1"] == scores["summary_rougeL"] == pytest.approx(6 / 7)
    assert scores["summary_rouge2"] == pytest.approx(4 / 5)
    del eg.reference.user_data[REFERENCES]
    assert score_summaries([eg])["summary_rouge1"] == 1.0  # against the gold sentences
    del eg.reference.spans["summary"]
    assert score_summaries([eg]) == {}


def test_converted_corpora_hold_the_gold(tmp_path):
    record = {"document": TEXT, "references": ["Carla works.", "The film was awful."]}
    source = write(tmp_path / "dev.jsonl.gz", record, record)
    assert convert("summaries", source, tmp_path / "corpus" / "dev.spacy") == 2
    for eg in Corpus(tmp_path / "corpus" / "dev.spacy")(spacy.blank("en")):
        assert list(eg.reference.user_data[REFERENCES]) == record["references"]
        assert [span.text for span in eg.reference.spans["summary"]] == ["The film was bad."]
        assert gold_labels(eg, "summary").tolist() == [0.0, 1.0, 0.0]
    with pytest.raises(ValueError, match="B201"):
        convert("summaries", write(tmp_path / "empty.jsonl"), tmp_path / "a.spacy")


def test_command_line(tmp_path, tiny_bert):
    folder = tmp_path / "summarization" / "news"
    folder.mkdir(parents=True)
    write(folder / "dev.jsonl", {"document": TEXT, "summary": "Carla works."})
    target = str(tmp_path / "dev.spacy")
    command = ["convert", "summaries", str(tmp_path), target, "--split", "dev"]
    done = CliRunner().invoke(cli, [*command, "--dataset", "summarization/news"])
    assert done.exit_code == 0 and done.output.startswith("1 texts")
    done = CliRunner().invoke(cli, [*command, "--dataset", "none"])
    assert done.exit_code == 1 and "B207" in done.output

    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    nlp.add_pipe("bert_summarizer", config={"n_sentences": 1})
    nlp.initialize()
    nlp.to_disk(tmp_path / "nlp")
    (tmp_path / "texts.txt").write_text(f"{TEXT}\n\nBen met Anna.\n", encoding="utf8")
    paths = [str(tmp_path / name) for name in ("nlp", "texts.txt", "out/summaries.txt")]
    done = CliRunner().invoke(cli, ["summarize", *paths, "--lines"])
    assert done.exit_code == 0, done.output
    written = (tmp_path / "out" / "summaries.txt").read_text(encoding="utf8").splitlines()
    assert f"{written[0]} " in f"{TEXT} " and written[1:] == ["", "Ben met Anna."]
