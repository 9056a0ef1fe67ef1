"""Pipelines and questions for the tests of `bert_qa`."""

import spacy
import torch
from conftest import bert_model

from spacy_bert_suite.data.questions import make_question_example

TABLE = [
    ("Anna works in Paris. Ben lives near Oslo.", "where is anna", "Paris"),
    ("Anna works in Paris. Ben lives near Oslo.", "where is ben", "Oslo"),
    ("The bank in London met the team.", "where is the bank", "London"),
    ("The film was awful.", "where is carla", None),
    ("Carla met Ben at the match.", "where is the law", None),
]


# Questions with the texts of others.
CROSSED = [
    (text, question, None)
    for text in dict.fromkeys(text for text, _, _ in TABLE)
    for other, question, _ in (TABLE[0], TABLE[2])
    if text != other
]


LONG = "The film was good and the music was great. " * 6 + "Anna works in Paris. " + "a b c " * 20


def questions(nlp, table=TABLE):
    return [
        make_question_example(nlp, text, asked, [(answer, text.index(answer))] if answer else [])
        for text, asked, answer in table
    ]


def build(source, bert=None, sentencizer=True, **config):
    nlp = spacy.blank("en")
    if sentencizer:
        nlp.add_pipe("sentencizer")
    options = dict(bert or {})
    trainable = options.pop("trainable", True)
    model = {**bert_model(source), "window": 48, "stride": 36, **options}
    nlp.add_pipe("bert", config={"model": model, "trainable": trainable})
    nlp.add_pipe("bert_qa", config=config)
    return nlp


def train(source):
    """Knows the table by heart."""
    from thinc.api import Adam

    torch.manual_seed(0)
    nlp = build(source)
    examples = questions(nlp, TABLE + CROSSED)
    nlp.initialize(lambda: examples)
    sgd = Adam(2e-3, L2=0.01, L2_is_weight_decay=True, grad_clip=1.0, use_averages=False)
    for _ in range(250):
        losses = nlp.update(examples, sgd=sgd)
    assert losses["bert_qa"] < 0.1
    return nlp


def plain(answers):
    """Answers to compare, rounded."""
    return [{k: round(v, 4) if isinstance(v, float) else v for k, v in a.items()} for a in answers]


def joined(tokenizer, first, second):
    """RETURNS (list[int]): Ids of a pair, as BERT takes them."""
    return [tokenizer.cls_token_id, *first, tokenizer.sep_token_id, *second, tokenizer.sep_token_id]
