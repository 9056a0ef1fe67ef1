"""A component and its backbone to a folder that transformers opens, with the same logits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from spacy.language import Language

from ..backbone.component import Bert
from ..backbone.listener import BertListener
from ..backbone.model import get_backbone
from ..backbone.passes.shared import SharedEncoder
from ..backbone.shim import BackboneShim
from ..backbone.weights.loading import save_folder
from ..core.atomic import new_folder
from ..core.torch_shim import get_shim
from ..errors import CodedValueError, Errors
from .export_spec import ExportSpec, refuse, write_shape
from .ner import shape_tagger
from .paraphrase import shape_pairs
from .qa import shape_answers
from .similarity import write_sentence_folder
from .textcat import shape_texts

SHAPES: dict[str, Callable[[Any, Any, Any], ExportSpec]] = {
    "bert_ner": shape_tagger,
    "bert_textcat": shape_texts,
    "bert_textcat_multilabel": shape_texts,
    "bert_sentiment": shape_texts,
    "bert_qa": shape_answers,
    "bert_paraphrase": shape_pairs,
}
NO_SHAPE = {
    "bert_summarizer": "it scores sentences in the light of all others of their text, and "
    "transformers has no such model",
}


def export_checkpoint(nlp: Language, name: str, path: str | Path) -> Path:
    """Write a component and its backbone as a folder that transformers opens by itself, with the
    same logits; of `bert_similarity` a folder for sentence-transformers; of `bert` the encoder.

    nlp (Language): The pipeline.
    name (str): The component.
    path (str | Path): A folder that is new or empty.
    RETURNS (Path): The folder.
    RAISES (ValueError): If there is no such component, if it is not trained, or if transformers
        has no model that would give the same.
    RAISES (OSError): If the folder holds files, or cannot be written.
    """
    if name not in nlp.component_names:
        raise CodedValueError(Errors.B231.format(name=name, found=", ".join(nlp.component_names)))
    pipe: Any = dict(nlp.components)[name]
    factory = nlp.get_pipe_meta(name).factory
    path = Path(path).expanduser()
    for bert in backbones(nlp):
        bert.flush_pending_step()
    with new_folder(path) as folder:
        _write(nlp, pipe, factory, folder)
    return path


def _write(nlp: Language, pipe: Any, factory: str, folder: Path) -> None:
    if factory == "bert":
        save_folder(get_backbone(pipe.model).to_checkpoint(), folder)
    elif factory == "bert_pretrainer":
        pipe.write_checkpoint(folder)
    elif factory == "bert_similarity":
        backbone = find_backbone(nlp, pipe)
        write_sentence_folder(pipe, pipe.get_embedder(), backbone, folder)
    elif factory in SHAPES:
        module = get_shim(pipe.model).module
        if module is None:
            raise CodedValueError(Errors.B050.format(name=pipe.name))
        source = find_backbone(nlp, pipe).to_checkpoint()
        shape = SHAPES[factory](pipe, module, source.encoder)
        shape.extra["component"] = factory
        write_shape(shape, source, pipe.name, folder)
    else:
        reason = NO_SHAPE.get(factory, f"it is made by '{factory}', which has no such form")
        raise refuse(pipe.name, reason, None)


def find_backbone(nlp: Language, pipe: Any) -> BackboneShim:
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
    return [pipe for _, pipe in nlp.components if isinstance(pipe, Bert)]


def _find(nlp: Language, pipe: Any) -> Any:
    for node in pipe.model.walk():
        if isinstance(node.shims[0] if node.shims else None, BackboneShim):
            return get_backbone(node)
        if isinstance(node, BertListener):
            for bert in backbones(nlp):
                if bert.store is node.store:
                    return get_backbone(bert.model)
        if isinstance(node, SharedEncoder) and node.backbone:
            return node.get_backbone()
    raise CodedValueError(Errors.B032.format(name=pipe.name, upstream="bert"))
