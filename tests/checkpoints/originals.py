"""What transformers itself computes."""

import inspect
import json
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoTokenizer


def open_original(path: Path, auto: str) -> Any:
    """RETURNS (Tuple): Model and tokenizer, as transformers opens them."""
    model = getattr(transformers, auto).from_pretrained(path).eval()
    return model, AutoTokenizer.from_pretrained(path)


def logits_of(path: Path, auto: str, *texts: Any) -> Any:
    """RETURNS: What transformers computes for one text, or for a pair."""
    model, tokenizer = open_original(path, auto)
    with torch.no_grad():
        encoded = tokenizer(*texts, return_tensors="pt")
        if "token_type_ids" not in inspect.signature(model.forward).parameters:
            del encoded["token_type_ids"]
        return model(**encoded)


def change_config(path: Path, **values: Any) -> None:
    """Put other values into config.json, as others may have written them."""
    file = path / "config.json"
    config = json.loads(file.read_text(encoding="utf8"))
    file.write_text(json.dumps({**config, **values}), encoding="utf8")
