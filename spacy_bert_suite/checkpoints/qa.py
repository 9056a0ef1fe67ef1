"""Question answering heads in Hugging Face folders."""

from typing import Any

from .export_spec import ExportSpec, names_of
from .families import SPAN_LAYER, find_family
from .plan import ImportOptions, Plan, known
from .source import Source


def plan_answers(source: Source, config: Any, wishes: ImportOptions) -> Plan:
    """A `bert_qa`."""
    find_family(source.model_type, source.name)
    layer = source.linear(SPAN_LAYER)
    weights = {f"output.{key}": value for key, value in layer.items()}
    model = {"@architectures": "spacy-bert-suite.AnswerExtractor.v1", "dropout": 0.0}
    cfg = known(source.extra, "null_threshold")
    settings = known(source.extra, "max_answer_pieces")
    return Plan("bert_qa", model, ["pairs"], settings, weights=weights, cfg=cfg)


def shape_answers(pipe: Any, module: Any, encoder: Any) -> ExportSpec:
    find_family(encoder.config.model_type, pipe.name)
    extra = {key: getattr(pipe, key) for key in ("null_threshold", "max_answer_pieces")}
    tensors = names_of(module.output, SPAN_LAYER)
    return ExportSpec("AutoModelForQuestionAnswering", tensors, extra=extra)
