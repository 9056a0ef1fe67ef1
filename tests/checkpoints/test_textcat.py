"""Categories and sentiment from sequence classifiers, and as such."""

import numpy
import pytest
import spacy
import torch
from conftest import make_examples
from transformers import pipeline

from spacy_bert_suite.checkpoints import export_checkpoint, import_checkpoint

from .originals import change_config, logits_of, open_original

AUTO = "AutoModelForSequenceClassification"
KIND = "BertForSequenceClassification"
NAMES = ["sport", "arts", "money"]
TEXTS = ["anna works in paris near the bank", "", "Ben!", "x" * 1000, "a goal, a match"]
OTHERS = {
    "RobertaForSequenceClassification": {"max_position_embeddings": 66},
    "DistilBertForSequenceClassification": {
        "dim": 16,
        "n_layers": 2,
        "n_heads": 2,
        "hidden_dim": 8,
    },
    "ElectraForSequenceClassification": {"embedding_size": 8},
    "MPNetForSequenceClassification": {"max_position_embeddings": 66, "pad_token_id": 0},
    "DebertaV2ForSequenceClassification": {"relative_attention": True, "pos_att_type": ["p2c"]},
}


@pytest.mark.parametrize("kind", [KIND, *OTHERS])
def test_categories_equal_the_original(make_original, kind, tmp_path):
    path = make_original(kind, names=NAMES, **OTHERS.get(kind, {}))
    nlp = import_checkpoint(path)
    assert nlp.pipe_names == ["bert", "bert_textcat"]
    assert nlp.get_pipe("bert_textcat").labels == tuple(NAMES)
    exported = export_checkpoint(nlp, "bert_textcat", tmp_path / "exported")
    for doc in nlp.pipe(TEXTS):
        logits = logits_of(path, AUTO, doc.text).logits[0]
        found = [doc.cats[name] for name in NAMES]
        expected = logits.softmax(0) if doc.text.strip() else torch.zeros(len(NAMES))
        assert numpy.allclose(found, expected, atol=1e-5)
        assert torch.allclose(logits_of(exported, AUTO, doc.text).logits[0], logits, atol=1e-5)
    if kind != KIND:
        return
    model, tokenizer = open_original(exported, AUTO)
    theirs = pipeline("text-classification", model, tokenizer=tokenizer, device="cpu")
    doc = nlp(TEXTS[0])
    (best,) = theirs(TEXTS[0])
    assert [best["label"]] == doc._.labels
    assert best["score"] == pytest.approx(max(doc.cats.values()), abs=1e-5)


def test_several_labels_at_once(make_original, tmp_path):
    problem = {"problem_type": "multi_label_classification"}
    path = make_original(KIND, names=NAMES, **problem)
    nlp = import_checkpoint(path)
    pipe = nlp.get_pipe("bert_textcat_multilabel")
    doc = nlp(TEXTS[0])
    expected = logits_of(path, AUTO, doc.text).logits[0].sigmoid()
    assert numpy.allclose([doc.cats[name] for name in NAMES], expected, atol=1e-5)
    pipe.cfg["thresholds"] = {"arts": 0.25}
    exported = export_checkpoint(nlp, pipe.name, tmp_path / "exported")
    config = open_original(exported, AUTO)[0].config
    assert config.problem_type == "multi_label_classification"
    assert config.label2id == {"sport": 0, "arts": 1, "money": 2}
    again = import_checkpoint(exported)
    assert again.get_pipe(pipe.name).cfg["thresholds"] == {"arts": 0.25}
    assert again(TEXTS[0]).cats == pytest.approx(doc.cats, abs=1e-5)
    one = make_original(KIND, names=["spam"], folder="one")
    cats = import_checkpoint(one, task="textcat_multilabel")("Ben!").cats
    assert cats["spam"] == pytest.approx(logits_of(one, AUTO, "Ben!").logits.sigmoid().item())


def test_several_labels_are_no_pair(make_original):
    """Whatever they are called: the classes of a pair exclude one another."""
    names = ["entailment", "contradiction", "other"]
    path = make_original(KIND, names=names, problem_type="multi_label_classification")
    cats = import_checkpoint(path)("anna met ben").cats
    expected = logits_of(path, AUTO, "anna met ben").logits[0].sigmoid()
    assert numpy.allclose([cats[name] for name in names], expected, atol=1e-5)
    with pytest.raises(ValueError, match="B236"):
        import_checkpoint(path, task="pair")


def test_activations_of_deberta(make_original, tmp_path):
    """Its config says what follows the dense layer."""
    path = make_original("DebertaV2ForSequenceClassification", names=NAMES,
                         pooler_hidden_act="tanh", pooler_hidden_size=16)  # fmt: skip
    nlp = import_checkpoint(path)
    exported = export_checkpoint(nlp, "bert_textcat", tmp_path / "exported")
    expected = logits_of(path, AUTO, "anna met ben").logits[0]
    found = [nlp("anna met ben").cats[name] for name in NAMES]
    assert numpy.allclose(found, expected.softmax(0), atol=1e-5)
    assert torch.allclose(logits_of(exported, AUTO, "anna met ben").logits[0], expected, atol=1e-5)
    change_config(path, pooler_hidden_act="silu")
    with pytest.raises(ValueError, match="B222.*silu"):
        import_checkpoint(path)


