"""Pipelines and pairs for the tests of `bert_similarity`."""

import spacy
import torch
from conftest import bert_model
from transformers import AutoModel, AutoTokenizer

from spacy_bert_suite.data.pairs import make_pair_example

TEXTS = ["Anna works in Paris.", "The film was great", "", "Ben lives near Oslo in London"]


LONG = "Anna works in Paris. The film was awful. " * 20


LISTENERS = {
    "bert": {"@architectures": "spacy-bert-suite.BertListener.v1"},
    "texts": {"@architectures": "spacy-bert-suite.TextEncoder.v1"},
}


def make(source, sentencizer=True, bert=None, loss=None, **config):
    nlp = spacy.blank("en")
    if sentencizer:
        nlp.add_pipe("sentencizer")
    nlp.add_pipe("bert", config={"model": bert_model(source), **(bert or {})})
    options = {key: config.pop(key) for key in ("sentence_vectors", "token_vectors", "chunk_size")
               if key in config}  # fmt: skip
    model = {"@architectures": "spacy-bert-suite.SentenceEncoder.v1", **LISTENERS, **config}
    if loss:
        options["loss"] = {"@losses": f"spacy-bert-suite.{loss.pop('name')}.v1", **loss}
    nlp.add_pipe("bert_similarity", config={"model": model, **options})
    return nlp


def hidden(source, text):
    """Last hidden states of one text, by transformers."""
    model, tokenizer = (
        AutoModel.from_pretrained(source).eval(),
        AutoTokenizer.from_pretrained(source),
    )
    with torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt"))


SCORED = [
    (["Anna works in Paris.", "Ben lives near Oslo."], 0.9),
    (["The film was awful.", "The film was great."], 0.1),
    (["Carla met Ben at the bank.", "Anna works in London."], 0.3),
    (["Ben lives in Paris.", "The film was great."], 0.6),
]


CLASSES = ["entailment", "contradiction", "neutral", "entailment"]


def scored(nlp):
    return [make_pair_example(nlp, texts, score=score) for texts, score in SCORED]


def labelled(nlp):
    return [
        make_pair_example(nlp, texts, label=label) for (texts, _), label in zip(SCORED, CLASSES)
    ]


def positives(nlp):
    return [make_pair_example(nlp, texts) for texts, _ in SCORED]


def triplets(nlp):
    return [
        make_pair_example(nlp, [*texts, other[1]])
        for (texts, _), (other, _) in zip(SCORED, SCORED[1:] + SCORED[:1])
    ]
