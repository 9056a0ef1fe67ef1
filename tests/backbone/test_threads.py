"""Threads that share a pipeline: loading, first use, and training beside prediction."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import pytest
import spacy
import torch
from conftest import bert_model, make_examples

HEADS = ("bert_ner", "bert_textcat", "bert_sentiment")
TEXTS = [f"Anna works in Paris {i}" for i in range(16)]


@pytest.fixture
def nlp(make_nlp):
    return make_nlp(*HEADS)


def weights(nlp):
    state = nlp.get_pipe("bert").model.shims[0].module.state_dict()
    return torch.cat([tensor.flatten().float() for tensor in state.values()])


def test_pipelines_loaded_in_threads(nlp, tmp_path):
    nlp.to_disk(tmp_path)
    expected = nlp(TEXTS[0]).cats
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(spacy.load, [tmp_path] * 4))
    assert [each(TEXTS[0]).cats for each in [*loaded, spacy.load(tmp_path)]] == [expected] * 5


def test_first_use_in_threads(tiny_bert):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    nlp.add_pipe("bert_similarity")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: nlp(text).vector, TEXTS))
    for vector, text in zip(found, TEXTS):
        assert vector == pytest.approx(nlp(text).vector, abs=1e-6)


def test_predictions_beside_training_have_no_dropout(nlp, optimizer):
    optimizer.learn_rate = 0.0
    expected = [nlp(text).cats for text in TEXTS]
    is_done, wrong = Event(), []

    def predict():
        while not is_done.is_set():
            found = [doc.cats for doc in nlp.pipe(TEXTS, batch_size=1)]
            wrong.extend(a for a, b in zip(found, expected) if a != pytest.approx(b, abs=1e-6))

    thread = Thread(target=predict)
    thread.start()
    examples = make_examples(nlp)
    for _ in range(12):
        nlp.update(examples, sgd=optimizer)
    is_done.set()
    thread.join(60)
    assert not thread.is_alive() and wrong == []


@pytest.mark.parametrize("heads", [HEADS, ("bert_textcat",)])
def test_training_beside_prediction_learns(make_nlp, optimizer, heads):
    nlp = make_nlp(*heads)
    examples = make_examples(nlp)
    is_done = Event()

    def predict():
        while not is_done.is_set():
            list(nlp.pipe(TEXTS, batch_size=4))

    with ThreadPoolExecutor(1) as pool:
        predictions = pool.submit(predict)
        losses = [nlp.update(examples, sgd=optimizer)["bert_textcat"] for _ in range(40)]
        is_done.set()
        predictions.result(60)
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert nlp.get_pipe("bert").model.shims[0].report.n_steps >= 39


def test_a_step_that_waits_is_taken_by_another_thread(nlp, optimizer):
    before = weights(nlp)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(nlp.update, make_examples(nlp), sgd=optimizer).result()
        nlp("Anna")
    assert not torch.equal(weights(nlp), before)
    assert not nlp.get_pipe("bert").has_pending_step
