"""Low-rank adapters: what learns, what is saved, and what can be resumed."""

import sys

import pytest
import spacy
import torch
from conftest import bert_model, make_examples
from spacy.training import Example
from transformers import AutoModel

from spacy_bert_suite.backbone.encoder.layers import layer_of
from spacy_bert_suite.backbone.model import get_backbone
from spacy_bert_suite.training.callbacks.unfreezing import make_gradual_unfreezing

LORA = {"@misc": "spacy-bert-suite.LoRA.v1", "rank": 2, "alpha": 8.0, "dropout": 0.0}


@pytest.fixture
def needs_peft():
    pytest.importorskip("peft")


def build(source, **bert):
    """A pipeline whose heads draw no random numbers in training."""
    nlp = spacy.blank("en")
    adapter = {**LORA, **bert.pop("lora", {})}
    nlp.add_pipe("bert", config={"model": {**bert_model(source, **bert), "adapter": adapter}})
    nlp.add_pipe("bert_ner", config={"model": {"dropout": 0.0}})
    nlp.initialize(lambda: make_examples(nlp))
    return nlp


def step(nlp, optimizer):
    nlp.update(make_examples(nlp), sgd=False)
    for _, pipe in nlp.pipeline:
        pipe.finish_update(optimizer)


def module_of(nlp):
    return get_backbone(nlp.get_pipe("bert").model).module


def by_hand(nlp):
    """Weights of the encoder with what the adapters add: W + alpha / rank * B A."""
    state = module_of(nlp).transformer.state_dict()
    weights = {
        k.replace(".base_layer", ""): x.clone() for k, x in state.items() if "lora_" not in k
    }
    for name, a in state.items():
        if ".lora_A." in name:
            b = state[name.replace("lora_A", "lora_B")]
            weights[name.split(".lora_A")[0] + ".weight"] += 4.0 * b @ a
    return weights


def test_frozen_backbones_have_no_adapters(still_bert):
    nlp = spacy.blank("en")
    config = {"model": {**bert_model(still_bert), "adapter": LORA}, "trainable": False}
    nlp.add_pipe("bert", config=config)
    with pytest.warns(UserWarning, match="B941"):
        nlp.initialize()


def test_only_adapters_learn(needs_peft, tiny_bert, optimizer):
    nlp = build(tiny_bert)
    step(nlp, optimizer)
    before = {name: p.detach().clone() for name, p in module_of(nlp).named_parameters()}
    step(nlp, optimizer)
    changed = {n for n, p in module_of(nlp).named_parameters() if not torch.equal(p, before[n])}
    assert changed == {name for name in before if "lora_" in name}
    assert len(changed) == 4 * 2 * 2  # layers, query and value, A and B


@pytest.mark.parametrize(
    "settings", [{}, {"layers": "scalar_mix"}, {"activation_checkpointing": True}]
)
def test_what_is_saved_needs_no_peft(
    needs_peft, still_bert, optimizer, tmp_path, monkeypatch, settings
):
    nlp = build(still_bert, **settings)
    first = nlp.update(make_examples(nlp), sgd=False)["bert_ner"]
    for _ in range(30):
        step(nlp, optimizer)
    assert nlp.update(make_examples(nlp), sgd=False)["bert_ner"] < first
    for _, pipe in nlp.pipeline:
        pipe.finish_update(optimizer)
    nlp.to_disk(tmp_path)
    expected = by_hand(nlp)
    docs = [eg.text for eg in make_examples(nlp)]
    entities = [[(e.text, round(e._.score, 4)) for e in doc.ents] for doc in nlp.pipe(docs)]
    monkeypatch.setitem(sys.modules, "peft", None)  # an import is an error
    plain = AutoModel.from_pretrained(tmp_path / "bert" / "model").state_dict()
    for name, weight in expected.items():
        torch.testing.assert_close(plain[name], weight, rtol=1e-5, atol=1e-6)
    loaded = spacy.load(tmp_path)
    assert [[(e.text, round(e._.score, 4)) for e in d.ents] for d in loaded.pipe(docs)] == entities


