import pickle

import numpy
import pytest
import spacy
import torch
from conftest import LABELS, make_examples
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_bert_suite.tasks.ner.model import TagScores
from spacy_bert_suite.tasks.ner.schemes import make_tags

CRF = {"model": {"@architectures": "spacy-bert-suite.TokenClassifier.v1", "crf": True}}


def test_scores_are_probabilities(make_nlp, optimizer):
    nlp = make_nlp("bert_ner")
    examples = make_examples(nlp)
    for _ in range(100):
        nlp.update(examples, sgd=optimizer)
    ents = [ent for doc in nlp.pipe([eg.text for eg in examples]) for ent in doc.ents]
    assert ents and all(0.5 < ent._.score <= 1.0 for ent in ents)


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_crf_learns(make_nlp, optimizer, pooling):
    model = {**CRF["model"], "pooling": pooling}
    nlp = make_nlp("bert_ner", bert_ner={"model": model})
    examples = make_examples(nlp)
    module = nlp.get_pipe("bert_ner").model.shims[0].module
    for _ in range(120):
        nlp.update(examples, sgd=optimizer)
    assert nlp.evaluate(examples)["ents_f"] == 1.0
    assert module.transitions.abs().sum() > 0


def test_entities_that_are_there_stay(make_nlp):
    nlp = make_nlp("bert_ner")
    ruler = nlp.add_pipe("entity_ruler", before="bert_ner")
    ruler.add_patterns([{"label": "RULE", "pattern": "Paris"}])
    pipe = nlp.get_pipe("bert_ner")
    found = [(ent.text, ent.label_) for ent in nlp("Anna works in Paris.").ents]
    assert ("Paris", "RULE") in found
    pipe.cfg["overwrite"] = True
    found = [(ent.text, ent.label_) for ent in nlp("Anna works in Paris.").ents]
    assert ("Paris", "RULE") not in found


def test_words_without_gold_are_left_open(make_nlp):
    nlp = make_nlp("bert_ner")
    doc = nlp.make_doc("Anna works in Paris.")
    gold = nlp.make_doc("Anna works in Paris.")
    gold.set_ents([gold.char_span(0, 4, "PER")], missing=[gold[3:4]], default="outside")
    tags = nlp.get_pipe("bert_ner")._gold_tags(Example(doc, gold))
    assert tags.tolist() == [8, 0, 0, -1, 0]  # U-PER O O missing O


def test_unknown_labels_are_left_open(make_nlp):
    nlp = make_nlp("bert_ner")
    eg = Example.from_dict(nlp.make_doc("Anna works"), {"entities": [(0, 4, "NEW")]})
    assert nlp.get_pipe("bert_ner")._gold_tags(eg).tolist() == [-1, 0]


def test_every_word_gets_a_tag_in_a_long_text(make_nlp):
    nlp = make_nlp("bert_ner")
    doc = nlp.make_doc("Anna met Ben. " * 400)
    bert = nlp.get_pipe("bert")
    bert.set_annotations([doc], bert.predict([doc]))
    scores = nlp.get_pipe("bert_ner").predict([doc])
    assert scores.emissions.shape == (len(doc), 9)
    assert numpy.isfinite(scores.emissions.numpy()).all()


@pytest.mark.parametrize("crf", [False, True])
@pytest.mark.parametrize("text", ["  \n ", "Paris"])
def test_a_batch_without_a_gold_tag_teaches_nothing(make_nlp, optimizer, crf, text):
    nlp = make_nlp("bert_ner", "bert_textcat", bert_ner={"model": {**CRF["model"], "crf": crf}})
    gold = nlp.make_doc(text)
    gold.set_ents([Span(gold, 0, 1, "GPE")] if text == "Paris" else [])
    gold.cats = {"home": 1.0, "work": 0.0}
    before = {name: nlp.get_pipe(name).to_bytes() for name in ("bert_ner", "bert_textcat")}
    losses = nlp.update([Example(nlp.make_doc(text), gold)], sgd=optimizer)
    assert losses["bert_ner"] == 0.0
    assert losses["bert_textcat"] > 0.0
    assert nlp.get_pipe("bert_ner").to_bytes() == before["bert_ner"]
    assert nlp.get_pipe("bert_textcat").to_bytes() != before["bert_textcat"]


def annotate(pipe, doc, *tags):
    """Set the entities of a doc as if these tags were predicted."""
    names = make_tags(LABELS["bert_ner"])
    emissions = torch.full((len(doc), len(names)), -5.0)
    for word, tag in enumerate(tags):
        emissions[word, names.index(tag)] = 5.0
    pipe.set_annotations([doc], TagScores(emissions, torch.zeros(len(names), len(names))))
    return [(ent.text, ent.label_) for ent in doc.ents]


