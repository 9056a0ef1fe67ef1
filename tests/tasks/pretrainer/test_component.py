"""bert_pretrainer: losses and gradients as of BertForPreTraining, training, saving, masks."""

import copy

import numpy
import pytest
import spacy
import torch
from conftest import bert_model, make_examples, write_tiny_bert
from spacy.training import Example
from tasks.pretrainer.corpora import make_documents, write_text
from thinc.api import Adam
from transformers import (
    AutoTokenizer,
    BertForMaskedLM,
    BertForPreTraining,
    BertModel,
    pipeline,
)

from spacy_bert_suite.tasks.pretrainer import losses
from spacy_bert_suite.tasks.pretrainer.component import FIXED
from spacy_bert_suite.tasks.pretrainer.corpus import make_pretrain_corpus
from spacy_bert_suite.tasks.pretrainer.instance import get_instance

WINDOW = 48


def save_with_heads(kind, source, path):
    """A checkpoint with heads that are random, and larger than BERT's own would be."""
    torch.manual_seed(3)
    model = kind.from_pretrained(source)
    for name, parameter in model.named_parameters():
        if name.startswith("cls.") and "decoder" not in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(path)
    AutoTokenizer.from_pretrained(source).save_pretrained(path)
    return str(path)


@pytest.fixture(scope="module")
def folder(still_bert, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "pretraining"
    return save_with_heads(BertForPreTraining, still_bert, path)


@pytest.fixture(scope="module")
def masked_folder(still_bert, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "masked"
    return save_with_heads(BertForMaskedLM, still_bert, path)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return write_text(tmp_path_factory.mktemp("text") / "a.txt", make_documents(30))


def build(source, bert=None, **config):
    nlp = spacy.blank("en")
    options = {"window": WINDOW, "stride": 24, **(bert or {})}
    trainable = options.pop("trainable", True)
    model = {**bert_model(source), **options}
    nlp.add_pipe("bert", config={"model": model, "trainable": trainable})
    nlp.add_pipe("bert_pretrainer", config=config)
    return nlp


def examples_of(nlp, path, objective="mlm+nsp", limit=24, **options):
    options = {"max_length": WINDOW, "limit": limit, "fixed": True, **options}
    return list(make_pretrain_corpus(path, objective=objective, **options)(nlp))


@pytest.fixture
def make(folder, text):
    def make(source=folder, objective="mlm+nsp", bert=None, **config):
        nlp = build(source, bert, **config)
        examples = examples_of(nlp, text, objective)
        nlp.initialize(lambda: examples)
        return nlp, examples

    return make


def inputs_of(nlp, examples, n_updates):
    """What the component makes of the examples, for a plain model of transformers."""
    pipe = nlp.get_pipe("bert_pretrainer")
    batch = pipe._mask([get_instance(eg) for eg in examples], n_updates)
    longest = max(map(len, batch.rows.ids))
    n = len(batch.rows.ids)
    ids, types, mask = (torch.zeros(n, longest, dtype=torch.long) for _ in range(3))
    labels = torch.full((n, longest), -100)
    gold = dict(zip(batch.rows.kept.tolist(), batch.gold.tolist()))
    place = 0
    for i, row in enumerate(batch.rows.ids):
        ids[i, : len(row)] = torch.from_numpy(row)
        mask[i, : len(row)] = 1
        if batch.rows.types is not None:
            types[i, : len(row)] = torch.from_numpy(batch.rows.types[i])
        for j in range(len(row)):
            labels[i, j] = gold.get(place + j, -100)
        place += len(row)
    assert int((labels != -100).sum()) == len(batch.gold)
    found = {"input_ids": ids, "token_type_ids": types, "attention_mask": mask, "labels": labels}
    if len(batch.labels):
        found["next_sentence_label"] = torch.from_numpy(batch.labels)
    return found


def gradients_of(nlp):
    """Gradients by the names that they have in BertForPreTraining."""
    backbone = nlp.get_pipe("bert").model.shims[0].module.transformer
    heads = nlp.get_pipe("bert_pretrainer").model.shims[0].module
    named = {f"bert.{name}": p.grad for name, p in backbone.named_parameters()}
    named.update({f"cls.{name}": p.grad for name, p in heads.named_parameters()})
    return named


def update(nlp, examples):
    """Forward and backward pass without a step."""
    found = {}
    for _, pipe in nlp.pipeline:
        pipe.update(examples, sgd=None, losses=found)
    nlp.get_pipe("bert").deferred.backward()
    return found


# Losses and gradients


@pytest.mark.parametrize("objective", ["mlm+nsp", "mlm"])
@pytest.mark.parametrize("at_once", [2048, 7])
def test_loss_and_gradients_as_of_transformers(make, folder, objective, at_once, monkeypatch):
    """All of them, that of the tied embeddings too, which is of both ends added up."""
    monkeypatch.setattr(losses, "AT_ONCE", at_once)
    nlp, examples = make(objective=objective)
    model = BertForPreTraining.from_pretrained(folder)
    inputs = inputs_of(nlp, examples, 0)
    if objective == "mlm":  # the model of transformers adds up both losses, or gives none
        masked = BertForMaskedLM.from_pretrained(folder)
        expected, model = masked(**inputs), masked
    else:
        expected = model(**inputs)
    expected.loss.backward()
    loss = update(nlp, examples)["bert_pretrainer"]
    assert loss == pytest.approx(float(expected.loss.detach()), rel=1e-4)
    found = gradients_of(nlp)
    theirs = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert len(theirs) > 60
    scale = max(float(gradient.abs().max()) for gradient in theirs.values())
    for name, gradient in theirs.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5 * scale)
    assert theirs["bert.embeddings.word_embeddings.weight"].abs().sum() > 0


def test_parameters_step_as_of_transformers(make, folder):
    """Three steps of AdamW: the embeddings, which two heads share, are stepped once."""
    nlp, examples = make()
    model = BertForPreTraining.from_pretrained(folder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, eps=1e-8, weight_decay=0.0)
    sgd = Adam(1e-3, eps=1e-8, L2=0.0, grad_clip=0.0, use_averages=False)
    for step in range(3):
        inputs = inputs_of(nlp, examples, step)
        optimizer.zero_grad()
        model(**inputs).loss.backward()
        optimizer.step()
        nlp.update(examples, sgd=sgd)
    pipe = nlp.get_pipe("bert_pretrainer")
    assert pipe.n_updates == 3
    pipe._encoder.flush_pending_step()
    mine = {
        **{f"bert.{k}": v for k, v in pipe._backbone.module.transformer.state_dict().items()},
        **{f"cls.{k}": v for k, v in pipe.model.shims[0].module.state_dict().items()},
    }
    state = model.state_dict()
    before = BertForPreTraining.from_pretrained(folder).state_dict()
    for name, value in mine.items():
        if "key.bias" not in name:  # its gradient is 0 but for rounding, which Adam makes large
            torch.testing.assert_close(value, state[name], rtol=1e-3, atol=2e-5)
    name = "bert.embeddings.word_embeddings.weight"
    assert float((mine[name] - before[name]).abs().max()) > 1e-3


def test_accumulated_parts_draw_the_masks_of_one_step(make):
    """A batch in parts has the masks of the whole: the number changes with the step."""
    nlp, examples = make()
    whole = inputs_of(nlp, examples, 0)["input_ids"]
    parts = [inputs_of(nlp, part, 0)["input_ids"] for part in (examples[:12], examples[12:])]
    assert torch.equal(whole[:12, : parts[0].shape[1]], parts[0])
    assert torch.equal(whole[12:, : parts[1].shape[1]], parts[1])
    assert not torch.equal(whole, inputs_of(nlp, examples, 1)["input_ids"])


def test_frozen_backbone_keeps_its_weights(make):
    nlp, examples = make(bert={"trainable": False})
    pipe = nlp.get_pipe("bert_pretrainer")
    before = copy.deepcopy(pipe._backbone.module.state_dict())
    head = pipe.model.shims[0].module.predictions.bias.detach().clone()
    nlp.update(examples, sgd=Adam(1e-3, use_averages=False))
    pipe._encoder.flush_pending_step()
    after = pipe._backbone.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(p.grad is None for p in pipe._backbone.module.parameters())
    assert not torch.equal(head, pipe.model.shims[0].module.predictions.bias)


def test_excluded_backbone_gets_no_gradient(make):
    nlp, examples = make()
    nlp.update(examples, exclude=["bert"], sgd=False)
    module = nlp.get_pipe("bert").model.shims[0].module
    assert all(p.grad is None for p in module.parameters())


@pytest.mark.parametrize("factor", [0.0, 0.5])
def test_weight_of_the_task(make, factor):
    rows = {"@architectures": "spacy-bert-suite.RowEncoder.v1", "grad_factor": factor}
    model = {"@architectures": "spacy-bert-suite.PretrainingHeads.v1", "rows": rows}
    nlp, examples = make(model=model)
    update(nlp, examples)
    full, _ = make()
    update(full, examples)
    expected = gradients_of(full)
    for name, gradient in gradients_of(nlp).items():
        if name.startswith("cls."):
            torch.testing.assert_close(gradient, expected[name])
        elif factor:
            torch.testing.assert_close(gradient, factor * expected[name], rtol=1e-4, atol=1e-6)
        else:
            assert gradient is None


def test_frozen_embeddings_get_no_gradient(make):
    nlp, examples = make(bert={"freeze_layers": 1})
    update(nlp, examples)
    found = gradients_of(nlp)
    assert found["bert.embeddings.word_embeddings.weight"] is None
    assert found["bert.encoder.layer.3.output.dense.weight"] is not None
    assert found["bert.pooler.dense.weight"] is not None


def test_bf16_is_near(make):
    nlp, examples = make()
    low, _ = make(bert={"precision": "bf16"})
    a, b = (update(each, examples)["bert_pretrainer"] for each in (nlp, low))
    assert a != b and b == pytest.approx(a, rel=0.03)
    assert gradients_of(low)["bert.embeddings.word_embeddings.weight"].dtype == torch.float32


# Scores


def test_scores_as_of_transformers(make, folder):
    nlp, examples = make()
    scores = nlp.evaluate(examples)
    inputs = inputs_of(nlp, examples, FIXED)
    labels = inputs.pop("labels")
    pairs = inputs.pop("next_sentence_label")
    with torch.no_grad():
        found = BertForPreTraining.from_pretrained(folder)(**inputs)
    chosen = labels != -100
    logits = found.prediction_logits[chosen]
    loss = torch.nn.functional.cross_entropy(logits, labels[chosen])
    right = (logits.argmax(1) == labels[chosen]).float().mean()
    told = (found.seq_relationship_logits.argmax(1) == pairs).float().mean()
    assert scores["mlm_loss"] == pytest.approx(float(loss), rel=1e-4)
    assert scores["mlm_perplexity"] == pytest.approx(float(loss.exp()), rel=1e-3)
    assert scores["mlm_accuracy"] == pytest.approx(float(right))
    assert scores["nsp_accuracy"] == pytest.approx(float(told))
    assert nlp.evaluate(examples)["mlm_loss"] == scores["mlm_loss"]


def test_learns(tmp_path):
    """Text with a rule, from random heads: masks change at each step, so words are not learnt by
    heart; pairs are.
    """
    size = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    source = write_tiny_bert(tmp_path / "small", num_hidden_layers=2, **size)
    words = ("music", "trade", "bank", "goal", "law") * 6
    documents = [[" ".join([word] * 4) + "."] * 8 for word in words]
    path = write_text(tmp_path / "a.txt", documents)
    nlp = build(str(source))
    examples = examples_of(nlp, path, max_length=24, limit=32, short_seq_prob=0.0)
    sgd = nlp.initialize(lambda: examples)
    sgd.learn_rate = 1e-2
    before = nlp.evaluate(examples)
    for _ in range(70):
        nlp.update(examples, sgd=sgd)
    after = nlp.evaluate(examples)
    assert before["mlm_accuracy"] < 0.3 and after["mlm_accuracy"] > 0.75
    assert after["mlm_loss"] < 0.3 * before["mlm_loss"]
    assert after["nsp_accuracy"] > 0.95
    found = nlp.get_pipe("bert_pretrainer").fill_mask("music music [MASK] music.")
    assert found[0].token == "music"


# Initialization


def test_heads_come_from_the_checkpoint(make, folder, masked_folder, still_bert):
    theirs = BertForPreTraining.from_pretrained(folder).state_dict()
    nlp, _ = make(folder)
    mine = nlp.get_pipe("bert_pretrainer").model.shims[0].module.state_dict()
    assert len(mine) == 7
    assert all(torch.equal(value, theirs[f"cls.{name}"]) for name, value in mine.items())
    nlp, _ = make(masked_folder)
    theirs = BertForMaskedLM.from_pretrained(masked_folder).state_dict()
    mine = nlp.get_pipe("bert_pretrainer").model.shims[0].module.state_dict()
    words = {name: value for name, value in mine.items() if name.startswith("predictions.")}
    assert all(torch.equal(value, theirs[f"cls.{name}"]) for name, value in words.items())
    # Pairs need a pooler, which is new here, and BERT's own.
    pooler = nlp.get_pipe("bert").model.shims[0].module.transformer.pooler
    assert float(pooler.dense.weight.detach().std()) == pytest.approx(0.2, rel=0.2)
    nlp, _ = make(still_bert)
    assert nlp.get_pipe("bert_pretrainer").model.shims[0].cfg["imported"] == []


def test_initialize_without_anything_to_learn(still_bert, masked_folder):
    nlp = build(still_bert)
    with pytest.raises(ValueError, match="B158"):
        nlp.initialize(lambda: make_examples(nlp))
    nlp = build(masked_folder)
    nlp.initialize()
    assert len(nlp.get_pipe("bert_pretrainer").fill_mask("the [MASK]")) == 5


def test_not_initialized(folder, tmp_path):
    nlp = build(folder)
    pipe = nlp.get_pipe("bert_pretrainer")
    with pytest.raises(ValueError, match="B050"):
        pipe.fill_mask("the [MASK]")
    with pytest.raises(ValueError, match="B050"):
        pipe.write_checkpoint(tmp_path / "a")


def test_without_the_backbone():
    nlp = spacy.blank("en")
    nlp.add_pipe("bert_pretrainer")
    with pytest.raises(ValueError, match="B032"):
        nlp.initialize()


def test_other_architectures(tmp_path, tiny_bert):
    from transformers import DistilBertConfig, DistilBertModel

    config = DistilBertConfig(vocab_size=100, dim=16, n_layers=1, n_heads=2, hidden_dim=16)
    DistilBertModel(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(tmp_path)
    nlp = build(str(tmp_path))
    with pytest.raises(ValueError, match="B157.*distilbert|B010"):
        nlp.initialize()
    nlp = build(tiny_bert, {"layers": "last4_sum"})
    with pytest.raises(ValueError, match="B020.*layers"):
        nlp.initialize()


@pytest.mark.parametrize("config", [{"mask_share": 0.0}, {"mask_share": 1.0},
                                    {"max_predictions": -1}])  # fmt: skip
def test_values_out_of_range(folder, config):
    with pytest.raises(ValueError, match="B022"):
        build(folder, **config)


def test_instances_of_another_model(make, text):
    nlp, examples = make()
    long = build(nlp.get_pipe("bert").model.shims[0].name, {"window": 64})
    more = examples_of(long, text, max_length=64)
    with pytest.raises(ValueError, match="B155"):
        nlp.update(more, sgd=None)
    reference = examples[0].reference.copy()
    ids = numpy.asarray([5, 1000, 7], dtype="int32")
    reference.user_data["spacy_bert_suite.instance"]["ids"] = ids.tobytes()
    with pytest.raises(ValueError, match="B156.*1000"):
        nlp.update([Example(reference, reference)], sgd=None)
    masked, _ = make(objective="mlm")
    masked.get_pipe("bert").model.shims[0].module.transformer.pooler = None
    with pytest.raises(ValueError, match="B161"):
        masked.update(examples, sgd=None)


# Beside other components


def test_other_examples_are_skipped(make):
    nlp, _ = make()
    pipe = nlp.get_pipe("bert_pretrainer")
    before = pipe.to_bytes(exclude=["vocab", "cfg"])
    others = make_examples(nlp)
    losses_found = nlp.update(others, sgd=Adam(1e-3, use_averages=False))
    assert losses_found["bert_pretrainer"] == 0.0
    assert pipe.to_bytes(exclude=["vocab", "cfg"]) == before
    assert "mlm_loss" not in nlp.evaluate(others)
    doc = nlp("Anna works in Paris.")
    assert doc.user_data == {} and not doc.has_annotation("SENT_START")
    assert len(list(nlp.pipe(["", "  ", "Anna"]))) == 3


def test_beside_a_head(make, text):
    """The gradient of the backbone is the sum, and each learns from its own examples."""
    nlp, examples = make()
    head = nlp.add_pipe("bert_textcat")
    for label in ("home", "work"):
        head.add_label(label)
    head.initialize(lambda: make_examples(nlp), nlp=nlp)
    alone = update(nlp, examples)["bert_pretrainer"]
    for module in (nlp.get_pipe(name).model.shims[0].module for name in nlp.pipe_names):
        module.zero_grad(set_to_none=True)
    both = update(nlp, examples + make_examples(nlp))
    assert both["bert_pretrainer"] == pytest.approx(alone, rel=1e-4) and both["bert_textcat"] > 0


# Saving


def test_saved_and_loaded(make, text, tmp_path):
    nlp, examples = make()
    sgd = Adam(1e-3, use_averages=False)
    for _ in range(3):
        nlp.update(examples, sgd=sgd)
    expected = nlp.evaluate(examples)["mlm_loss"]
    nlp.to_disk(tmp_path / "nlp")
    for again in (
        spacy.load(tmp_path / "nlp"),
        spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes()),
    ):
        assert again.evaluate(examples)["mlm_loss"] == pytest.approx(expected, rel=1e-6)
        assert again.get_pipe("bert_pretrainer").n_updates == 3
        a, b = (each.update(examples, sgd=False)["bert_pretrainer"] for each in (again, nlp))
        assert a == pytest.approx(b, rel=1e-5)  # the same masks follow


@pytest.mark.parametrize("objective, kind", [("mlm+nsp", BertForPreTraining),
                                             ("mlm", BertForMaskedLM)])  # fmt: skip
def test_checkpoint_opens_in_transformers(make, still_bert, tmp_path, objective, kind):
    nlp, examples = make(still_bert, objective)
    sgd = Adam(1e-3, use_averages=False)
    for _ in range(2):
        nlp.update(examples, sgd=sgd)
    pipe = nlp.get_pipe("bert_pretrainer")
    pipe.write_checkpoint(tmp_path / "out")
    expected = nlp.evaluate(examples)
    model, report = kind.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert model.config.architectures == [kind.__name__]
    tied = model.get_output_embeddings().weight
    assert tied.data_ptr() == model.get_input_embeddings().weight.data_ptr()
    inputs = inputs_of(nlp, examples, FIXED)
    with torch.no_grad():
        loss = float(model(**inputs).loss)
    pairs = pipe.evaluate_instances([get_instance(eg) for eg in examples]).pairs.mean_loss
    assert expected["mlm_loss"] + pairs == pytest.approx(loss, rel=1e-4)
    # And as a backbone, from which training goes on with the same heads.
    again, _ = make(str(tmp_path / "out"), objective)
    assert again.evaluate(examples)["mlm_loss"] == pytest.approx(expected["mlm_loss"], rel=1e-5)
    bare = BertModel.from_pretrained(tmp_path / "out")
    assert torch.equal(bare.embeddings.word_embeddings.weight, tied)


def test_checkpoint_of_adapters(make, tmp_path):
    """What they have learnt is in its weights."""
    pytest.importorskip("peft")
    adapter = {"@misc": "spacy-bert-suite.LoRA.v1", "rank": 2}
    nlp, examples = make(bert={"adapter": adapter})
    sgd = Adam(1e-2, use_averages=False)
    for _ in range(3):
        nlp.update(examples, sgd=sgd)
    nlp.get_pipe("bert_pretrainer").write_checkpoint(tmp_path / "out")
    expected = nlp.get_pipe("bert").model.shims[0].module.plain_transformer().state_dict()
    found = BertForPreTraining.from_pretrained(tmp_path / "out").bert.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_callback_writes_the_checkpoint(make, tmp_path):
    from spacy.util import registry

    write = registry.callbacks.get("spacy-bert-suite.write_checkpoint.v1")(str(tmp_path / "out"))
    nlp, _ = make()
    assert write(nlp) is nlp
    assert BertForPreTraining.from_pretrained(tmp_path / "out").config.hidden_size == 16


# Filling masks


TEXTS = ["Anna works in [MASK].", "the [MASK] was very good", "[MASK]", "Ben met [MASK]!"]


@pytest.mark.parametrize("kind", ["folder", "masked_folder"])
def test_fill_mask_as_of_transformers(kind, request):
    path = request.getfixturevalue(kind)
    nlp = build(path)
    nlp.initialize()
    pipe = nlp.get_pipe("bert_pretrainer")
    model = BertForMaskedLM.from_pretrained(path)
    theirs = pipeline("fill-mask", model=model, tokenizer=AutoTokenizer.from_pretrained(path))
    for mine, expected in zip(pipe.fill_mask(TEXTS, top_k=7), theirs(TEXTS, top_k=7)):
        assert [fill.token for fill in mine] == [
            theirs.tokenizer.convert_ids_to_tokens(found["token"]) for found in expected
        ]
        scores = [found["score"] for found in expected]
        assert [fill.score for fill in mine] == pytest.approx(scores, rel=1e-4)
    two = "the [MASK] of [MASK] city"
    for mine, expected in zip(pipe.fill_mask(two, top_k=3), theirs(two, top_k=3)):
        scores = [found["score"] for found in expected]
        assert [fill.score for fill in mine] == pytest.approx(scores, rel=1e-4)


def test_forms_of_fills(make):
    nlp, _ = make()
    pipe = nlp.get_pipe("bert_pretrainer")
    one = pipe.fill_mask("Anna works in [MASK].", top_k=3)
    assert [len(one), one[0].text.count("[MASK]")] == [3, 0]
    assert one[0].score >= one[1].score >= one[2].score > 0
    for fill in pipe.fill_mask("Anna works in [MASK].", top_k=60):
        end = fill.token[2:] if fill.token.startswith("##") else f" {fill.token}"
        assert fill.text == f"Anna works in{end}."
    two = pipe.fill_mask("[MASK] met [MASK]", top_k=2)
    assert len(two) == 2 and two[0][0].text.endswith("met [MASK]")
    assert two[1][0].text.startswith("[MASK] met")
    many = pipe.fill_mask(["the [MASK]", "[MASK] met [MASK]"], top_k=2)
    assert [fill.token for fill in many[0]] == [f.token for f in pipe.fill_mask("the [MASK]", 2)]
    assert len(many[1]) == 2 and pipe.fill_mask([]) == []
    assert len(pipe.fill_mask("the [MASK]", top_k=10_000)) == len(pipe._backbone.tokenizer)


def test_a_mask_in_a_long_text_is_read_in_its_window(make):
    nlp, _ = make()
    pipe = nlp.get_pipe("bert_pretrainer")
    words = ["the", "city", "of", "music", "and", "trade"] * 30
    words[100] = "[MASK]"
    (found,) = pipe.fill_mask([" ".join(words)], top_k=3)
    near = " ".join(words[100 - 23 : 100 + 23])  # 46 wordpieces around it
    assert [f.score for f in found] == pytest.approx([f.score for f in pipe.fill_mask(near, 3)])
    last = words[:99] + ["[MASK]"]
    (found,) = pipe.fill_mask([" ".join(last)], top_k=3)
    near = " ".join(last[-46:])
    assert [f.score for f in found] == pytest.approx([f.score for f in pipe.fill_mask(near, 3)])


def test_fill_mask_without_a_mask(make):
    nlp, _ = make()
    pipe = nlp.get_pipe("bert_pretrainer")
    with pytest.raises(ValueError, match=r"B159.*\[MASK\].*no mask"):
        pipe.fill_mask(["the [MASK]", "no mask"])
    with pytest.raises(ValueError, match="B159"):
        pipe.fill_mask("")
    with pytest.raises(ValueError, match="B022.*top_k"):
        pipe.fill_mask("the [MASK]", top_k=0)


def test_tokenizer_without_a_mask(tmp_path):
    path = write_tiny_bert(tmp_path / "tiny")
    from transformers import BertForMaskedLM as Kind

    save_with_heads(Kind, str(path), path)
    nlp = build(str(path))
    nlp.initialize()
    pipe = nlp.get_pipe("bert_pretrainer")
    pipe._backbone.tokenizer.mask_token = None
    text = write_text(tmp_path / "a.txt", make_documents(5))
    examples = examples_of(nlp, text, limit=4, objective="mlm")
    with pytest.raises(ValueError, match="B160"):
        nlp.update(examples, sgd=None)
