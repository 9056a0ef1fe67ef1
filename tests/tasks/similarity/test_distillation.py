"""Vectors that are held to what the weights gave before training."""

import pickle
import shutil

import numpy
import pytest
import spacy
import torch
from conftest import bert_model, make_examples, write_tiny_bert
from spacy.training import Example
from thinc.api import Adam
from torch.nn.functional import cosine_similarity
from transformers import AutoModel, AutoTokenizer

from spacy_bert_suite.backbone.model import get_backbone
from spacy_bert_suite.data.multitask import stamped
from spacy_bert_suite.data.pairs import make_pair_example
from spacy_bert_suite.data.questions import make_question_example
from spacy_bert_suite.tasks.similarity import distillation
from spacy_bert_suite.tasks.similarity.distillation import VectorCache

TEXTS = ["Anna works in Paris.", "The film was awful.", "Carla met Ben at the bank.", "Music"]
WEIGHT = 3.0


def make(source, weight=WEIGHT, heads=("bert_ner",), trainable=True, **config):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(source), "trainable": trainable})
    for head in heads:
        nlp.add_pipe(head)
    loss = {"@losses": "spacy-bert-suite.CosineSimilarity.v1"}
    nlp.add_pipe("bert_similarity", config={"distillation": weight, "loss": loss, **config})
    return nlp


def initialize(nlp):
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    return examples


def distances(nlp, before):
    return 1 - (nlp.get_pipe("bert_similarity").encode(TEXTS) * before).sum(1)


def pair(nlp):
    return make_pair_example(nlp, TEXTS[:2], score=0.3)


def train(nlp, examples, n=12):
    """RETURNS (ndarray): How far the vectors have moved."""
    before = nlp.get_pipe("bert_similarity").encode(TEXTS)
    sgd = Adam(2e-3)
    for _ in range(n):
        nlp.update(examples, sgd=sgd)
    return distances(nlp, before)


def test_other_tasks_move_vectors_less(still_bert):
    free, held = make(still_bert, 0.0), make(still_bert)
    moved = train(free, initialize(free))
    kept = train(held, initialize(held))
    assert moved.min() > 0.01
    assert kept.max() < 0.3 * moved.min()


@pytest.mark.parametrize("of_pairs", [True, False])
def test_gradient_equals_plain_torch(still_bert, of_pairs):
    """After the weights have changed, on pairs and on docs of another task."""
    nlp = make(still_bert, heads=())
    initialize(nlp)
    module = get_backbone(nlp.get_pipe("bert").model).module
    change = torch.Generator().manual_seed(4)
    for parameter in module.transformer.parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=change)
    module.weights_changed()
    texts = TEXTS[:2]
    examples = [pair(nlp)] if of_pairs else [Example.from_dict(nlp.make_doc(t), {}) for t in texts]
    losses = {}
    nlp.update(examples, sgd=False, losses=losses)
    nlp.get_pipe("bert").flush_pending_step()

    expected = loss_in_torch(module.transformer, still_bert, texts, of_pairs)
    found = [p.grad.clone() for p in module.transformer.parameters() if p.grad is not None]
    module.zero_grad()
    expected.backward()
    right = [p.grad for p in module.transformer.parameters() if p.grad is not None]
    assert losses["bert_similarity"] == pytest.approx(expected.item(), rel=1e-4)
    assert len(found) == len(right) > 10
    for mine, its in zip(found, right):
        assert torch.allclose(mine, its, rtol=1e-3, atol=1e-6)


def loss_in_torch(student, source, texts, of_pairs):
    tokenizer = AutoTokenizer.from_pretrained(source)

    def vectors(model):
        inputs = [tokenizer(text, return_tensors="pt") for text in texts]
        return torch.stack([model(**each).last_hidden_state[0].mean(0) for each in inputs])

    with torch.no_grad():
        targets = vectors(AutoModel.from_pretrained(source).eval())
    found = vectors(student)
    loss = WEIGHT * (1 - cosine_similarity(found, targets)).mean()
    if of_pairs:
        loss = loss + (cosine_similarity(found[0], found[1], dim=0) - 0.3).square()
    return loss


def test_weights_of_a_trained_pipeline_are_not_the_measure(still_bert, tmp_path):
    """The teacher is what the name of the backbone stands for, also after loading."""
    nlp = make(still_bert, 0.0)
    train(nlp, initialize(nlp))
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path, config={"components.bert_similarity.distillation": WEIGHT})
    similarity = loaded.get_pipe("bert_similarity")
    before = make(still_bert).get_pipe("bert_similarity").encode(TEXTS)
    module = similarity.get_embedder()
    assert similarity.distillation.loss_for(TEXTS, similarity.text_encoder, module)(
        torch.from_numpy(before)
    ).item() == pytest.approx(0.0, abs=1e-5)


