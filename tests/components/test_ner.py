import numpy
import pytest
from conftest import make_examples
from spacy.training import Example

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
