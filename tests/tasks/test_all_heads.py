"""One table over all heads: what every one of them must do."""

import pickle
import warnings

import pytest
import spacy
from conftest import LABELS, bert_model, make_examples, write_tiny_bert
from spacy.tokens import Doc, DocBin
from spacy.training import Example

HEADS = list(LABELS)
HOSTILE_TEXTS = {
    "empty": "",
    "spaces": "     ",
    "newlines": "\n" * 50_000,
    "one token": "x" * 100_000,
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 20,
    "right to left": "\u05e9\u05dc\u05d5\u05dd \u0639\u0644\u064a\u0643\u0645 " * 20,
    "CJK": "\u4e2d\u6587\u65e5\u672c\u8a9e\ud55c\uad6d\uc5b4" * 20,
    "control": "a\x00b\x07c \x1b[0m \x7f \x85 \u2028",
    "long": "Anna works in Paris. " * 300,
}

EXTRA = {
    "bert_ner": {"entities": ["O", "U-EVENT"]},
    "bert_textcat": {"cats": {"play": 1.0}},
    "bert_textcat_multilabel": {"cats": {"play": 1.0}},
    "bert_sentiment": {"cats": {"neutral": 1.0}},
}
NEW_LABELS = {
    "bert_ner": ["EVENT"],
    "bert_textcat": ["play"],
    "bert_textcat_multilabel": ["play"],
    "bert_sentiment": ["neutral"],
}


def annotations(doc):
    ents = [(ent.start, ent.end, ent.label_, round(ent._.score, 5)) for ent in doc.ents]
    cats = {label: round(p, 5) for label, p in doc.cats.items()}
    mood = doc._.sentiment if Doc.has_extension("sentiment") else None
    return ents, cats, mood and round(mood["polarity"], 5)


@pytest.fixture
def nlp(make_nlp, head):
    return make_nlp(head)


@pytest.mark.parametrize("head", HEADS)
def test_add_pipe_needs_nothing(head):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert")
    nlp.add_pipe(head)
    assert nlp.analyze_pipes()["problems"][head] == []


@pytest.mark.parametrize("head", HEADS)
def test_not_initialized(head, tiny_bert):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    nlp.add_pipe(head)
    with pytest.raises(ValueError, match=f"B050.*{head}"):
        nlp("Anna")


@pytest.mark.parametrize("head", HEADS)
def test_initialize_without_the_backbone(head):
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe(head)
    for label in LABELS[head]:
        pipe.add_label(label)
    with pytest.raises(ValueError, match="B032"):
        nlp.initialize(lambda: make_examples(nlp))


@pytest.mark.parametrize("head", HEADS)
def test_initialize_without_labels(head, tiny_bert):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    nlp.add_pipe(head)
    example = Example.from_dict(nlp.make_doc("Anna"), {})
    with pytest.raises(ValueError, match="B051"):
        nlp.initialize(lambda: [example])


@pytest.mark.parametrize("head", HEADS)
def test_labels_from_examples(head, tiny_bert):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    pipe = nlp.add_pipe(head)
    nlp.initialize(lambda: make_examples(nlp))
    expected = ("home", "negative", "positive", "work") if "textcat" in head else LABELS[head]
    assert pipe.labels == tuple(expected)
    assert pipe.label_data == list(expected)
    assert pipe.add_label(expected[0]) == 0
    with pytest.raises(ValueError, match="B053"):
        pipe.add_label("new")
    with pytest.raises(ValueError, match="B054"):
        pipe.add_label(7)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", HOSTILE_TEXTS)
@pytest.mark.filterwarnings("ignore:.B955")  # control characters, glued to a word
def test_hostile_texts(nlp, head, kind):
    text = HOSTILE_TEXTS[kind]
    doc = nlp(text)
    assert doc.text == text
    layout = nlp.get_pipe("bert").predict([doc]).layout
    assert len(layout.token_starts) == len(doc)
    assert (layout.token_ends > layout.token_starts).all()  # every token has a state


@pytest.mark.parametrize("head", HEADS)
def test_batches_do_not_matter(nlp, head):
    texts = ["Anna works in Paris.", "", "  ", "The film was awful. " * 30, "Ben"]
    together = [annotations(doc) for doc in nlp.pipe(texts)]
    assert together == [annotations(nlp(text)) for text in texts]
    assert list(nlp.pipe([])) == []