def test_invisible_words_are_no_entities(make_nlp):
    nlp = make_nlp("bert_ner")
    pipe = nlp.get_pipe("bert_ner")
    doc = nlp.make_doc("\u200b Anna \ufeff Ben \xad")
    tags = ["U-PER", "B-PER", "I-PER", "L-PER", "U-LOC"]
    assert annotate(pipe, doc, *tags) == [("Anna \ufeff Ben", "PER")]
    assert annotate(pipe, nlp.make_doc("\u200b"), "U-PER") == []


@pytest.mark.parametrize("text", ["\u200bAnna met", "Anna\ufeff met", "\u2060Anna\u200e met"])
def test_invisible_characters_glued_to_a_word_begin_or_end_no_entity(make_nlp, text):
    nlp = make_nlp("bert_ner")
    pipe = nlp.get_pipe("bert_ner")
    doc = Doc(nlp.vocab, words=text.split())
    with pytest.warns(UserWarning, match="B955"):
        assert annotate(pipe, doc, "U-PER", "O") == []
    inside = Doc(nlp.vocab, words=["An\u200bna", "met"])
    assert annotate(pipe, inside, "U-PER", "O") == [("An\u200bna", "PER")]


def test_blocked_words_stay_blocked(make_nlp):
    nlp = make_nlp("bert_ner")
    pipe = nlp.get_pipe("bert_ner")
    doc = nlp.make_doc("Anna met Ben near Oslo")
    doc.set_ents([], blocked=[doc[2:4]])
    tags = ["U-PER", "O", "B-LOC", "I-LOC", "L-LOC"]
    for _ in range(2):
        assert annotate(pipe, doc, *tags) == [("Anna", "PER")]
        assert [(token.ent_iob_, token.ent_type_) for token in doc[2:4]] == [("B", "")] * 2
    pipe.cfg["overwrite"] = True
    assert ("Ben near Oslo", "LOC") in annotate(pipe, doc, *tags)


def test_blocked_words_in_the_gold_are_left_open(make_nlp, optimizer):
    nlp = make_nlp("bert_ner")
    gold = nlp.make_doc("Anna met Ben")
    gold.set_ents([], blocked=[gold[0:2]])
    eg = Example(nlp.make_doc(gold.text), gold)
    assert nlp.get_pipe("bert_ner")._gold_tags(eg).tolist() == [-1, -1, 0]
    assert nlp.update([eg], sgd=optimizer)["bert_ner"] > 0


def test_scores_go_with_their_entities(make_nlp):
    nlp = make_nlp("bert_ner", bert_ner={"overwrite": True})
    pipe = nlp.get_pipe("bert_ner")
    doc = nlp.make_doc("Anna met Ben")
    doc[1:3]._.score = 0.25  # not an entity
    annotate(pipe, doc, "U-PER", "O", "U-PER")
    assert doc[0:1]._.score > 0.9
    annotate(pipe, doc, "O", "O", "U-LOC")
    assert doc[0:1]._.score is None
    assert doc[2:3]._.score > 0.9
    assert doc[1:3]._.score == 0.25


@pytest.mark.parametrize(
    "text, start, end, expected",
    [
        ("Anna \n works", 0, 2, ["U-PER", None, "O"]),
        ("\n Anna works \n met", 0, 4, [None, "B-PER", "L-PER", None, "O"]),
        ("Anna \n works", 0, 3, ["B-PER", None, "L-PER"]),
        ("Anna \n works", 1, 2, ["O", None, "O"]),
        ("\u200b Anna works \ufeff met", 0, 4, [None, "B-PER", "L-PER", None, "O"]),
    ],
)
def test_white_space_at_the_edge_of_gold_is_left_out(make_nlp, text, start, end, expected):
    nlp = make_nlp("bert_ner")
    gold = nlp.make_doc(text)
    gold.set_ents([Span(gold, start, end, "PER")])
    tags = nlp.get_pipe("bert_ner")._gold_tags(Example(nlp.make_doc(text), gold))
    names = make_tags(LABELS["bert_ner"])
    assert [None if tag < 0 else names[tag] for tag in tags] == expected


def test_docs_with_vocabs_of_their_own_in_one_batch(make_nlp):
    nlp = make_nlp("bert_ner")
    texts = ["Anna works in Paris.", "Ben  lives\tnear Oslo.", "Carla met Ben."]
    expected = [spans_of(nlp(text)) for text in texts]
    foreign = [spacy.blank("en").make_doc(text) for text in texts]
    sent = [pickle.loads(pickle.dumps(doc)) for doc in foreign]
    for docs in (foreign, sent, [nlp.make_doc(texts[0]), *sent[1:]]):
        assert [spans_of(doc) for doc in nlp.pipe(docs)] == expected


def spans_of(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]
