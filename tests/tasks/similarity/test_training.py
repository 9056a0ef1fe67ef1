"""bert_similarity learns from pairs."""

import numpy
import pytest
import spacy
import torch
from spacy.training import Example
from tasks.similarity.pipelines import (
    SCORED,
    TEXTS,
    labelled,
    make,
    positives,
    scored,
    triplets,
)
from transformers import AutoModel, AutoTokenizer

from spacy_bert_suite.data.multitask import stamped
from spacy_bert_suite.data.pairs import make_pair_example
from spacy_bert_suite.tasks.similarity import component

LEARNED = {
    "CosineSimilarity": (scored, "similarity_spearman", {}),
    "CoSENT": (scored, "similarity_spearman", {}),
    "MultipleNegativesRanking": (positives, "similarity_acc", {"symmetric": True}),
    "Softmax": (labelled, "similarity_ap", {}),
    "Triplet": (triplets, "similarity_acc", {"distance": "cosine", "margin": 0.3}),
}


@pytest.mark.parametrize("loss", LEARNED)
def test_learns(tiny_bert, optimizer, loss, tmp_path):
    examples_of, key, options = LEARNED[loss]
    nlp = make(tiny_bert, loss={"name": loss, **options})
    examples = examples_of(nlp)
    nlp.initialize(lambda: examples)
    before = nlp.get_pipe("bert").to_bytes()
    first = nlp.update(examples, sgd=optimizer)["bert_similarity"]
    for _ in range(60):
        last = nlp.update(examples, sgd=optimizer)["bert_similarity"]
    assert last < first / 2
    assert nlp.get_pipe("bert").to_bytes() != before
    scores = nlp.evaluate(examples)
    if loss != "Softmax":  # which learns classes, not cosines
        assert scores[key] > 0.7 and scores["similarity_score"] == scores[key]
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert again.get_pipe("bert_similarity").labels == nlp.get_pipe("bert_similarity").labels
    assert again(TEXTS[0]).vector == pytest.approx(nlp(TEXTS[0]).vector, abs=1e-5)


def test_matryoshka_learns_short_vectors(tiny_bert, optimizer):
    inner = {"@losses": "spacy-bert-suite.MultipleNegativesRanking.v1"}
    nlp = make(tiny_bert, loss={"name": "Matryoshka", "loss": inner, "dims": [16, 4]})
    examples = positives(nlp)
    nlp.initialize(lambda: examples)
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    encode = nlp.get_pipe("bert_similarity").encode
    first, second = (encode([texts[i] for texts, _ in SCORED[:3]])[:, :4] for i in (0, 1))
    assert ((first @ second.T).argmax(axis=1) == numpy.arange(3)).all()


def test_matryoshka_over_classes(tiny_bert, optimizer):
    inner = {"@losses": "spacy-bert-suite.Softmax.v1"}
    nlp = make(tiny_bert, loss={"name": "Matryoshka", "loss": inner, "dims": [16, 4]})
    examples = labelled(nlp)
    nlp.initialize(lambda: examples)
    first = nlp.update(examples, sgd=optimizer)["bert_similarity"]
    for _ in range(60):
        last = nlp.update(examples, sgd=optimizer)["bert_similarity"]
    assert last < first / 2


@pytest.mark.parametrize("dims, truncate_dim", [([16, 999], 0), ([16, 4], 8)])
def test_matryoshka_of_more_dimensions_than_there_are(tiny_bert, dims, truncate_dim):
    inner = {"@losses": "spacy-bert-suite.CoSENT.v1"}
    loss = {"name": "Matryoshka", "loss": inner, "dims": dims}
    nlp = make(tiny_bert, loss=loss, truncate_dim=truncate_dim)
    with pytest.raises(ValueError, match=f"B076.*{max(dims)}.*{truncate_dim or 16}"):
        nlp.initialize(lambda: scored(nlp))


def gradients(nlp):
    parameters = nlp.get_pipe("bert").model.shims[0].module.named_parameters()
    return {name: p.grad.clone() for name, p in parameters if p.grad is not None}


