import pytest
import spacy
import torch
from conftest import bert_model, make_examples
from spacy.training import Example

from spacy_bert_suite.data.polarity import polarity_of


@pytest.mark.parametrize(
    "label, expected",
    [("positive", 1), ("NEG", -1), ("Neutral", 0), ("1 star", -1), ("4_stars", 0.5), ("5", 1),
     ("very positive", 1), ("sports", None), ("6", None)],
)  # fmt: skip
def test_polarity_of_names(label, expected):
    assert polarity_of(label) == expected


def start(tiny_bert, cats, **settings):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    pipe = nlp.add_pipe("bert_sentiment")
    gold = {"cats": dict.fromkeys(cats, 0.5)}
    examples = [Example.from_dict(nlp.make_doc("Anna works"), gold)]
    nlp.config["initialize"]["components"]["bert_sentiment"] = settings
    nlp.initialize(lambda: examples)
    return nlp, pipe


def test_stars(tiny_bert):
    _, pipe = start(tiny_bert, ["1", "2", "3", "4", "5"])
    assert pipe.cfg["polarity"] == {"1": -1, "2": -0.5, "3": 0, "4": 0.5, "5": 1}


def test_five_classes(tiny_bert):
    _, pipe = start(tiny_bert, ["very_negative", "negative", "positive", "very_positive"])
    assert list(pipe.cfg["polarity"].values()) == [-0.5, 0.5, -1.0, 1.0]


def test_other_categories_are_left_alone(tiny_bert):
    _, pipe = start(tiny_bert, ["sport", "positive", "negative"])
    assert pipe.labels == ("negative", "positive")


def test_own_names_need_a_polarity(tiny_bert):
    _, pipe = start(tiny_bert, ["boo", "yay"], polarity={"boo": -1.0, "yay": 0.8})
    assert pipe.cfg["polarity"] == {"boo": -1.0, "yay": 0.8}
    with pytest.raises(ValueError, match="B055.*boo"):
        start(tiny_bert, ["boo", "yay"], labels=["boo", "yay"])
    with pytest.raises(ValueError, match="B055"):
        start(tiny_bert, ["boo", "yay"], polarity={"boo": -2.0, "yay": 1.0})


