"""The same answers on a GPU, without CuPy, and memory that stays flat."""

import pytest
import spacy
import torch
from conftest import make_examples

pytestmark = pytest.mark.gpu
HEADS = ("bert_ner", "bert_textcat", "bert_sentiment")


def test_gpu_equals_cpu(make_nlp, tmp_path):
    nlp = make_nlp(*HEADS)
    nlp.to_disk(tmp_path)
    on_gpu = spacy.load(tmp_path, config={"components.bert.model.device": "cuda"})
    for text in ("Anna works in Paris.", "", "Ben met Carla. " * 60):
        assert on_gpu(text).cats == pytest.approx(nlp(text).cats, abs=1e-4)
    states = on_gpu.get_pipe("bert").predict([nlp.make_doc("Anna")])
    assert states.hidden.is_cuda


@pytest.mark.parametrize("precision", ["auto", "fp32", "fp16"])
def test_training_on_gpu(make_nlp, optimizer, precision):
    nlp = make_nlp(*HEADS, bert={"device": "cuda", "precision": precision})
    examples = make_examples(nlp)
    losses = [nlp.update(examples, sgd=optimizer) for _ in range(60)]
    assert all(losses[-1][head] < losses[0][head] for head in HEADS)


def test_device_memory_is_flat_while_docs_are_held(make_nlp):
    nlp = make_nlp(*HEADS, bert={"device": "cuda"})
    texts = ["Anna works in Paris. The film was awful."] * 64
    held = list(nlp.pipe(texts, batch_size=32))
    before = torch.cuda.memory_allocated()
    for _ in range(8):
        held += nlp.pipe(texts, batch_size=32)
    assert torch.cuda.memory_allocated() <= before


def test_forked_processes_are_told(make_nlp):
    nlp = make_nlp("bert_textcat", bert={"device": "cuda"})
    nlp("Anna")
    with pytest.raises(Exception, match="B034"):
        list(nlp.pipe(["Anna"] * 10, n_process=2, batch_size=2))
