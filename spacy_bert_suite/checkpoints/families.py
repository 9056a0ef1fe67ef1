"""Names and activations of the classification layers of each family of encoders."""

from typing import Any, NamedTuple

from ..errors import CodedValueError, Errors


class Family(NamedTuple):
    """The head that transformers puts on an encoder to classify texts.

    dense (str): Name of the dense layer over [CLS], in the weights of the whole model.
    output (str): Name of the layer above, with an output for each label.
    activation (str): Between the two; a name in torch.nn.
    """

    dense: str
    output: str
    activation: str


ROBERTA = Family("classifier.dense", "classifier.out_proj", "Tanh")
FAMILIES: dict[str, Family] = {
    "bert": Family("bert.pooler.dense", "classifier", "Tanh"),
    "camembert": ROBERTA,
    "deberta-v2": Family("pooler.dense", "classifier", "GELU"),
    "distilbert": Family("pre_classifier", "classifier", "ReLU"),
    "electra": Family("classifier.dense", "classifier.out_proj", "GELU"),
    "mpnet": ROBERTA,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
}
TAG_LAYER = "classifier"  # the layer of token classification, in all families
SPAN_LAYER = "qa_outputs"  # that of question answering
HEAD_LAYERS = sorted({TAG_LAYER, SPAN_LAYER, *(family.output for family in FAMILIES.values())})

# Names of activations in config.json, and in torch.nn.
POOLED_BY = {"gelu": "GELU", "relu": "ReLU", "tanh": "Tanh"}


def find_family(model_type: str, name: Any, config: Any = None) -> Family:
    """config (PretrainedConfig | None): Of the encoder, where it counts what follows the dense
        layer: DeBERTa's says so.
    RETURNS (Family): That of an encoder.
    RAISES (ValueError): If its heads are not known.
    """
    if model_type not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise CodedValueError(Errors.B222.format(path=name, model_type=model_type, known=known))
    family = FAMILIES[model_type]
    pooled_by = getattr(config, "pooler_hidden_act", None)
    if pooled_by is None:
        return family
    if pooled_by not in POOLED_BY:
        found = f"{model_type} with pooler_hidden_act = '{pooled_by}'"
        raise CodedValueError(
            Errors.B222.format(path=name, model_type=found, known=", ".join(FAMILIES))
        )
    return family._replace(activation=POOLED_BY[pooled_by])
