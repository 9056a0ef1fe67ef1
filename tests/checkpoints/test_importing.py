"""Pipelines made of checkpoints: they are saved, trained further, and as before after an error."""

import shutil

import pytest
import spacy
from conftest import make_examples
from spacy import util
from spacy.language import DEFAULT_CONFIG_PATH
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Config

from spacy_bert_suite.checkpoints import import_checkpoint

from .originals import change_config, entities_of

TAGGER, QA = "BertForTokenClassification", "BertForQuestionAnswering"
NAMES = ["I-LOC", "B-PER", "O", "I-PER", "B-LOC"]
TEXT = "anna works in paris near the bank of london"


def test_saved_pipelines_need_no_original(make_original, tmp_path):
    path = make_original(TAGGER, names=NAMES)
    nlp = import_checkpoint(path, lang="de")
    assert nlp.lang == "de" and nlp.pipe_names == ["bert", "bert_ner"]
    expected = entities_of(nlp(TEXT))
    nlp.to_disk(tmp_path / "nlp")
    shutil.rmtree(path)
    again = spacy.load(tmp_path / "nlp")
    assert expected and entities_of(again(TEXT)) == expected
    assert again.meta["bert_checkpoints"] == [
        {
            "source": str(path),
            "revision": None,
            "architecture": TAGGER,
            "backbone": "bert",
            "component": "bert_ner",
        }
    ]
    assert again.evaluate(make_examples(again))["ents_f"] is not None


def test_training_goes_on(make_original, tmp_path):
    """`spacy train` with the components sourced from the imported pipeline."""
    nlp = import_checkpoint(make_original(TAGGER, names=NAMES, initializer_range=0.1))
    nlp.to_disk(tmp_path / "nlp")
    examples = make_examples(nlp)
    corpus = tmp_path / "train.spacy"
    DocBin(docs=[eg.reference for eg in examples]).to_disk(corpus)
    config = Config().from_str(f"""
    [nlp]
    lang = "en"
    pipeline = ["bert", "bert_ner"]
    [components]
    [components.bert]
    source = "{tmp_path / "nlp"}"
    [components.bert_ner]
    source = "{tmp_path / "nlp"}"
    [corpora]
    [corpora.train]
    @readers = "spacy.Corpus.v1"
    path = "{corpus}"
    [corpora.dev]
    @readers = "spacy.Corpus.v1"
    path = "{corpus}"
    [training]
    max_steps = 3
    eval_frequency = 3
    [training.optimizer]
    @optimizers = "Adam.v1"
    learn_rate = 0.0005
    """)
    trained = init_nlp(util.load_config(DEFAULT_CONFIG_PATH).merge(config), use_gpu=-1)
    before = trained.get_pipe("bert_ner").to_bytes()
    assert before == spacy.load(tmp_path / "nlp").get_pipe("bert_ner").to_bytes()
    (tmp_path / "out").mkdir()
    train(trained, tmp_path / "out", use_gpu=-1)
    last = spacy.load(tmp_path / "out" / "model-last")
    assert last.get_pipe("bert_ner").to_bytes() != before
    assert last.get_pipe("bert_ner").scheme == "bio"


def test_a_failure_leaves_the_pipeline_as_it_was(make_original, monkeypatch):
    nlp = import_checkpoint(make_original(TAGGER, names=NAMES))
    bad = make_original("BertForSequenceClassification", names=["a", "b"], folder="bad")
    with pytest.warns(UserWarning, match="B939"), pytest.raises(ValueError, match="B055"):
        import_checkpoint(bad, task="sentiment", nlp=nlp)
    assert nlp.pipe_names == ["bert", "bert_ner"]
    assert len(nlp.meta["bert_checkpoints"]) == 1 and nlp(TEXT)


def test_plain_encoders(tiny_bert, make_original):
    assert import_checkpoint(tiny_bert).pipe_names == ["bert"]
    nlp = import_checkpoint(make_original(QA), task="bert")
    assert nlp.pipe_names == ["bert"] and nlp.get_pipe("bert").model.get_dim("nO") == 16


def test_unknown_encoders_may_be_a_backbone(make_original):
    path = make_original("MobileBertForTokenClassification", names=NAMES, true_hidden_size=16,
                         intra_bottleneck_size=16, embedding_size=16)  # fmt: skip
    with pytest.raises(ValueError, match="B222.*mobilebert"):
        import_checkpoint(path)
    assert import_checkpoint(path, task="bert").pipe_names == ["bert"]


def test_a_head_that_the_config_does_not_name(make_original):
    path = make_original(TAGGER, names=NAMES)
    change_config(path, architectures=None)
    with pytest.warns(UserWarning, match="B940.*'classifier'"):
        assert import_checkpoint(path).pipe_names == ["bert"]
    assert import_checkpoint(path, task="ner").pipe_names == ["bert", "bert_ner"]
