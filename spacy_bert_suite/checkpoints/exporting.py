"""export_checkpoint: a component and its backbone as a folder that transformers opens."""

from pathlib import Path
from typing import Any

from spacy.language import Language

from ..backbone.model import get_backbone
from ..backbone.weights.loading import save_folder
from ..core.atomic import new_folder
from ..core.torch_shim import get_shim
from ..errors import CodedValueError, Errors
from ..tasks.registry import Exporter, find_task, load
from .export_spec import ExportSpec, refuse, write_model
from .upstream import backbones, find_upstream


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
        return
    task = find_task(factory)
    exporter = Exporter() if task is None else task.exporter
    if exporter.folder:
        load(exporter.folder)(nlp, pipe, folder)
    elif exporter.spec:
        _write_spec(nlp, pipe, factory, exporter, folder)
    else:
        reason = exporter.refusal or f"it is made by '{factory}', which has no such form"
        raise refuse(pipe.name, reason, None)


def _write_spec(nlp: Language, pipe: Any, factory: str, exporter: Exporter, folder: Path) -> None:
    module = get_shim(pipe.model).module
    if module is None:
        raise CodedValueError(Errors.B050.format(name=pipe.name))
    source = find_upstream(nlp, pipe).to_checkpoint()
    spec: ExportSpec = load(exporter.spec)(pipe, module, source.encoder)
    spec.extra["component"] = factory
    write_model(spec, source, pipe.name, folder)