@pytest.mark.parametrize("head", HEADS)
def test_overfits_and_survives_saving(nlp, head, tmp_path, optimizer, monkeypatch):
    examples = make_examples(nlp)
    for _ in range(120):
        losses = nlp.update(examples, sgd=optimizer)
    assert losses[head] < 0.15
    key = {"bert_ner": "ents_f", "bert_sentiment": "sentiment_acc"}.get(head, "labels_macro_f")
    assert nlp.evaluate(examples)[key] == 1.0
    texts = [eg.text for eg in examples] + ["Ben met Anna in London. " * 20]
    expected = [annotations(doc) for doc in nlp.pipe(texts)]
    nlp.to_disk(tmp_path / "nlp")
    names = [path.name for path in (tmp_path / "nlp").rglob("*") if path.is_file()]
    assert not [
        name
        for name in names
        if name.endswith((".pkl", ".pickle", ".bin", ".pt")) and name not in ("lookups.bin",)
    ]
    for loaded in (
        spacy.load(tmp_path / "nlp"),
        spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes()),
    ):
        assert [annotations(doc) for doc in loaded.pipe(texts)] == expected
        assert loaded.get_pipe(head).labels == nlp.get_pipe(head).labels


@pytest.mark.parametrize("head", HEADS)
def test_missing_gold_is_skipped(nlp, head, optimizer):
    bare = [Example.from_dict(nlp.make_doc(text), {}) for text in ("Anna", "", "  ")]
    before = nlp.get_pipe(head).to_bytes()
    losses = nlp.update(bare, sgd=optimizer)
    assert losses[head] == 0.0
    assert nlp.get_pipe(head).to_bytes() == before
    mixed = nlp.update(bare + make_examples(nlp), sgd=optimizer)
    assert mixed[head] > 0
    assert nlp.evaluate(bare).get("ents_f") is None
    assert "cats_score" not in nlp.evaluate(bare)


@pytest.mark.parametrize("head", HEADS)
def test_docs_survive_serialization(nlp, head):
    doc = nlp("Anna works in Paris. The film was awful.")
    expected = annotations(doc)
    (from_bin,) = DocBin(store_user_data=True, docs=[doc]).get_docs(nlp.vocab)
    for again in (Doc(nlp.vocab).from_bytes(doc.to_bytes()), doc.copy(), from_bin):
        if head != "bert_sentiment":
            assert annotations(again)[0] == expected[0]
        assert again._.sentiment == doc._.sentiment if head == "bert_sentiment" else True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # spaCy leaves Doc attributes out
        joined = Doc.from_docs([doc, doc])
    assert len(joined.ents) == 2 * len(doc.ents)
    assert all(ent._.score is not None for ent in joined.ents)


@pytest.mark.parametrize("head", HEADS)
def test_docs_survive_pickle_and_a_part_is_a_doc(nlp, head):
    doc = nlp("Anna works in Paris. The film was awful.")
    again = pickle.loads(pickle.dumps(doc))
    assert annotations(again) == annotations(doc)
    for sent, copied in zip(doc.sents, again.sents):
        part = sent.as_doc(copy_user_data=True)
        (of_part,) = part.sents
        if head == "bert_ner":
            assert [ent._.score for ent in part.ents] == [ent._.score for ent in sent.ents]
        if head == "bert_sentiment":
            assert of_part._.sentiment == copied._.sentiment == sent._.sentiment is not None
    if head == "bert_ner":
        assert doc.ents and all(ent._.score is not None for ent in again.ents)


@pytest.mark.parametrize("head", HEADS)
def test_sourced_into_another_pipeline(nlp, head):
    other = spacy.blank("en", vocab=nlp.vocab)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # vocabularies are compared by spaCy
        other.add_pipe("bert", source=nlp)
        other.add_pipe(head, source=nlp)
    text = "Anna works in Paris."
    assert annotations(other(text))[:2] == annotations(nlp(text))[:2]


@pytest.mark.parametrize("head", HEADS)
def test_selected_and_excluded(nlp, head, tmp_path):
    with nlp.select_pipes(disable=[head]):
        assert annotations(nlp("Anna works"))[:2] == ([], {})
    nlp.to_disk(tmp_path)
    assert head not in spacy.load(tmp_path, exclude=[head]).pipe_names


@pytest.mark.parametrize("head", HEADS)
def test_fine_when_tokens_differ_from_the_gold(nlp, head, optimizer):
    gold = Doc(
        nlp.vocab,
        words=["An", "na", "works", "in", "Pa", "ris", "."],
        spaces=[False, True, True, True, False, False, False],
        ents=["B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC", "O"],
    )
    gold.cats = {"work": 1.0, "home": 0.0, "positive": 1.0, "negative": 0.0}
    losses = nlp.update([Example(nlp.make_doc(gold.text), gold)], sgd=optimizer)
    assert losses[head] > 0


