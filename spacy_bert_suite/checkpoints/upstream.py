"""The backbone that feeds a component."""

from typing import Any

from spacy.language import Language

from ..backbone.component import Bert
from ..backbone.listener import BertListener
from ..backbone.model import find_backbone, get_backbone
from ..backbone.passes.shared import SharedEncoder
from ..backbone.shim import BackboneShim
from ..errors import CodedValueError, Errors
from .export_spec import refuse


def find_upstream(nlp: Language, pipe: Any) -> BackboneShim:
    """RETURNS (BackboneShim): What the component listens to, or its own after
    `nlp.replace_listeners`.
    RAISES (ValueError): If there is none, or the head takes a mixture of its layers.
    """
    backbone = _find(nlp, pipe)
    layers = backbone.settings.layers
    if layers != "last":
        reason = f'its backbone has layers = "{layers}", and transformers takes the last'
        raise refuse(pipe.name, reason, 'layers = "last"')
    return backbone


def backbones(nlp: Language) -> list[Bert]:
    """RETURNS (list[Bert]): All of a pipeline, disabled ones too."""
    return [pipe for _, pipe in nlp.components if isinstance(pipe, Bert)]


def _find(nlp: Language, pipe: Any) -> BackboneShim:
    own = find_backbone(pipe.model)
    if own is not None:
        return get_backbone(own)
    for node in pipe.model.walk():
        if isinstance(node, BertListener):
            for bert in backbones(nlp):
                if bert.store is node.store:
                    return get_backbone(bert.model)
        if isinstance(node, SharedEncoder) and node.backbone:
            return node.get_backbone()
    raise CodedValueError(Errors.B032.format(name=pipe.name, upstream="bert"))
