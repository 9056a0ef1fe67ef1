"""All heads on one backbone, each learning from a corpus of its own."""

import json

import pytest
import spacy
import torch
from conftest import bert_model, make_examples
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import load_model_from_config, registry
from thinc.api import Adam, Config

from spacy_bert_suite.core.torch_shim import get_shim
from spacy_bert_suite.data.multitask import TASK
from spacy_bert_suite.data.pairs import make_pair_example
from spacy_bert_suite.data.questions import make_question_example
from spacy_bert_suite.tasks.summarizer.corpus import make_summary_corpus

SHARED = "bert_ner+bert_textcat+bert_sentiment"
HEADS = [*SHARED.split("+"), "bert_similarity", "bert_paraphrase", "bert_qa", "bert_summarizer"]
CONFIG = """
[nlp]
lang = "en"
pipeline = ["sentencizer","bert","bert_ner","bert_textcat","bert_sentiment","bert_similarity",\
"bert_paraphrase","bert_qa","bert_summarizer"]

[components]

[components.sentencizer]
factory = "sentencizer"

[components.bert]
factory = "bert"

[components.bert_ner]
factory = "bert_ner"

[components.bert_textcat]
factory = "bert_textcat"

[components.bert_sentiment]
factory = "bert_sentiment"

[components.bert_similarity]
factory = "bert_similarity"

[components.bert_similarity.loss]
@losses = "spacy-bert-suite.CoSENT.v1"

[components.bert_paraphrase]
factory = "bert_paraphrase"

[components.bert_qa]
factory = "bert_qa"

[components.bert_summarizer]
factory = "bert_summarizer"
method = "trained"

[initialize]

[initialize.components]

[initialize.components.bert_textcat]
labels = ["home","work"]

[initialize.components.bert_sentiment]
labels = ["negative","positive"]
"""
# What a corpus is scored by, and by no other.
OWN = {
    SHARED: ("ents_f", "cats_score", "sentiment_acc"),
    "bert_similarity": ("similarity_spearman",),
    "bert_paraphrase": ("paraphrase_acc",),
    "bert_qa": ("qa_f1",),
    "bert_summarizer": ("summary_rouge1",),
}


def references(nlp, tmp_path):
    """RETURNS: Gold docs for each corpus."""
    pairs = [("Anna works.", "She works."), ("Ben met Anna.", "The film was bad.")]
    scored = [make_pair_example(nlp, pair, score=i) for i, pair in enumerate(pairs)]
    labelled = [make_pair_example(nlp, pair, label=i) for i, pair in enumerate(pairs)]
    text = "Anna works in Paris. Ben lives near Oslo. The film was awful."
    asked = [
        make_question_example(nlp, text, "Who works in Paris?", [("Anna", 0)]),
        make_question_example(nlp, text, "Who was good?"),
    ]
    articles = tmp_path / "articles.jsonl"
    articles.write_text(json.dumps({"document": text, "summary": "Ben lives near Oslo."}))
    examples = [make_examples(nlp), scored, labelled, asked, make_summary_corpus(articles)(nlp)]
    return {name: [eg.reference for eg in egs] for name, egs in zip(OWN, examples)}


@pytest.fixture
def made(tiny_bert, tmp_path):
    """A pipeline, and its corpora as a config has them."""
    config = Config().from_str(CONFIG)
    config["components"]["bert"]["model"] = bert_model(tiny_bert)
    nlp = load_model_from_config(config, auto_fill=True)
    inner = {}
    for i, (name, docs) in enumerate(references(nlp, tmp_path).items()):
        path = tmp_path / f"{i}.spacy"
        DocBin(docs=docs, store_user_data=True).to_disk(path)
        inner[name] = {"@readers": "spacy.Corpus.v1", "path": str(path), "gold_preproc": False}
    outer = {"@readers": "spacy-bert-suite.MultiTaskCorpus.v1", "shuffle": False}
    # Through text, as from a file: the names with "+" are those of sections.
    text = Config({"corpora": {"train": {**outer, "corpora": inner}}}).to_str()
    corpus = registry.resolve(Config().from_str(text))["corpora"]["train"]
    nlp.initialize(lambda: corpus(nlp))
    return nlp, corpus


def learns(nlp, name):
    return [p.clone() for p in get_shim(nlp.get_pipe(name).model).module.parameters()]


@pytest.mark.parametrize("task", OWN)
def test_heads_learn_from_their_own_corpus(made, task):
    nlp, corpus = made
    examples = [eg for eg in corpus(nlp) if eg.reference.user_data[TASK] == task]
    before = {name: learns(nlp, name) for name in ("bert", *HEADS)}
    losses = nlp.update(examples, sgd=Adam(1e-4, L2=0.0, use_averages=False))
    nlp.get_pipe("bert").flush_pending_step()
    for name in HEADS:
        assert (losses[name] > 0) == (name in task.split("+")), name
    for name, old in before.items():
        new = learns(nlp, name)
        changed = any(not torch.equal(a, b) for a, b in zip(old, new))
        if old:  # bert_similarity has no weights of its own
            assert changed == (name == "bert" or name in task.split("+")), name


def test_one_dev_corpus_scores_all(made):
    nlp, corpus = made
    together = nlp.evaluate(list(corpus(nlp)))
    for task, keys in OWN.items():
        alone = nlp.evaluate([eg for eg in corpus(nlp) if eg.reference.user_data[TASK] == task])
        for key in keys:
            assert together[key] == pytest.approx(alone[key]), key
        others = [key for other, found in OWN.items() if other != task for key in found]
        assert all(alone.get(key) is None for key in others)


def test_without_names_scores_go_by_gold(made):
    """As `spacy evaluate` on a folder of converted corpora."""
    nlp, corpus = made
    together = nlp.evaluate(list(corpus(nlp)))
    plain = []
    for eg in corpus(nlp):
        reference = eg.reference.copy()
        del reference.user_data[TASK]
        plain.append(Example(nlp.make_doc(eg.text), reference))
    scores = nlp.evaluate(plain)
    for key in [key for keys in OWN.values() for key in keys]:
        assert scores[key] == pytest.approx(together[key]), key


def test_all_is_saved(made, tmp_path):
    nlp, corpus = made
    for _ in range(2):
        nlp.update(list(corpus(nlp)), sgd=Adam(1e-3, use_averages=False))
    nlp.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp")
    docs = []
    for pipeline in (nlp, loaded):
        doc = pipeline.make_doc("Anna works in Paris. Ben met Anna.")
        doc._.questions = ["Who met Anna?"]
        docs.append(pipeline(doc))
    one, other = docs
    assert [(e.start, e.label_) for e in one.ents] == [(e.start, e.label_) for e in other.ents]
    assert one.cats == pytest.approx(other.cats, abs=1e-6)
    assert one._.answers[0]["text"] == other._.answers[0]["text"]
    assert one._.summary == other._.summary
    assert one._.paraphrase(other) == pytest.approx(other._.paraphrase(one), abs=1e-6)
    assert one.similarity(other) == pytest.approx(1, abs=1e-5)