@pytest.mark.parametrize("head", ["bert_textcat"])
@pytest.mark.parametrize("pooling", ["cls", "mean", "max", "attention"])
@pytest.mark.parametrize("policy", ["first", "mean", "max"])
def test_textcat_options_learn(make_nlp, head, pooling, policy, optimizer):
    model = {
        "@architectures": "spacy-bert-suite.TextClassifier.v1",
        "pooling": pooling,
        "long_documents": policy,
    }
    nlp = make_nlp(head, **{head: {"model": model}})
    examples = make_examples(nlp)
    first = nlp.update(examples, sgd=optimizer)[head]
    for _ in range(40):
        last = nlp.update(examples, sgd=optimizer)[head]
    assert last < first
    assert sum(nlp("Anna works in Paris. " * 50).cats.values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_initialize_again_after_a_failure(head, tiny_bert):
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe(head)
    pipe.add_label(LABELS[head][0])
    with pytest.raises(ValueError, match="B032|B052"):
        nlp.initialize(lambda: make_examples(nlp))
    assert pipe.labels == (LABELS[head][0],)
    nlp.add_pipe("bert", first=True, config={"model": bert_model(tiny_bert)})
    for label in LABELS[head]:
        pipe.add_label(label)
    nlp.initialize(lambda: make_examples(nlp))
    assert pipe.labels == tuple(LABELS[head])
    annotations(nlp("Anna works in Paris."))


@pytest.mark.parametrize("head", ["bert_textcat", "bert_sentiment"])
def test_labels_of_a_failed_initialize_are_forgotten(head, tiny_bert):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    pipe = nlp.add_pipe(head)
    few = [Example.from_dict(nlp.make_doc("a"), {"cats": {"positive": 1.0}})]
    with pytest.raises(ValueError, match="B052.*positive"):
        nlp.initialize(lambda: few)
    enough = [Example.from_dict(nlp.make_doc("a"), {"cats": {"positive": 1.0, "negative": 0.0}})]
    nlp.initialize(lambda: enough)
    assert pipe.labels == ("negative", "positive")


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    "labels, code", [("PER", "B022.*list"), (["PER", ""], "B054"), ([7], "B054")]
)
def test_labels_are_a_list_of_strings(head, labels, code, tiny_bert):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    pipe = nlp.add_pipe(head)
    with pytest.raises(ValueError, match=code):
        pipe.initialize(lambda: make_examples(nlp), labels=labels)
    assert pipe.labels == ()


@pytest.mark.parametrize("head", [head for head in HEADS if head != "bert_ner"])
@pytest.mark.parametrize("label", ["", 7])
def test_categories_are_strings(head, label, tiny_bert):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    nlp.add_pipe(head)
    eg = Example.from_dict(nlp.make_doc("a"), {})
    eg.reference.cats = {label: 1.0, "positive": 1.0, "negative": 0.0}
    with pytest.raises(ValueError, match=f"B054.*{head}"):
        nlp.initialize(lambda: [eg])


def test_labels_that_never_occur_are_told(make_nlp):
    nlp = make_nlp()
    nlp.add_pipe("bert_textcat")
    nlp.config["initialize"]["components"] = {"bert_textcat": {"labels": ["Home", "Work"]}}
    with pytest.warns(UserWarning, match="B903.*Home, Work.*home"):
        nlp.initialize(lambda: make_examples(nlp))


@pytest.mark.parametrize("head", HEADS)
def test_a_second_initialization_starts_anew(head, tiny_bert, optimizer):
    """Labels are looked for again, and nothing that was learnt stays."""
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert), "trainable": False})
    pipe = nlp.add_pipe(head)
    examples = make_examples(nlp)
    if head == "bert_textcat":  # moods beside topics would be a contradiction
        for eg in examples:
            eg.reference.cats = {label: eg.reference.cats[label] for label in LABELS[head]}
    nlp.initialize(lambda: examples[:2] if head == "bert_ner" else examples)
    labels = pipe.labels
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)
    before = pipe.model.shims[0].module.output.weight.detach().clone()
    extra = Example.from_dict(nlp.make_doc("A match"), EXTRA[head])
    nlp.initialize(lambda: [*examples, extra])
    assert set(pipe.labels) - set(labels) == set(NEW_LABELS[head])
    after = pipe.model.shims[0].module.output.weight
    assert after.shape[0] > before.shape[0]
    assert not after[: len(before)].equal(before)
    annotations(nlp("Anna works in Paris."))


@pytest.mark.parametrize("head", HEADS)
def test_labels_that_were_added_stay(head, make_nlp):
    nlp = make_nlp(head)
    nlp.initialize(lambda: make_examples(nlp))
    assert nlp.get_pipe(head).labels == tuple(LABELS[head])


@pytest.mark.filterwarnings("ignore:.*B965")
@pytest.mark.parametrize("head", HEADS)
def test_a_backbone_of_another_width(head, make_nlp, tmp_path):
    wide = str(write_tiny_bert(tmp_path / "wide", hidden_size=24, num_attention_heads=2))
    other = make_nlp(source=wide)
    other.add_pipe(head, source=make_nlp(head))
    with pytest.raises(ValueError, match=f"B040.*{head}.*16.*24"):
        other("Anna works in Paris.")