def test_half_precision_sees_the_adapters(needs_peft, still_bert, optimizer):
    nlp = build(still_bert, precision="bf16")
    before = nlp.get_pipe("bert").predict([nlp.make_doc("Anna")]).hidden.float()
    for _ in range(10):
        step(nlp, optimizer)
    rows = nlp.get_pipe("bert").predict([nlp.make_doc("Anna")]).hidden.float()
    module = module_of(nlp)
    assert not module._fast_copy[0].state_dict().keys() & {"lora_A"}
    plain = AutoModel.from_pretrained(still_bert)
    plain.load_state_dict(by_hand(nlp), strict=False)
    tokenizer = get_backbone(nlp.get_pipe("bert").model).tokenizer
    with torch.no_grad():
        expected = plain(**tokenizer("Anna", return_tensors="pt")).last_hidden_state[0]
    assert (rows - before).abs().max() > 0.1
    assert (rows[0] - expected[1]).abs().max() < 0.1


def test_the_state_of_training_is_exact(needs_peft, still_bert, optimizer, tmp_path):
    """The sum is saved, so the parts go with the moments."""
    nlp = build(still_bert)
    for _ in range(3):
        step(nlp, optimizer)
    nlp.get_pipe("bert").to_disk(tmp_path)
    state = nlp.get_pipe("bert").model.shims[0].training_state()
    other = build(still_bert)
    other.get_pipe("bert").from_disk(tmp_path)
    other.get_pipe("bert").model.shims[0].load_training_state(state)
    found = dict(module_of(other).named_parameters())
    for name, parameter in module_of(nlp).named_parameters():
        if "lora_" in name or "base_layer" in name:
            assert torch.equal(found[name], parameter), name
            assert found[name].requires_grad == parameter.requires_grad


def test_frozen_layers_and_gradual_unfreezing(needs_peft, still_bert, optimizer):
    nlp = build(still_bert, freeze_layers=1)
    callback = make_gradual_unfreezing(steps_per_layer=1, start_layers=1)
    for update, lowest in ((0, 3), (1, 2), (9, 1)):
        callback(nlp, {"step": update, "epoch": 0})
        step(nlp, optimizer)
        learning = {layer_of(n) for n, p in module_of(nlp).named_parameters() if p.requires_grad}
        assert learning == set(range(lowest, 4))


def test_a_begins_the_same_whatever_was_drawn_before(needs_peft, still_bert, optimizer):
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        module = module_of(build(still_bert))
        state = torch.get_rng_state()
        module.adapt()
        assert torch.equal(torch.get_rng_state(), state)
        found.append({n: p for n, p in module.named_parameters() if "lora_" in n})
    assert all(torch.equal(found[1][name], p) for name, p in found[0].items())
    assert all(bool(p.any()) == ("lora_A" in name) for name, p in found[0].items())


def test_a_copy_and_bytes_have_the_sum(needs_peft, still_bert, optimizer):
    nlp = build(still_bert)
    for _ in range(3):
        step(nlp, optimizer)
    expected = by_hand(nlp)
    copied = nlp.get_pipe("bert").model.copy()
    for name, weight in get_backbone(copied).module.transformer.state_dict().items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-5, atol=1e-6)


def test_without_peft(still_bert, optimizer, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    nlp = build(still_bert)
    nlp("Anna works in Paris.")
    with pytest.raises(ImportError, match="B183"):
        nlp.update([Example.from_dict(nlp.make_doc("Anna"), {"entities": ["U-PER"]})])


def test_nothing_to_adapt(needs_peft, still_bert):
    nlp = build(still_bert, lora={"targets": ["q_proj"]})
    with pytest.raises(ValueError, match="B184.*dense, key, query, value"):
        nlp.update(make_examples(nlp))


@pytest.mark.parametrize(
    "key, value", [("rank", 0), ("alpha", 0.0), ("dropout", 1.0), ("targets", [])]
)
def test_wrong_values(still_bert, key, value):
    with pytest.raises(ValueError, match="B022"):
        build(still_bert, lora={key: value})
