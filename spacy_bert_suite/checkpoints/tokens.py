"""Token classification: `bert_ner` from a checkpoint, and as one."""

from typing import Any

import torch

from ..layers import parts_of_tags
from ..schemes import PARTS, make_tags
from .families import TAGS, find_family
from .labels import read_names, read_tagging, take_rows
from .plan import Plan, Wishes, dropout_of
from .shape import Shape, refuse
from .source import Source


def plan_tagger(source: Source, config: Any, wishes: Wishes) -> Plan:
    """A `bert_ner` whose scores of the tags are the checkpoint's own logits."""
    find_family(source.model_type, source.name)
    layer = source.linear(TAGS)
    names = read_names(config.id2label, wishes.labels, len(layer["bias"]), source.name)
    tagging = read_tagging(names, wishes.scheme or source.extra.get("scheme"), source.name)
    weight, bias = (take_rows(layer[key], tagging.rows) for key in ("weight", "bias"))
    n_tags, width = weight.shape
    n_parts = len(parts_of_tags(n_tags, len(PARTS[tagging.scheme])))
    weights = {
        "output.weight": weight,
        "output.bias": bias,
        # What our tags share has no counterpart in a checkpoint.
        "shared.weight": torch.zeros(n_parts, width),
        "shared.bias": torch.zeros(n_parts),
        "transitions": torch.zeros(n_tags, n_tags),
    }
    model = {
        "@architectures": "spacy-bert-suite.TokenClassifier.v1",
        "pooling": "first",
        "dropout": dropout_of(config),
        "crf": False,
        "scheme": tagging.scheme,
    }
    labels = {"labels": tagging.labels}
    return Plan("bert_ner", model, ["bert"], initialize=labels, weights=weights)


def shape_tagger(pipe: Any, module: Any, encoder: Any) -> Shape:
    """One linear layer: what tags share is added to each."""
    find_family(encoder.config.model_type, pipe.name)
    if module.pooling != "first":
        reason = "a word's scores are made from all its wordpieces, and transformers scores each"
        raise refuse(pipe.name, reason, 'pooling = "first"')
    if module.transitions.any():
        reason = "it has learnt transition scores between tags (crf = true)"
        raise refuse(pipe.name, reason, "crf = false")
    tensors = {
        f"{TAGS}.weight": module.output.weight + module.parts.T @ module.shared.weight,
        f"{TAGS}.bias": module.output.bias + module.shared.bias @ module.parts,
    }
    tags = make_tags(pipe.labels, pipe.scheme)
    extra = {"component": "bert_ner", "scheme": pipe.scheme}
    return Shape("AutoModelForTokenClassification", tensors, tags, extra=extra)
