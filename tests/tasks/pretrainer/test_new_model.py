"""New backbones: their sizes, their random weights, their folder."""

import hashlib
import os
import signal
import subprocess
import sys

import pytest
import spacy
import torch
from safetensors import SafetensorError
from transformers import AutoModel, AutoTokenizer, BertForPreTraining

from spacy_bert_suite.tasks.pretrainer.new_model import (
    SIZES,
    Size,
    load_vocabulary,
    make_size,
    whole_folder,
    write_backbone,
)
from spacy_bert_suite.tasks.pretrainer.vocabulary import SPECIAL, make_tokenizer, train_wordpieces

TEXTS = ["The miller sings.", "The mill stands still."]
NANO = Size(layers=2, width=32, heads=2, intermediate=64, positions=40)


@pytest.fixture
def tokenizer():
    return make_tokenizer(train_wordpieces(lambda: TEXTS))


def contents(folder):
    return {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}


# Millions of weights with 30 522 wordpieces, as published by Turc et al. 2019, figure 2b (the
# encoder alone), and by Devlin et al. 2019 (110 and 340, rounded).
@pytest.mark.parametrize(
    "name, millions",
    [
        ("tiny", 4.4),
        ("mini", 11.3),
        ("small", 29.1),
        ("medium", 41.7),
        ("base", 110.1),
        ("large", 335.2),
    ],
)
def test_published_sizes(name, millions):
    from transformers import BertConfig, BertModel

    size = SIZES[name]
    config = BertConfig(
        hidden_size=size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=size.intermediate,
        max_position_embeddings=size.positions,
    )
    with torch.device("meta"):
        model = BertModel(config)
    n_weights = sum(parameter.numel() for parameter in model.parameters())
    assert n_weights / 1e6 == pytest.approx(millions, rel=0.02)
    assert size.width // size.heads == 64


def test_changed_sizes():
    assert make_size("tiny", layers=3) == Size(3, 128, 2, 512)
    assert make_size("tiny", width=192) == Size(2, 192, 3, 768)
    assert make_size("tiny", width=192, heads=4, positions=64) == Size(2, 192, 4, 768, 64)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"heads": 3}, "heads of a new backbone is 3; it must be a number that divides"),
        ({"layers": 0}, "layers of a new backbone is 0"),
        ({"width": -64}, "width of a new backbone is -64"),
        ({"positions": 2}, "positions of a new backbone is 2"),
    ],
)
def test_impossible_sizes(changes, message):
    with pytest.raises(ValueError, match=f"B168.*{message}"):
        make_size("small", **changes)
    with pytest.raises(ValueError, match="B168.*tiny or mini"):
        make_size("huge")


