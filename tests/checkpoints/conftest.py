"""Tiny originals: random fine-tuned models of transformers, with the tokenizer of the tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoTokenizer


@pytest.fixture
def make_original(tiny_bert, tmp_path) -> Callable[..., Path]:
    """Write a random model of a class of transformers; its weights are large enough to matter."""

    def make(
        kind: str,
        *,
        names: Any = None,
        folder: str = "original",
        tokenizer: Any = None,
        **settings: Any,
    ) -> Path:
        model_class = getattr(transformers, kind)
        tokenizer = tokenizer or AutoTokenizer.from_pretrained(tiny_bert)
        sizes = {
            "vocab_size": len(tokenizer),
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": 64,
            "initializer_range": 0.5,
        }
        if names is not None:
            settings["id2label"] = dict(enumerate(names))
            settings["label2id"] = {name: i for i, name in enumerate(names)}
        config = model_class.config_class(**{**sizes, **settings})
        torch.manual_seed(3)
        model = model_class(config)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("bias"):
                    parameter.normal_(std=0.2)
        path = tmp_path / folder
        model.save_pretrained(path)
        tokenizer.save_pretrained(path)
        return path

    return make