def test_nothing_of_the_teacher_is_saved(still_bert):
    nlp = make(still_bert)
    examples = initialize(nlp)
    n_bytes = len(nlp.to_bytes())
    nlp.update(examples, sgd=False)
    assert nlp.get_pipe("bert_similarity").distillation._teacher is not None
    assert len(nlp.to_bytes()) == n_bytes
    again = pickle.loads(pickle.dumps(nlp)).get_pipe("bert_similarity").distillation
    assert again.weight == WEIGHT and again._teacher is None


def test_a_teacher_that_is_gone(tmp_path):
    nlp = make(str(write_tiny_bert(tmp_path / "model")))
    examples = initialize(nlp)
    shutil.rmtree(tmp_path / "model")
    with pytest.raises(ValueError, match="B041.*bert_similarity.*B003.*distillation = 0"):
        nlp.update(examples)


def test_pairs_of_other_tasks_have_no_pass_to_share(still_bert):
    nlp = make(still_bert)
    initialize(nlp)
    held = nlp.get_pipe("bert_similarity")
    for eg in (
        stamped(pair(nlp), "bert_paraphrase"),
        make_question_example(nlp, TEXTS[0], "Who works?", [("Anna", 0)]),
    ):
        assert nlp.update([eg], sgd=False)["bert_similarity"] == 0.0
    assert held.distillation._teacher is None


def test_an_update_without_the_backbone_holds_nothing(still_bert):
    nlp = make(still_bert)
    nlp.update(initialize(nlp), exclude=["bert", "bert_ner"])
    assert nlp.get_pipe("bert_similarity").distillation._teacher is None


class Encoder:
    """Counts what it is given; the vector of a text is its length."""

    def __init__(self):
        self.seen = []

    def __call__(self, texts):
        self.seen.append(list(texts))
        return torch.tensor([[float(len(text)), 1.0] for text in texts])


def test_a_text_is_encoded_once():
    cache, encode = VectorCache(), Encoder()
    assert cache.get(["a", "bcd", "a"], encode).tolist() == [[1, 1], [3, 1], [1, 1]]
    assert cache.get(["bcd", "ef", "\ud800"], encode).tolist() == [[3, 1], [2, 1], [1, 1]]
    assert cache.get(["ef", "a"], encode).tolist() == [[2, 1], [1, 1]]
    assert encode.seen == [["a", "bcd"], ["ef", "\ud800"]]


def test_only_so_many_texts_are_kept(monkeypatch):
    monkeypatch.setattr(distillation, "MOST_CACHED", 3)
    cache, encode = VectorCache(), Encoder()
    for _ in range(2):
        assert cache.get(["a", "bb", "ccc", "dddd", "e" * 5], encode)[:, 0].tolist() == [
            1,
            2,
            3,
            4,
            5,
        ]
    assert encode.seen[1:] == [["dddd", "e" * 5]]


def test_what_is_known_goes_into_a_checkpoint():
    cache, encode = VectorCache(), Encoder()
    assert cache.state() == {}
    cache.get(["a", "bb"], encode)
    again = VectorCache()
    again.load({}, torch.device("cpu"))
    assert again.state() == {}
    again.load(cache.state(), torch.device("cpu"))
    assert again.get(["bb", "a"], encode).tolist() == [[2, 1], [1, 1]]
    assert len(encode.seen) == 1
    assert {key: tuple(t.shape) for key, t in again.state().items()} == {
        "keys": (2, 16),
        "vectors": (2, 2),
    }


def test_random_numbers_stay_as_they_are(still_bert):
    """Or else a training that is resumed would differ."""
    nlp = make(still_bert, heads=())
    initialize(nlp)
    similarity = nlp.get_pipe("bert_similarity")
    state = torch.get_rng_state()
    similarity.distillation.loss_for(TEXTS, similarity.text_encoder, similarity.get_embedder())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_frozen_backbone_needs_no_teacher(still_bert):
    nlp = make(still_bert, trainable=False)
    assert train(nlp, initialize(nlp), n=2) == pytest.approx(numpy.zeros(4), abs=1e-5)
    nlp.update([pair(nlp)])
    assert nlp.get_pipe("bert_similarity").distillation._teacher is None


@pytest.mark.parametrize("config", [{"weight": -1.0}, {"model": {"dense_width": 4}}])
def test_wrong_settings(still_bert, config):
    with pytest.raises(ValueError, match="B022.*distillation"):
        make(still_bert, **config)