def test_transformers_opens_the_folder(tmp_path, tokenizer):
    n_weights = write_backbone(tokenizer, NANO, tmp_path / "new")
    loaded = AutoTokenizer.from_pretrained(tmp_path / "new")
    assert loaded("The mill").input_ids == tokenizer("The mill").input_ids
    assert loaded.model_max_length == 40
    model, report = BertForPreTraining.from_pretrained(tmp_path / "new", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert sum(parameter.numel() for parameter in model.parameters()) == n_weights
    config = AutoModel.from_pretrained(tmp_path / "new").config
    assert (config.vocab_size, config.hidden_size) == (len(tokenizer), 32)
    assert (config.num_hidden_layers, config.max_position_embeddings) == (2, 40)


def test_the_component_opens_the_folder(tmp_path, tokenizer):
    write_backbone(tokenizer, NANO, tmp_path / "new")
    nlp = spacy.blank("en")
    model = {"@architectures": "spacy-bert-suite.BertModel.v1", "name": str(tmp_path / "new")}
    model.update(window=40, stride=30, device="cpu", precision="fp32")
    nlp.add_pipe("bert", config={"model": model, "keep_states": True})
    states = nlp("The miller sings.")._.bert_states["pieces"]
    theirs = AutoModel.from_pretrained(tmp_path / "new")
    expected = theirs(**tokenizer("The miller sings.", return_tensors="pt")).last_hidden_state
    torch.testing.assert_close(torch.from_numpy(states), expected[0, 1:-1], atol=1e-5, rtol=1e-5)


def test_weights_are_those_of_bert(tmp_path, tokenizer):
    write_backbone(tokenizer, make_size("tiny"), tmp_path / "new")
    weights = BertForPreTraining.from_pretrained(tmp_path / "new").state_dict()
    for name, weight in weights.items():
        if "LayerNorm" in name or name.endswith("bias"):
            assert (weight == (1.0 if name.endswith("weight") else 0.0)).all(), name
        elif weight.numel() > 5000:
            assert weight.mean().abs() < 1e-3, name
            assert weight.std() == pytest.approx(0.02, rel=0.1), name
    assert not weights["bert.embeddings.word_embeddings.weight"][tokenizer.pad_token_id].any()


def test_seed_decides_every_byte(tmp_path, tokenizer):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.manual_seed(seed + len(name))
        before = torch.random.get_rng_state()
        write_backbone(tokenizer, NANO, tmp_path / name, seed=seed)
        assert torch.equal(torch.random.get_rng_state(), before)
    a, b, c = (contents(tmp_path / name) for name in "abc")
    assert a == b
    assert {name for name in a if a[name] != c[name]} == {"model.safetensors"}


def test_overwriting(tmp_path, tokenizer):
    target = tmp_path / "new"
    target.mkdir()
    write_backbone(tokenizer, NANO, target)
    before = contents(target)
    with pytest.raises(ValueError, match="B167"):
        write_backbone(tokenizer, NANO, target, seed=1)
    assert contents(target) == before
    write_backbone(tokenizer, NANO, target, seed=1, overwrite=True)
    assert contents(target) != before
    assert os.listdir(tmp_path) == ["new"]


def test_only_models_are_overwritten(tmp_path, tokenizer):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to_anna.txt").write_text("Dear Anna")
    (tmp_path / "letters" / "config.json").write_text("{}")
    for path in (tmp_path / "letters", tmp_path / "letters" / "to_anna.txt"):
        with pytest.raises(ValueError, match="B167"):
            write_backbone(tokenizer, NANO, path, overwrite=True)
    assert (tmp_path / "letters" / "to_anna.txt").read_text() == "Dear Anna"


@pytest.mark.parametrize("error", [OSError("disk full"), SafetensorError("disk full")])
def test_failure_leaves_the_old_folder(error, tmp_path, tokenizer):
    write_backbone(tokenizer, NANO, tmp_path / "new")
    before = contents(tmp_path / "new")
    message = "B234.*new.*disk full"
    with (
        pytest.raises(OSError, match=message),
        whole_folder(tmp_path / "new", overwrite=True) as part,
    ):
        (part / "config.json").write_text("{")
        raise error
    assert contents(tmp_path / "new") == before
    assert os.listdir(tmp_path) == ["new"]


KILLED = """
import sys, time
from pathlib import Path
from spacy_bert_suite.tasks.pretrainer.new_model import whole_folder
with whole_folder(Path(sys.argv[1])) as part:
    (part / "config.json").write_text("{")
    print("half", flush=True)
    time.sleep(60)
"""


def test_a_kill_leaves_no_half_folder(tmp_path, tokenizer):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "new")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "new").exists()
    write_backbone(tokenizer, NANO, tmp_path / "new")
    assert os.listdir(tmp_path) == ["new"]


def test_vocabulary_of_a_model(tmp_path, tiny_bert, tokenizer):
    taken = load_vocabulary(tiny_bert)
    write_backbone(taken, NANO, tmp_path / "new")
    again = AutoTokenizer.from_pretrained(tmp_path / "new")
    assert again.get_vocab() == AutoTokenizer.from_pretrained(tiny_bert).get_vocab()
    assert again.model_max_length == 40
    assert taken.model_max_length == 64  # of the one that was passed in


def test_vocabulary_without_weights(tmp_path):
    pieces = [*SPECIAL, "Mill", "mill", "##er"]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf8")
    cased = load_vocabulary(str(tmp_path), lowercase=False)
    assert cased.tokenize("Miller") == ["Mill", "##er"]
    assert load_vocabulary(str(tmp_path)).tokenize("Miller") == ["mill", "##er"]
    cased.save_pretrained(tmp_path)
    assert load_vocabulary(str(tmp_path)).tokenize("Miller") == ["Mill", "##er"]


@pytest.mark.parametrize(
    "content, message",
    [
        ("\n".join([*SPECIAL, "a", "a"]), "B006.*twice"),
        ("a\nb\n", r"B006.*no \[PAD\]"),
        ("", "B006"),
    ],
)
def test_vocabulary_that_cannot_be(tmp_path, content, message):
    (tmp_path / "vocab.txt").write_text(content)
    with pytest.raises(ValueError, match=message):
        load_vocabulary(str(tmp_path))


def test_vocabulary_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match="B004"):
        load_vocabulary(str(tmp_path))
    with pytest.raises(OSError, match="B003"):
        load_vocabulary(str(tmp_path / "none"))
