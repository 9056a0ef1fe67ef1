"""Kinds of encoders whose heads are known: where their classifiers keep what."""

from typing import Any, Dict, NamedTuple

from ..errors import Errors


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
FAMILIES: Dict[str, Family] = {
    "bert": Family("bert.pooler.dense", "classifier", "Tanh"),
    "camembert": ROBERTA,
    "deberta-v2": Family("pooler.dense", "classifier", "GELU"),
    "distilbert": Family("pre_classifier", "classifier", "ReLU"),
    "electra": Family("classifier.dense", "classifier.out_proj", "GELU"),
    "mpnet": ROBERTA,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
}
TAGS = "classifier"  # the layer of token classification, in all families
ANSWERS = "qa_outputs"  # that of question answering


def find_family(model_type: str, name: Any) -> Family:
    """RETURNS (Family): That of an encoder.
    RAISES (ValueError): If its heads are not known.
    """
    if model_type not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise ValueError(Errors.B222.format(path=name, model_type=model_type, known=known))
    return FAMILIES[model_type]
