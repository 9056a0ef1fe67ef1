"""A training batch goes away with its step."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import spacy
import torch
from conftest import bert_model, make_examples

HEADS = [
    "bert_ner",
    "bert_textcat_multilabel",
    "bert_sentiment",
    "bert_similarity",
    "bert_summarizer",
]


@contextmanager
def garbage() -> Iterator[list[torch.Tensor]]:
    """Collects the tensors that only the garbage collector could free."""
    tensors: list[torch.Tensor] = []
    gc.collect()
    gc.disable()
    try:
        yield tensors
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        tensors += [each for each in gc.garbage if isinstance(each, torch.Tensor)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("trainable", [True, False])
def test_updates_leave_no_tensors_in_reference_cycles(tiny_bert, trainable):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert), "trainable": trainable})
    for head in HEADS:
        nlp.add_pipe(head)
    optimizer = nlp.initialize(lambda: make_examples(nlp))
    optimizer.learn_rate = 1e-4
    nlp.update(make_examples(nlp), sgd=optimizer)
    with garbage() as tensors:
        for _ in range(2):
            nlp.update(make_examples(nlp), sgd=optimizer)
        nlp.get_pipe("bert").flush_pending_step()
    assert tensors == []