def test_sentiment(make_original, tmp_path):
    names = ["POSITIVE", "NEUTRAL", "NEGATIVE"]
    path = make_original(KIND, names=names)
    nlp = import_checkpoint(path, task="sentiment")
    doc = nlp(TEXTS[0])
    positive, _, negative = logits_of(path, AUTO, doc.text).logits[0].softmax(0).tolist()
    assert doc._.sentiment["probabilities"]["POSITIVE"] == pytest.approx(positive, abs=1e-5)
    assert doc.sentiment == pytest.approx(positive - negative, abs=1e-5)
    nlp.get_pipe("bert_sentiment").cfg["polarity"]["NEUTRAL"] = 0.25
    export_checkpoint(nlp, "bert_sentiment", tmp_path / "exported")
    again = import_checkpoint(tmp_path / "exported").get_pipe("bert_sentiment")
    assert again.cfg["polarity"] == {"POSITIVE": 1.0, "NEUTRAL": 0.25, "NEGATIVE": -1.0}
    with pytest.raises(ValueError, match="B055"):
        import_checkpoint(make_original(KIND, names=NAMES, folder="b"), task="sentiment")


def test_long_texts(make_original):
    """The first window holds what transformers keeps of a text that it cuts."""
    path = make_original(KIND, names=NAMES)
    text = "anna works in paris. " * 30
    model, tokenizer = open_original(path, AUTO)
    with torch.no_grad():
        cut = model(**tokenizer(text, truncation=True, max_length=64, return_tensors="pt"))
    first = {"model": {"long_documents": "first"}}
    cats = import_checkpoint(path, config=first)(text).cats
    assert numpy.allclose(list(cats.values()), cut.logits[0].softmax(0), atol=1e-5)
    assert list(import_checkpoint(path)(text).cats.values()) != pytest.approx(list(cats.values()))


@pytest.mark.parametrize(
    "names, options, code",
    [
        (["LABEL_0", "LABEL_1"], {}, "B224"),
        (NAMES, {"labels": ["a"]}, "B225"),
        (NAMES, {"labels": ["a", "b", "b"]}, "B226"),
        (NAMES, {"task": "ner"}, "B230"),
        (NAMES, {"task": "nonsense"}, "B022"),
        (NAMES, {"lang": "zz"}, "B212"),
        (["one"], {"task": "textcat"}, "B052"),
    ],
)
def test_what_is_wrong_is_told(make_original, names, options, code):
    with pytest.raises(ValueError, match=code):
        import_checkpoint(make_original(KIND, names=names), **options)


@pytest.mark.parametrize("task", [None, "textcat", "textcat_multilabel", "sentiment", "pair"])
def test_several_numbers_are_no_classes(make_original, task):
    path = make_original(KIND, names=NAMES, problem_type="regression")
    with pytest.raises(ValueError, match="B233.*3 numbers"):
        import_checkpoint(path, task=task)
    assert import_checkpoint(path, task="bert").pipe_names == ["bert"]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_what_has_no_exact_form_is_refused(make_nlp, tmp_path, pooling):
    model = {"@architectures": "spacy-bert-suite.TextClassifier.v1", "pooling": pooling}
    nlp = make_nlp("bert_textcat", bert_textcat={"model": model})
    with pytest.raises(ValueError, match='B229.*pooling = "pooler"'):
        export_checkpoint(nlp, "bert_textcat", tmp_path / "exported")


def test_pooler_begins_as_the_backbones_and_learns(make_nlp, optimizer, tmp_path):
    model = {"@architectures": "spacy-bert-suite.TextClassifier.v1", "pooling": "pooler"}
    nlp = make_nlp("bert_textcat", bert_textcat={"model": model})
    head = nlp.get_pipe("bert_textcat").model.shims[0].module
    pooler = nlp.get_pipe("bert").model.shims[0].module.transformer.pooler
    assert torch.equal(head.pooler[0].weight, pooler.dense.weight)
    examples = make_examples(nlp)
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)
    assert not torch.equal(head.pooler[0].weight, pooler.dense.weight)
    exported = export_checkpoint(nlp, "bert_textcat", tmp_path / "exported")
    doc = nlp("anna met ben")
    expected = logits_of(exported, AUTO, doc.text).logits[0].softmax(0)
    assert numpy.allclose(list(doc.cats.values()), expected, atol=1e-5)
    nlp.to_disk(tmp_path / "nlp")
    assert spacy.load(tmp_path / "nlp")("anna met ben").cats == pytest.approx(doc.cats)
    wrong = {**model, "activation": "Sine"}
    with pytest.raises(ValueError, match="B022"):
        nlp.add_pipe("bert_textcat", "other", config={"model": wrong})


def test_sentences_go_through_the_pooler_too(make_nlp):
    model = {"@architectures": "spacy-bert-suite.TextClassifier.v1", "pooling": "pooler"}
    model["sentences"] = True
    nlp = make_nlp("bert_sentiment", bert_sentiment={"model": model})
    doc = nlp("anna met ben. the film was bad.")
    values = [sent._.sentiment["polarity"] for sent in doc.sents]
    assert len(values) == 2 and values[0] != values[1]
