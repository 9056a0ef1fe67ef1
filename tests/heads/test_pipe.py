"""HeadPipe, and what LabelledPipe and PairPipe add: without a model behind them."""

import pytest
import spacy
import torch
from spacy.training import Example
from thinc.api import Model

from spacy_bert_suite import make_pair_example
from spacy_bert_suite.backbone.listener import BertListener
from spacy_bert_suite.backbone.passes.pairs import PairEncoder
from spacy_bert_suite.data.multitask import stamped
from spacy_bert_suite.heads.labelled import LabelledPipe, check_label, check_list
from spacy_bert_suite.heads.pair_pipe import PairPipe, as_pairs, as_texts
from spacy_bert_suite.heads.pipe import HeadPipe, loss_and_gradients


class Pipe(HeadPipe):
    """Gold is a text that is not blank."""

    def has_annotation(self, eg):
        return bool(eg.text.strip())


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("en")


def make(nlp, kind=Pipe, layers=(), **settings):
    return kind(nlp.vocab, Model("model", None, layers=[*layers]), "pipe", **settings)


def examples(nlp, *texts):
    return [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in texts]


def test_the_constructor_keeps_settings_and_names_the_layers(nlp):
    layers = [BertListener("bert"), PairEncoder("bert")]
    pipe = make(nlp, layers=layers, key=7)
    assert pipe.cfg == {"key": 7} and pipe.name == "pipe" and pipe.scorer is None
    assert {layer.component_name for layer in layers} == {"pipe"}
    assert pipe.labels == () and pipe.label_data is None
    assert make(nlp, labels=["a"]).label_data == ["a"]


def test_score_takes_the_examples_with_gold_that_are_for_it(nlp):
    calls = []

    def scorer(found, **settings):
        calls.append(([eg.text for eg in found], settings))
        return {"score": 1.0}

    pipe = make(nlp, scorer=scorer, key=7)
    given = [*examples(nlp, "a", " "), stamped(examples(nlp, "b")[0], "other")]
    assert pipe.score(iter(given), more=1) == {"score": 1.0}
    assert calls == [(["a"], {"key": 7, "more": 1})]
    assert pipe.score(given[1:]) == {} and len(calls) == 1
    assert make(nlp).score(given) == {}


def test_select_examples_is_all_or_none(nlp):
    pipe = make(nlp)
    given = examples(nlp, "a", " ")
    assert pipe.select_examples(given) == given
    assert pipe.select_examples(given[1:]) == []


def test_loss_and_gradients_of_what_has_one():
    x, y, z = torch.ones(2, requires_grad=True), torch.ones(2), torch.ones(2, requires_grad=True)
    loss, (dX, dY, dZ) = loss_and_gradients((3 * x + y).sum(), [x, y, z])
    assert loss == 8.0 and dX.tolist() == [3.0, 3.0]
    assert dY is None and dZ is None


@pytest.mark.parametrize("label", ["", None, 3])
def test_a_label_is_a_string(label):
    with pytest.raises(ValueError, match="B054.*pipe"):
        check_label(label, "pipe")


def test_labels_are_no_string():
    check_list(["a"], "pipe")
    with pytest.raises(ValueError, match="labels.*a list of strings"):
        check_list("abc", "pipe")


def test_labelled_scores_with_labels(nlp):
    class Labelled(LabelledPipe):
        def has_annotation(self, eg):
            return True

    pipe = make(nlp, Labelled, scorer=lambda found, **settings: settings, key=7)
    pipe._set_labels(["b", "a"])
    assert pipe.score(examples(nlp, "x")) == {"labels": ("b", "a"), "key": 7}


def test_pairs_of_use(nlp):
    class Pairs(PairPipe):
        needs = "score"

    pipe = make(nlp, Pairs, labels=[])
    scored = make_pair_example(nlp, ["a", "b"], score=0.5)
    plain = make_pair_example(nlp, ["a", "b", "c"])
    given = [scored, plain, stamped(scored, "other"), *examples(nlp, "alone")]
    assert [(text, pair.score) for text, pair in pipe.select_examples(given)] == [("a", 0.5)]
    assert len(pipe.collect_pairs(lambda: given)) == 2
    pipe.needs = "negative"
    assert [pair.others for _, pair in pipe.select_examples(given)] == [["b", "c"]]
    pipe.set_labels(["yes", "no", "yes"])
    labelled = pipe.pair_of(make_pair_example(nlp, ["a", "b"], label="no"))
    assert pipe.labels == ("yes", "no") and pipe.class_of(labelled) == 1
    with pytest.raises(ValueError, match="B068.*maybe"):
        pipe.class_of(pipe.pair_of(make_pair_example(nlp, ["a", "b"], label="maybe")))


def test_texts_and_pairs_of_texts(nlp):
    doc = nlp.make_doc("Anna works")
    assert as_texts(["a", doc, doc[:1]], "pipe") == ["a", "Anna works", "Anna"]
    assert as_pairs([("a", doc), ["b", "c"]], "pipe") == [("a", "Anna works"), ("b", "c")]
    with pytest.raises(ValueError, match="B074.*number 1.*NoneType"):
        as_texts(["a", None], "pipe")
    with pytest.raises(ValueError, match="B075"):
        as_pairs(["ab"], "pipe")
