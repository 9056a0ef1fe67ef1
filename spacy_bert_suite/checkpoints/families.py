"""Kinds of encoders whose heads are known: where their classifiers keep what."""

from typing import Any, Dict, NamedTuple

from ..errors import Errors


class Family(NamedTuple):
    """The head that transformers puts on an encoder to classify texts.

    dense (str): Name of the dense layer over [CLS], in the weights of the whole model.
    output (str): Name of the layer above, with an output for each label.
    activation (str): Between the two; a name in torch.nn.
    reads_pairs (bool): Whether two texts are written [CLS] a [SEP] b [SEP].
    """

    dense: str
    output: str
    activation: str
    reads_pairs: bool


ROBERTA = Family("classifier.dense", "classifier.out_proj", "Tanh", False)  # a </s></s> b
FAMILIES: Dict[str, Family] = {
    "bert": Family("bert.pooler.dense", "classifier", "Tanh", True),
    "camembert": ROBERTA,
    "distilbert": Family("pre_classifier", "classifier", "ReLU", True),
    "electra": Family("classifier.dense", "classifier.out_proj", "GELU", True),
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


def find_pair_family(model_type: str, name: Any) -> Family:
    """RETURNS (Family): That of an encoder of pairs.
    RAISES (ValueError): If pairs of texts would be read in another way than in transformers.
    """
    family = find_family(model_type, name)
    if not family.reads_pairs:
        known = ", ".join(k for k, v in FAMILIES.items() if v.reads_pairs)
        raise ValueError(Errors.B223.format(path=name, model_type=model_type, known=known))
    return family
