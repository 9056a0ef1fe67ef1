"""Fixtures: a tiny BERT with random weights, written to disk; nothing is downloaded."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import spacy_bert_suite  # noqa: F401, I001  (before spaCy: see compat.py)

from pathlib import Path
from typing import Any
from collections.abc import Callable

import pytest
import spacy
import torch
from spacy.lang.en import English
from spacy.language import Language
from spacy.training import Example
from spacy.util import fix_random_seed
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, BertTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,;:!?'\"-()[]&@#$%/"
WORDS = [
    "the",
    "a",
    "in",
    "of",
    "to",
    "and",
    "it",
    "is",
    "was",
    "at",
    "on",
    "for",
    "good",
    "bad",
    "great",
    "awful",
    "film",
    "match",
    "city",
    "team",
    "bank",
    "paris",
    "london",
    "oslo",
    "anna",
    "ben",
    "carla",
    "works",
    "lives",
    "met",
    "near",
    "music",
    "price",
    "trade",
    "goal",
    "law",
]

# A thousand special cases such as "don't" take most of the time of `spacy.blank("en")`, and the
# suite makes thousands of pipelines. Processes that tests start have them.
SPECIAL_CASES = English.Defaults.tokenizer_exceptions
English.Defaults.tokenizer_exceptions = {}


@pytest.fixture
def english(monkeypatch):
    """spaCy's English as users have it, for tests that depend on its tokens."""
    monkeypatch.setattr(English.Defaults, "tokenizer_exceptions", SPECIAL_CASES)


def pytest_collection_modifyitems(items):
    if not torch.cuda.is_available():
        skip = pytest.mark.skip(reason="torch sees no GPU")
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Any connection is an error."""
    import socket

    def refuse(*args, **kwargs):
        raise OSError("tests are offline")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(autouse=True)
def fixed_seed():
    fix_random_seed(0)  # of Python, numpy (spaCy's own layers) and torch


def write_tiny_bert(path: Path, **config: Any) -> Path:
    """Write a random BERT of 2 layers, 16 wide, with a small WordPiece vocabulary."""
    pieces = SPECIAL + list(CHARACTERS) + ["##" + c for c in CHARACTERS] + WORDS
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])],
    )
    BertTokenizerFast(tokenizer_object=tokenizer, model_max_length=64).save_pretrained(path)
    settings: dict[str, Any] = {
        "vocab_size": len(vocab),
        "hidden_size": 16,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
        "initializer_range": 0.2,
    }
    torch.manual_seed(1)
    BertModel(BertConfig(**{**settings, **config})).save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory) -> str:
    return str(write_tiny_bert(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="session")
def still_bert(tmp_path_factory) -> str:
    """The same without dropout: its training pass equals its prediction."""
    path = tmp_path_factory.mktemp("models") / "still"
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return str(write_tiny_bert(path, **no_dropout))


@pytest.fixture
def backbone_config(tiny_bert) -> dict[str, Any]:
    return {"model": bert_model(tiny_bert)}


def bert_model(name: str, **values: Any) -> dict[str, Any]:
    return {
        "@architectures": "spacy-bert-suite.BertModel.v1",
        "name": name,
        "window": 32,
        "stride": 24,
        "max_batch_pieces": 256,
        "precision": "fp32",
        "device": "cpu",
        **values,
    }


def make_examples(nlp: Language) -> list[Example]:
    """Texts with entities, topics and sentiment in one."""
    table = [
        ("Anna works in Paris.", [(0, 4, "PER"), (14, 19, "LOC")], "work", "positive"),
        ("Ben lives near Oslo.", [(0, 3, "PER"), (15, 19, "LOC")], "home", "positive"),
        ("The film was awful.", [], "home", "negative"),
        ("Carla met Ben at the bank.", [(0, 5, "PER"), (10, 13, "PER")], "work", "negative"),
    ]
    examples = []
    for text, entities, topic, mood in table:
        cats = dict.fromkeys(("work", "home", "positive", "negative"), 0.0)
        cats.update({topic: 1.0, mood: 1.0})
        gold = {"entities": entities, "cats": cats}
        examples.append(Example.from_dict(nlp.make_doc(text), gold))
    return examples


LABELS: dict[str, list[str]] = {
    "bert_ner": ["LOC", "PER"],
    "bert_textcat": ["home", "work"],
    "bert_textcat_multilabel": ["home", "work", "positive"],
    "bert_sentiment": ["negative", "positive"],
}


@pytest.fixture
def make_nlp(tiny_bert) -> Callable[..., Language]:
    """Make an initialized pipeline of heads on the tiny BERT."""

    def make(*heads: str, source: str = tiny_bert, bert: Any = None, **configs: Any) -> Language:
        nlp = spacy.blank("en")
        nlp.add_pipe("sentencizer")
        bert_config = {"model": bert_model(source)}
        for key, value in (bert or {}).items():
            if key in ("trainable", "keep_states"):
                bert_config[key] = value
            else:
                bert_config["model"][key] = value
        nlp.add_pipe("bert", config=bert_config)
        for head in heads:
            pipe = nlp.add_pipe(head, config=configs.get(head, {}))
            for label in LABELS[head]:
                pipe.add_label(label)
        examples = make_examples(nlp)
        nlp.initialize(lambda: examples)
        return nlp

    return make


@pytest.fixture
def optimizer():
    from thinc.api import Adam

    return Adam(2e-3, L2=0.01, L2_is_weight_decay=True, grad_clip=1.0, use_averages=False)
