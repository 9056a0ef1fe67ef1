"""Extractive question answering: `bert_qa` from a checkpoint, and as one."""

from typing import Any

from .export_spec import ExportSpec, names_of
from .families import SPAN_LAYER, find_family
from .plan import ImportOptions, Plan, known
from .source import Source


def plan_import(source: Source, config: Any, options: ImportOptions) -> Plan:
    """A `bert_qa` whose scores of starts and ends are the checkpoint's own logits."""
    find_family(source.model_type, source.name)
    layer = source.linear(SPAN_LAYER)
    weights = {f"output.{key}": value for key, value in layer.items()}
    model = {"@architectures": "spacy-bert-suite.AnswerExtractor.v1", "dropout": 0.0}
    cfg = known(source.extra, "null_threshold")
    settings = known(source.extra, "max_answer_pieces")
    return Plan("bert_qa", model, ["pairs"], settings, weights=weights, cfg=cfg)


def plan_export(pipe: Any, module: Any, encoder: Any) -> ExportSpec:
    """One linear layer, and the settings by which answers are chosen."""
    find_family(encoder.config.model_type, pipe.name)
    extra = {key: getattr(pipe, key) for key in ("null_threshold", "max_answer_pieces")}
    tensors = names_of(module.output, SPAN_LAYER)
    return ExportSpec("AutoModelForQuestionAnswering", tensors, extra=extra)
