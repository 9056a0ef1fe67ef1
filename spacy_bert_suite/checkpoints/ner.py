"""Token classification: `bert_ner` from a checkpoint, and as one."""

from typing import Any

import torch

from ..tasks.ner.model import parts_of_tags
from ..tasks.ner.schemes import PARTS, make_tags
from .export_spec import ExportSpec, refuse
from .families import TAG_LAYER, find_family
from .plan import ImportOptions, Plan, dropout_of
from .source import Source
from .tagset import read_names, read_tagging, take_rows


def plan_import(source: Source, config: Any, options: ImportOptions) -> Plan:
    """A `bert_ner` whose scores of the tags are the checkpoint's own logits."""
    find_family(source.model_type, source.name)
    layer = source.linear(TAG_LAYER)
    names = read_names(config.id2label, options.labels, len(layer["bias"]), source.name)
    tagging = read_tagging(names, options.scheme or source.extra.get("scheme"), source.name)
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


def plan_export(pipe: Any, module: Any, encoder: Any) -> ExportSpec:
    """One linear layer: what tags share is added to each."""
    find_family(encoder.config.model_type, pipe.name)
    if module.pooling != "first":
        reason = "a word's scores are made from all its wordpieces, and transformers scores each"
        raise refuse(pipe.name, reason, 'pooling = "first"')
    if module.transitions.any():
        reason = "it has learnt transition scores between tags (crf = true)"
        raise refuse(pipe.name, reason, "crf = false")
    tensors = {
        f"{TAG_LAYER}.weight": module.output.weight + module.parts.T @ module.shared.weight,
        f"{TAG_LAYER}.bias": module.output.bias + module.shared.bias @ module.parts,
    }
    tags = make_tags(pipe.labels, pipe.scheme)
    extra = {"component": "bert_ner", "scheme": pipe.scheme}
    return ExportSpec("AutoModelForTokenClassification", tensors, tags, extra=extra)
