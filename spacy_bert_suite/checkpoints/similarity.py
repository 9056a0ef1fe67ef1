"""Sentence-BERT folders: `bert_similarity` from one, and as one."""

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from spacy.language import Language

from ..backbone.weights.loading import save_folder
from ..tasks.similarity.sentence_bert import POOLING_MODES, TRANSFORMER_CONFIG
from .export_spec import refuse
from .plan import ImportOptions, Plan
from .source import OURS, WEIGHTS, Source, read_json
from .upstream import find_upstream

# Joined vectors stand in this order in sentence-transformers.
ORDER = ("cls", "max", "mean", "mean_sqrt_len", "weighted_mean")
MODULES = "sentence_transformers.models."


def plan_import(source: Source, config: Any, options: ImportOptions) -> Plan:
    """A `bert_similarity`, which reads modules.json itself, and as much of a text as
    sentence-transformers; mean pooling over whole texts where there is no such file.
    """
    model = {"@architectures": "spacy-bert-suite.SentenceEncoder.v1", "pooling": "mean"}
    plan = Plan("bert_similarity", model, ["bert", "texts"])
    if source.is_sentence_bert:
        long_documents = source.extra.get("long_documents", "first")
        model.update(pooling="auto", long_documents=long_documents)
        plan.window = max_length(source)
        plan.sources = (source.name, str(source.root))
    return plan


def reads_sentences(source: Source, config: Any) -> bool:
    """RETURNS (bool): Whether a checkpoint is a Sentence-BERT folder."""
    return source.is_sentence_bert


def max_length(source: Source) -> int | None:
    """RETURNS (int | None): Wordpieces at which sentence-transformers cuts texts off."""
    files = {TRANSFORMER_CONFIG: "max_seq_length", "tokenizer_config.json": "model_max_length"}
    for file_, key in files.items():
        path = source.folder / file_
        limit = read_json(path).get(key) if path.is_file() else None
        if isinstance(limit, (int, float)) and limit > 0:
            return int(limit)
    return None


def write_folder(nlp: Language, pipe: Any, path: Path) -> None:
    """Write a folder for sentence-transformers. Its vectors equal those of texts of one window."""
    module, backbone = pipe.get_embedder(), find_upstream(nlp, pipe)
    names = module.cfg["pooling"].split("+")
    if names != [name for name in ORDER if name in names]:
        known = ", ".join(ORDER)
        reason = f'pooling = "{module.cfg["pooling"]}"; a Sentence-BERT folder has {known}'
        raise refuse(pipe.name, f"{reason}, joined in this order", 'pooling = "mean"')
    save_folder(backbone.to_checkpoint(), path)
    parts: list[tuple[str, dict[str, Any], dict[str, torch.Tensor]]] = [
        ("Pooling", _pooling(names, backbone.module.width), {})
    ]
    parts.extend(("Dense", *_dense(layer[0], layer[1])) for layer in module.dense)
    width = module.dense[-1][0].out_features if len(module.dense) else backbone.module.width
    width = width if len(module.dense) else width * len(names)
    if module.n_out < width:  # as a linear layer: sentence-transformers saves no truncation
        parts.append(("Dense", *_dense(_first_of(width, module.n_out), torch.nn.Identity())))
    if module.cfg["normalize"]:
        parts.append(("Normalize", {}, {}))
    _write_parts(parts, path)
    limit = {"max_seq_length": backbone.window, "do_lower_case": False}
    _write_json(path / TRANSFORMER_CONFIG, limit)
    extra = {"long_documents": module.cfg["long_documents"]}
    _write_json(path / "config.json", {**read_json(path / "config.json"), OURS: extra})


def _pooling(names: list[str], width: int) -> dict[str, Any]:
    keys = {ours: theirs for theirs, ours in POOLING_MODES.items()}
    modes = {f"pooling_mode_{keys[name]}": name in names for name in ORDER}
    return {"word_embedding_dimension": width, **modes}


def _dense(
    layer: torch.nn.Linear, activation: torch.nn.Module
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    kind = type(activation)
    config = {
        "in_features": layer.in_features,
        "out_features": layer.out_features,
        "bias": layer.bias is not None,
        "activation_function": f"{kind.__module__}.{kind.__name__}",
    }
    state = {f"linear.{key}": value.detach().cpu() for key, value in layer.state_dict().items()}
    return config, state


def _first_of(width: int, n_out: int) -> torch.nn.Linear:
    layer = torch.nn.Linear(width, n_out, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(n_out, width))
    return layer


def _write_parts(
    parts: list[tuple[str, dict[str, Any], dict[str, torch.Tensor]]], path: Path
) -> None:
    modules = [{"idx": 0, "name": "0", "path": "", "type": f"{MODULES}Transformer"}]
    for i, (kind, config, state) in enumerate(parts, start=1):
        folder = path / f"{i}_{kind}"
        folder.mkdir()
        if config:
            _write_json(folder / "config.json", config)
        if state:
            safetensors.torch.save_file(state, folder / WEIGHTS)
        entry = {"idx": i, "name": str(i), "path": folder.name, "type": f"{MODULES}{kind}"}
        modules.append(entry)
    _write_json(path / "modules.json", modules)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf8")
