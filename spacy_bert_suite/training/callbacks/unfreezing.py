"""gradual_unfreezing.v1: layers begin to learn one after another (Howard and Ruder 2018)."""

from collections.abc import Callable
from typing import Any

from spacy.language import Language

from ...backbone.component import Bert
from ...backbone.model import get_backbone
from ...core.validation import check_config
from ...errors import CodedValueError, Errors

BeforeUpdate = Callable[[Language, dict[str, Any]], None]


def make_gradual_unfreezing(
    steps_per_layer: int, start_layers: int = 0, component: str = "bert"
) -> BeforeUpdate:
    """Registered as the callback "spacy-bert-suite.gradual_unfreezing.v1", for
    `training.before_update`: the heads learn first, then the top layer with them, then the one
    below, and at last the embeddings (Howard and Ruder 2018, section 3.3). What learns depends on
    the step only.

    steps_per_layer (int): Updates from the opening of a layer to that of the one below; the top
        layer opens after as many.
    start_layers (int): Layers that are open from the start.
    component (str): Name of the backbone. Layers that its `freeze_layers` keeps stay closed.
    RETURNS (Callable): The callback.
    RAISES (ValueError): If a value is out of its range.
    """
    owner = "spacy-bert-suite.gradual_unfreezing.v1"
    check_config(owner, "steps_per_layer", steps_per_layer, steps_per_layer > 0, "1 or more")
    check_config(owner, "start_layers", start_layers, start_layers >= 0, "0 or more")

    def open_layers(nlp: Language, args: dict[str, Any]) -> None:
        n_open = start_layers + args["step"] // steps_per_layer
        get_backbone(find_trainable(nlp, component).model).module.open_layers(n_open)

    return open_layers


def find_trainable(nlp: Language, name: str) -> Bert:
    """RETURNS (Bert): A backbone that learns.
    RAISES (ValueError): If there is no such component, or it is no backbone, or does not learn.
    """
    pipe = dict(nlp.pipeline).get(name)
    if not isinstance(pipe, Bert) or not pipe.is_trainable:
        raise CodedValueError(Errors.B180.format(name=name, found=", ".join(nlp.pipe_names)))
    return pipe
