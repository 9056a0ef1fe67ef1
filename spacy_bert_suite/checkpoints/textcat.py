"""Sequence classification of single texts: categories and sentiment."""

from typing import Any

from ..errors import CodedValueError, Errors
from .export_spec import ExportSpec, check_pooler, names_of
from .families import find_family
from .plan import ImportOptions, Plan, dropout_of, known, pooled_weights
from .source import Source
from .tagset import MULTILABEL, read_names, refuse_numbers

EXCLUSIVE = "single_label_classification"


def plan_import(source: Source, config: Any, options: ImportOptions) -> Plan:
    """A `bert_textcat`, `bert_textcat_multilabel` or `bert_sentiment` with the dense layer that the
    checkpoint has over [CLS], and its classifier.
    """
    family = find_family(source.model_type, source.name, config)
    factory = f"bert_{options.task}"
    dense, output = source.linear(family.dense), source.linear(family.output)
    n_outputs = len(output["bias"])
    refuse_numbers(config.problem_type, n_outputs, source.name)
    names = read_names(config.id2label, options.labels, n_outputs, source.name)
    if factory != "bert_textcat_multilabel" and len(names) < 2:
        raise CodedValueError(Errors.B052.format(name=factory, n=2, found=", ".join(names)))
    model = {
        "@architectures": "spacy-bert-suite.TextClassifier.v1",
        "pooling": "pooler",
        "activation": family.activation,
        "long_documents": source.extra.get("long_documents", "mean"),
        "dropout": dropout_of(config),
        "sentences": False,
    }
    weights = pooled_weights(dense, output)
    cfg = known(source.extra, "threshold", "thresholds")
    cfg = cfg if factory == "bert_textcat_multilabel" else {}
    initialize: dict[str, Any] = {"labels": names}
    if factory == "bert_sentiment" and "polarity" in source.extra:
        initialize["polarity"] = source.extra["polarity"]
    return Plan(factory, model, ["bert"], initialize=initialize, weights=weights, cfg=cfg)


def is_multilabel(source: Source, config: Any) -> bool:
    """RETURNS (bool): Whether a sequence classifier gives texts any number of labels."""
    return config.problem_type == MULTILABEL and source.component != "bert_paraphrase"


def is_sentiment(source: Source, config: Any) -> bool:
    """RETURNS (bool): Whether a sequence classifier was exported from a `bert_sentiment`."""
    return config.problem_type != MULTILABEL and source.component == "bert_sentiment"


def plan_export(pipe: Any, module: Any, encoder: Any) -> ExportSpec:
    """The dense layer of the head becomes the one over [CLS], in BERT its pooler."""
    family = check_pooler(pipe, module, encoder)
    tensors = names_of(module.pooler[0], family.dense)
    tensors.update(names_of(module.output, family.output))
    exclusive = pipe.cfg.get("exclusive", True)
    extra = {
        "long_documents": module.long_documents,
        **known(pipe.cfg, "threshold", "thresholds", "polarity"),
    }
    settings = {"problem_type": EXCLUSIVE if exclusive else MULTILABEL}
    auto = "AutoModelForSequenceClassification"
    return ExportSpec(auto, tensors, list(pipe.labels), settings, extra)
