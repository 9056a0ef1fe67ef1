"""Sequence classification of pairs: `bert_paraphrase` from a checkpoint, and as one."""

from typing import Any

import torch

from ..data.pairs import is_positive
from ..errors import CodedValueError, Errors
from .export_spec import ExportSpec, check_pooler, names_of
from .families import find_family
from .plan import ImportOptions, Plan, dropout_of, known, pooled_weights
from .source import Source
from .tagset import MULTILABEL, REGRESSION, is_nameless, names_in_order, read_names, refuse_numbers

SIGMOID = "torch.nn.modules.activation.Sigmoid"
CROSS_ENCODER = "sentence_transformers"  # key in config.json of a cross-encoder
OLD_ACTIVATION = "sbert_ce_default_activation_function"
NLI = {"entailment", "contradiction"}
Tensors = dict[str, torch.Tensor]


def plan_import(source: Source, config: Any, options: ImportOptions) -> Plan:
    """A `bert_paraphrase` with the dense layer that the checkpoint has over [CLS], and its
    classifier.
    """
    family = find_family(source.model_type, source.name, config)
    dense, output = source.linear(family.dense), source.linear(family.output)
    is_single = len(output["bias"]) == 1
    mode, output, labels = read_output(source, config, options, output)
    model = {
        "@architectures": "spacy-bert-suite.PairClassifier.v1",
        "pooling": "pooler",
        "activation": family.activation,
        "long_texts": source.extra.get("long_texts", "mean"),
        "dropout": dropout_of(config),
    }
    return Plan(
        "bert_paraphrase",
        model,
        ["pairs"],
        {"mode": mode, "symmetric": bool(source.extra.get("symmetric", False))},
        {"labels": labels} if mode == "classes" else {},
        pooled_weights(dense, output),
        known(source.extra, "temperature"),
        is_squashed=is_single and not _has_sigmoid(source, config),
    )


def read_output(
    source: Source, config: Any, options: ImportOptions, output: Tensors
) -> tuple[str, Tensors, list[str]]:
    """What the outputs of a classifier of pairs say: one is a probability or a grade, and so are
    two that say no and yes; the rest are classes.

    output (dict[str, Tensor]): Weight, with a row for each output, and bias.
    RETURNS (tuple[str, dict[str, Tensor], list[str]]): The mode, the rows in our order, and the
        labels of classes.
    """
    n_outputs = len(output["bias"])
    mode = source.extra.get("mode")
    if n_outputs == 1:
        by_default = "graded" if _is_graded(source, config) else "binary"
        return mode or by_default, {k: torch.cat([0 * v, v]) for k, v in output.items()}, []
    refuse_numbers(config.problem_type, n_outputs, source.name)
    if config.problem_type == MULTILABEL:
        raise CodedValueError(Errors.B236.format(path=source.name, n=n_outputs))
    given = config.id2label, options.labels, n_outputs, source.name
    yes = find_yes(names_in_order(*given)) if n_outputs == 2 else None
    if yes is not None and mode != "classes":
        return "binary", {key: rows[[1 - yes, yes]] for key, rows in output.items()}, []
    return "classes", output, read_names(*given)


def reads_pairs(source: Source, config: Any) -> bool:
    """RETURNS (bool): Whether a sequence classifier is for pairs, as far as it can be seen."""
    names = {str(name).lower() for name in config.id2label.values()}
    is_cross_encoder = CROSS_ENCODER in source.config or OLD_ACTIVATION in source.config
    ours = source.component == "bert_paraphrase"
    if config.problem_type == MULTILABEL and not ours:
        return False
    return ours or is_cross_encoder or len(names) == 1 or bool(names & NLI)


def find_yes(names: list[str]) -> int | None:
    """RETURNS (int | None): Which of two outputs says yes; None if the names do not tell."""
    if is_nameless(names):
        return 1
    positive = [i for i, name in enumerate(names) if is_positive(name)]
    return positive[0] if len(positive) == 1 else None


def _is_graded(source: Source, config: Any) -> bool:
    return config.problem_type == REGRESSION or _activation(source) is not None


def _has_sigmoid(source: Source, config: Any) -> bool:
    """Whether the original's own prediction is the sigmoid of its logit, as here."""
    if config.problem_type == REGRESSION:
        return False
    return _activation(source) in (None, SIGMOID)


def _activation(source: Source) -> str | None:
    """RETURNS (str | None): What a cross-encoder of sentence-transformers puts on its logits."""
    settings = source.config.get(CROSS_ENCODER)
    found = settings.get("activation_fn") if isinstance(settings, dict) else None
    return found or source.config.get(OLD_ACTIVATION)


def plan_export(pipe: Any, module: Any, encoder: Any) -> ExportSpec:
    """A cross-encoder, as sentence-transformers has them too."""
    family = check_pooler(pipe, module, encoder)
    labels = list(pipe.labels) or ["score" if pipe.mode == "graded" else "paraphrase"]
    activation = "torch.nn.modules.linear.Identity" if pipe.labels else SIGMOID
    settings = {CROSS_ENCODER: {"activation_fn": activation}}
    extra = {
        "mode": pipe.mode,
        "symmetric": pipe.symmetric,
        "long_texts": module.long_texts,
        "temperature": pipe.cfg["temperature"],
    }
    tensors: dict[str, torch.Tensor] = names_of(module.output, family.output)
    if module.is_single:  # sigmoid(yes - no) = softmax(no, yes)[yes]
        tensors = {name: rows[1:] - rows[:1] for name, rows in tensors.items()}
    tensors.update(names_of(module.pooler[0], family.dense))
    auto = "AutoModelForSequenceClassification"
    return ExportSpec(auto, tensors, labels, settings, extra)