def test_gradients_equal_plain_torch(still_bert):
    nlp = make(still_bert, loss={"name": "CosineSimilarity"})
    examples = scored(nlp)
    nlp.initialize(lambda: examples)
    nlp.update(examples, sgd=False)
    model, tokenizer = (
        AutoModel.from_pretrained(still_bert).train(),
        AutoTokenizer.from_pretrained(still_bert),
    )
    cosines = []
    for texts, _ in SCORED:
        u, v = (
            model(**tokenizer(t, return_tensors="pt")).last_hidden_state[0].mean(0) for t in texts
        )
        cosines.append(torch.cosine_similarity(u, v, dim=0))
    gold = torch.tensor([score for _, score in SCORED])
    (torch.stack(cosines) - gold).square().mean().backward()
    found = gradients(nlp)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert found[f"transformer.{name}"] == pytest.approx(parameter.grad, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("chunk_size", [1, 3, 100])
def test_cached_gradients_equal_those_of_the_whole_batch(still_bert, chunk_size):
    found = {}
    for size in (0, chunk_size):
        nlp = make(still_bert, loss={"name": "CoSENT"}, chunk_size=size)
        examples = scored(nlp)
        nlp.initialize(lambda examples=examples: examples)
        losses = nlp.update(examples, sgd=False)
        found[size] = losses["bert_similarity"], gradients(nlp)
    assert found[chunk_size][0] == pytest.approx(found[0][0], rel=1e-5)
    for name, gradient in found[0][1].items():
        assert found[chunk_size][1][name] == pytest.approx(gradient, rel=1e-3, abs=1e-6)


def test_dropout_is_repeated_in_chunks(tiny_bert, monkeypatch):
    """The gradient that is cached belongs to the very vectors that are made again."""
    nlp = make(tiny_bert, loss={"name": "CoSENT"}, chunk_size=2)
    examples = scored(nlp)
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("bert_similarity")
    made = []
    embed = component.embed_with(pipe.text_encoder, pipe.get_embedder().train())
    watched = lambda texts: made.append(embed(texts)) or made[-1]  # noqa: E731
    monkeypatch.setattr(component, "embed_with", lambda *args: watched)
    nlp.update(examples, sgd=False)
    n = len(made) // 2
    for (first, _), (second, _) in zip(made[:n], made[n:]):
        assert second.detach().numpy() == pytest.approx(first.detach().numpy(), abs=1e-6)
    assert abs((embed([SCORED[0][0][0]])[0] - made[0][0][0]).detach()).max() > 1e-4


def test_pairs_cost_no_pass_of_the_listener(tiny_bert, optimizer, monkeypatch):
    nlp = make(tiny_bert, loss={"name": "CoSENT"})
    examples = scored(nlp)
    nlp.initialize(lambda: examples)
    passes = []
    shim = nlp.get_pipe("bert").model.shims[0]
    run = shim.run
    monkeypatch.setattr(
        shim, "run", lambda rows, train: passes.append(len(rows.ids)) or run(rows, train)
    )
    nlp.update(examples, sgd=optimizer)
    assert passes == [8]


def test_the_last_step_is_taken_before_texts_are_encoded(tiny_bert, optimizer):
    nlp = make(tiny_bert, loss={"name": "CoSENT"})
    examples = scored(nlp)
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("bert_similarity")
    untrained = pipe.encode(TEXTS)
    nlp.update(examples, sgd=optimizer)
    encoded = pipe.encode(TEXTS)
    assert abs(encoded - untrained).max() > 1e-4
    assert [doc.vector for doc in nlp.pipe(TEXTS)] == [pytest.approx(v, abs=1e-6) for v in encoded]
    nlp.update(examples, sgd=optimizer)
    annotated = numpy.stack([doc.vector for doc in nlp.pipe(TEXTS)])
    assert abs(annotated - encoded).max() > 1e-4
    assert pipe.encode(TEXTS) == pytest.approx(annotated, abs=1e-6)


def test_a_frozen_backbone_keeps_its_weights(tiny_bert, optimizer):
    nlp = make(
        tiny_bert, bert={"trainable": False}, loss={"name": "CosineSimilarity"}, dense_width=8
    )
    examples = scored(nlp)
    nlp.initialize(lambda: examples)
    before = nlp.get_pipe("bert").to_bytes()
    first = nlp.update(examples, sgd=optimizer)["bert_similarity"]
    for _ in range(60):
        last = nlp.update(examples, sgd=optimizer)["bert_similarity"]
    assert last < first
    assert nlp.get_pipe("bert").to_bytes() == before


def test_examples_without_pairs_are_skipped(tiny_bert, optimizer):
    nlp = make(tiny_bert, loss={"name": "CoSENT"})
    bare = [Example.from_dict(nlp.make_doc(text), {}) for text in TEXTS]
    nlp.initialize(lambda: bare)
    assert nlp.update(bare, sgd=optimizer)["bert_similarity"] == 0.0
    assert "similarity_score" not in nlp.evaluate(bare)
    others = [stamped(eg, "bert_ner") for eg in scored(nlp)]
    assert nlp.update(others, sgd=optimizer)["bert_similarity"] == 0.0


def test_the_wrong_kind_of_pairs(tiny_bert):
    nlp = make(tiny_bert, loss={"name": "CoSENT"})
    with pytest.raises(ValueError, match="B067.*score"):
        nlp.initialize(lambda: positives(nlp))
    nlp = make(tiny_bert, loss={"name": "Triplet"})
    with pytest.raises(ValueError, match="B067.*triplets"):
        nlp.initialize(lambda: scored(nlp))


def test_negatives_are_no_positives(tiny_bert, optimizer):
    """The default loss would draw any two texts of a pair together."""
    nlp = make(tiny_bert, loss={"name": "MultipleNegativesRanking"})
    with pytest.raises(ValueError, match="B067.*belong together"):
        nlp.initialize(lambda: scored(nlp))
    mixed = positives(nlp) + [make_pair_example(nlp, ["a", "b"], label="contradiction")]
    with pytest.warns(UserWarning, match=f"B905.*1 of {len(mixed)}"):
        nlp.initialize(lambda: mixed)
    found = nlp.get_pipe("bert_similarity").select_examples(mixed)
    assert len(found) == len(mixed) - 1


def test_an_unknown_class(tiny_bert):
    nlp = make(tiny_bert, loss={"name": "Softmax"})
    nlp.initialize(lambda: labelled(nlp))
    assert nlp.get_pipe("bert_similarity").labels == ("contradiction", "entailment", "neutral")
    strange = make_pair_example(nlp, ["a", "b"], label="other")
    with pytest.raises(ValueError, match="B068.*other"):
        nlp.update([strange])


def test_learns_beside_another_head(still_bert):
    """Pairs and categories in one batch: the gradient is the sum of both."""
    nlp = make(still_bert, loss={"name": "CosineSimilarity"})
    classifier = {"@architectures": "spacy-bert-suite.TextClassifier.v1", "dropout": 0.0}
    nlp.add_pipe("bert_textcat", config={"model": classifier})
    texts = [Example.from_dict(nlp.make_doc(text), {"cats": {"work": 1.0}}) for text in TEXTS]
    both = [*scored(nlp), *texts]
    other = Example.from_dict(nlp.make_doc("x"), {"cats": {"home": 1.0, "work": 0.0}})
    nlp.initialize(lambda: [*both, other])
    bert = nlp.get_pipe("bert")
    found = []
    for names in (["bert_similarity"], ["bert_textcat"], ["bert_similarity", "bert_textcat"]):
        bert.model.shims[0].module.zero_grad()
        for name in ("bert", *names):
            nlp.get_pipe(name).update(both)
        bert.flush_pending_step()
        found.append(gradients(nlp))
    for name, gradient in found[2].items():
        alone = sum(part[name] for part in found[:2] if name in part)
        assert gradient == pytest.approx(alone, rel=1e-3, abs=1e-6)