def test_docs_and_sentences_from_one_pass(make_nlp, optimizer, monkeypatch):
    nlp = make_nlp("bert_sentiment")
    examples = make_examples(nlp)
    for _ in range(120):
        nlp.update(examples, sgd=optimizer)
    bert = nlp.get_pipe("bert")
    passes = []
    predict = bert.predict
    monkeypatch.setattr(bert, "predict", lambda docs: passes.append(1) or predict(docs))
    doc = nlp("Anna works in Paris. The film was awful.")
    assert len(passes) == 1
    states = predict([doc])
    output = nlp.get_pipe("bert_sentiment").model.shims[0].module.output
    for sent in doc.sents:
        start = states.layout.token_starts[sent.start]
        end = states.layout.token_ends[sent.end - 1]
        with torch.no_grad():
            expected = output(states.hidden[start:end].mean(dim=0)).softmax(dim=0)
        found = list(sent._.sentiment["probabilities"].values())
        assert found == pytest.approx(expected.tolist(), abs=1e-5)
        assert sent._.sentiment["polarity"] == pytest.approx(found[1] - found[0])
    assert doc.sentiment == pytest.approx(doc._.sentiment["polarity"], abs=1e-6)
    assert -1 <= doc.sentiment <= 1
    assert sum(doc._.sentiment["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert doc._.sentiment["score"] == max(doc._.sentiment["probabilities"].values())


def test_without_sentences(make_nlp):
    nlp = make_nlp("bert_sentiment")
    nlp.remove_pipe("sentencizer")
    doc = nlp("Anna works. Ben lives.")
    assert doc._.sentiment["label"] in ("negative", "positive")
    assert doc[0:3]._.sentiment is None


def test_sentences_of_white_space(make_nlp):
    nlp = make_nlp("bert_sentiment")
    doc = nlp.make_doc("\n\n Anna works. \n\n\n")
    for token in doc:
        token.is_sent_start = token.i in (0, 1, len(doc) - 1)
    nlp.remove_pipe("sentencizer")
    doc = nlp(doc)
    assert len(list(doc.sents)) == 3
    assert all(sent._.sentiment is not None for sent in doc.sents)


def test_a_taken_attribute_is_told(make_nlp):
    from spacy.tokens import Doc

    Doc.remove_extension("sentiment")
    Doc.set_extension("sentiment", default="mine")
    try:
        with pytest.raises(ValueError, match="B056.*Doc._.sentiment"):
            spacy.blank("en").add_pipe("bert_sentiment")
    finally:
        Doc.remove_extension("sentiment")


@pytest.mark.parametrize("value", [float("nan"), "high", None])
@pytest.mark.filterwarnings("ignore:.B903")
def test_a_polarity_is_a_number(make_nlp, value):
    nlp = make_nlp()
    pipe = nlp.add_pipe("bert_sentiment")
    with pytest.raises(ValueError, match="B055.*boo"):
        pipe.initialize(lambda: make_examples(nlp), polarity={"boo": value, "yay": 1.0})


def test_initializing_again_keeps_the_polarity(tiny_bert, tmp_path):
    polarity = {"boo": -1.0, "yay": 0.8}
    nlp, _ = start(tiny_bert, ["boo", "yay"], polarity=polarity)
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    again.config["initialize"]["components"]["bert_sentiment"] = {}
    again.initialize()
    assert again.get_pipe("bert_sentiment").cfg["polarity"] == polarity


def test_a_failed_start_leaves_nothing_behind(tiny_bert):
    nlp, _ = start(tiny_bert, ["positive", "negative"])
    nlp.remove_pipe("bert_sentiment")
    pipe = nlp.add_pipe("bert_sentiment")
    nlp.config["initialize"]["components"]["bert_sentiment"] = {"labels": ["boo", "yay"]}
    with pytest.raises(ValueError, match="B055"):
        nlp.initialize()
    assert pipe.labels == ()
    pipe.add_label("positive")


def test_docs_without_a_prediction_are_wrong(make_nlp):
    nlp = make_nlp("bert_sentiment")
    pipe = nlp.get_pipe("bert_sentiment")
    bare = make_examples(nlp)
    scores = pipe.score(bare)
    assert scores["sentiment_acc"] == scores["sentiment_macro_f"] == 0.0
    assert scores["sentiment_mae"] is None
    annotated = [Example(nlp(eg.text), eg.reference) for eg in bare[:2]]
    mixed = pipe.score(annotated + bare[2:])
    assert mixed["sentiment_mae"] == pipe.score(annotated)["sentiment_mae"]
    assert mixed["sentiment_acc"] == pipe.score(annotated)["sentiment_acc"] / 2


def test_what_it_assigns_is_known(make_nlp):
    nlp = make_nlp("bert_sentiment")
    attributes = nlp.analyze_pipes()["attrs"]
    assert attributes["doc.sentiment"]["assigns"] == ["bert_sentiment"]


@pytest.mark.parametrize("numbers", ["012", "12", "01234"])
def test_numbers_that_are_no_stars_are_refused(make_nlp, numbers):
    nlp = make_nlp()
    nlp.add_pipe("bert_sentiment")
    cats = [{n: float(n == gold) for n in numbers} for gold in numbers]
    examples = [Example.from_dict(nlp.make_doc("Anna works"), {"cats": c}) for c in cats]
    with pytest.raises(ValueError, match="B055"):
        nlp.initialize(lambda: examples)
    stars = [Example.from_dict(nlp.make_doc("Anna"), {"cats": dict.fromkeys("12345", 0.2)})]
    nlp.initialize(lambda: stars)
    assert nlp.get_pipe("bert_sentiment").cfg["polarity"]["2"] == -0.5


def test_a_text_has_one_mood(make_nlp):
    nlp = make_nlp("bert_sentiment")
    eg = Example.from_dict(nlp.make_doc("Anna"), {"cats": {"positive": 1.0, "negative": 1.0}})
    with pytest.raises(ValueError, match="B059.*bert_sentiment.*'Anna': negative, positive"):
        nlp.update([eg], sgd=False)
