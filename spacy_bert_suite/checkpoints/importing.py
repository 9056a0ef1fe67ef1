"""import_checkpoint: a fine-tuned Hugging Face folder as a backbone and a component."""

import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from thinc.api import Config

from ..backbone.component import Bert
from ..backbone.model import get_backbone
from ..backbone.shim import longest_input
from ..backbone.weights.loading import Checkpoint, load_folder
from ..core.finite import check_finite
from ..core.torch_shim import get_shim
from ..core.validation import check_choice
from ..errors import CodedValueError, Errors, Warnings
from ..tasks.registry import BACKBONE, importers, load
from .families import HEAD_LAYERS
from .match_backbone import find_same
from .plan import ImportOptions, Plan
from .source import Source, open_source, read_tensors

META = "bert_checkpoints"  # key in nlp.meta
MOST_PIECES = 8192  # in one forward pass


def plan_backbone(source: Source, config: Any, options: ImportOptions) -> Plan:
    """The backbone alone."""
    return Plan()


def import_checkpoint(
    source: str | Path,
    lang: str = "en",
    task: str | None = None,
    *,
    nlp: Language | None = None,
    name: str | None = None,
    labels: list[str] | None = None,
    scheme: str | None = None,
    revision: str | None = None,
    precision: str = "fp32",
    device: str = "auto",
    config: dict[str, Any] | None = None,
) -> Language:
    """Make a pipeline whose predictions are those of a fine-tuned checkpoint, without training.

    source (str | Path): A folder written by `save_pretrained`, or a hub id.
    lang (str): Language of spaCy's tokenizer.
    task (str | None): "ner", "textcat", "qa" ... (see `tasks/registry.py`); by default what the
        folder's config tells.
    nlp (Language | None): Add to this pipeline. If it has a backbone with the very same
        weights, precision and device, the new head listens to that; if not, it brings a second one.
    name (str | None): Name of the new component.
    labels (list[str] | None): Names of the outputs in their order, if the folder has none.
    scheme (str | None): "bio" or "iob1", where the labels of a tagger leave it open.
    revision (str | None): Branch, tag or commit of a hub id.
    precision (str): Of the backbone. With "auto" it may be faster, and equal to two digits only.
    device (str): Of the backbone.
    config (Dict | None): Further settings of the component.
    RETURNS (Language): The pipeline.
    RAISES: ValueError or OSError, if there is no such checkpoint, or none that can be imported;
        a given pipeline is then as before.
    """
    found = open_source(str(source), revision)
    task = check_task(found, task)
    checkpoint = load_folder(found.root)
    encoder_config = checkpoint.encoder.config
    task = task or guess_task(found, encoder_config)
    make_plan = load(importers()[task].plan)
    plan = make_plan(found, encoder_config, ImportOptions(task, labels, scheme))
    nlp = blank(lang) if nlp is None else nlp
    with ExitStack() as undo:
        run = {"precision": precision, "device": device, **windows_of(checkpoint, plan)}
        backbone = None if plan.factory is None else find_same(nlp, checkpoint, plan, run)
        if backbone is None:
            run["name"] = str(found.root if revision else source)
            backbone = add_backbone(nlp, checkpoint, run, undo)
        head = add_head(nlp, plan, backbone, name, config or {}, undo)
        undo.pop_all()
    _note(nlp, found, revision, backbone, head)
    if plan.is_squashed:
        warnings.warn(Warnings.B938.format(name=head, path=found.name), stacklevel=2)
    return nlp


def check_task(source: Source, task: str | None) -> str | None:
    """RAISES (ValueError): If the checkpoint is not of a kind that the task can be made of."""
    if task is not None:
        check_choice(source.name, "task", task, importers())
    known = [ends for each in importers().values() for ends in each.architectures]
    wanted = known if task is None else list(importers()[task].architectures)
    kind = source.architecture
    is_plain = task is None and (not kind or kind.endswith("Model") or source.is_sentence_bert)
    if wanted and kind and not is_plain and not kind.endswith(tuple(wanted)):
        kinds = ", ".join(dict.fromkeys(wanted))
        raise CodedValueError(Errors.B230.format(path=source.name, architecture=kind, known=kinds))
    return task


def guess_task(source: Source, config: Any) -> str:
    """RETURNS (str): The task that a checkpoint's config tells: one that claims it, or else that of
    its architecture.
    """
    kind = source.architecture
    fitting = [
        each
        for each in importers().values()
        if not each.architectures or kind.endswith(each.architectures)
    ]
    for each in fitting:
        if each.is_of and load(each.is_of)(source, config):
            return each.task
    for each in fitting:
        if each.architectures and not each.is_of:
            return each.task
    warn_of_heads(source)
    return BACKBONE.task


def warn_of_heads(source: Source) -> None:
    """Warn where the weights have a head, and the config does not say of what kind."""
    if source.architecture:
        return
    found = list(read_tensors(source.folder, [f"{layer}.weight" for layer in HEAD_LAYERS]))
    if found:
        head = found[0].removesuffix(".weight")
        warnings.warn(Warnings.B940.format(path=source.name, head=head), stacklevel=4)


def blank(lang: str) -> Language:
    try:
        return spacy.blank(lang)
    except ImportError as error:
        raise CodedValueError(Errors.B212.format(lang=lang, reason=error)) from error


def windows_of(checkpoint: Checkpoint, plan: Plan) -> dict[str, Any]:
    """RETURNS (Dict): Settings of a backbone that reads as much at once as the plan says, or else
    as the checkpoint takes, within reason.
    """
    window = min(longest_input(checkpoint), plan.window or MOST_PIECES, MOST_PIECES)
    stride = max(1, window * 3 // 4)
    return {"window": window, "stride": stride, "max_batch_pieces": MOST_PIECES}


def add_backbone(
    nlp: Language, checkpoint: Checkpoint, settings: dict[str, Any], undo: ExitStack
) -> str:
    """RETURNS (str): The name of the new component."""
    architecture = {"@architectures": "spacy-bert-suite.BertModel.v1"}
    name = free_name(nlp, "bert")
    pipe = nlp.add_pipe("bert", name, config={"model": {**architecture, **settings}})
    undo.callback(nlp.remove_pipe, name)
    get_shim(pipe.model).load(checkpoint)  # type: ignore[attr-defined]
    get_backbone(pipe.model)  # type: ignore[attr-defined]
    others = [other for other, pipe in nlp.components if isinstance(pipe, Bert) and other != name]
    if others:
        warnings.warn(Warnings.B939.format(name=name, others=", ".join(others)), stacklevel=3)
    return name


def add_head(
    nlp: Language,
    plan: Plan,
    upstream: str,
    name: str | None,
    config: dict[str, Any],
    undo: ExitStack,
) -> str | None:
    """RETURNS (str | None): The name of the new component, if there is one."""
    if plan.factory is None:
        return None
    name = name or free_name(nlp, plan.factory)
    settings = Config(plan.config(upstream)).merge(config)
    pipe: Any = nlp.add_pipe(plan.factory, name, config=dict(settings))
    undo.callback(nlp.remove_pipe, name)
    pipe.build_untrained(nlp, **plan.initialize)
    if plan.weights is not None:
        try:
            get_shim(pipe.model).module.load_state_dict(plan.weights)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1].strip()
            message = Errors.B006.format(part="head", path=name, reason=reason)
            raise CodedValueError(message) from error
        check_finite(plan.weights.items(), name)
    pipe.cfg.update(plan.cfg)
    return name


def free_name(nlp: Language, wanted: str) -> str:
    names = (wanted, *(f"{wanted}_{i}" for i in range(2, len(nlp.component_names) + 3)))
    return next(name for name in names if name not in nlp.component_names)


def _note(
    nlp: Language, source: Source, revision: str | None, backbone: str, head: str | None
) -> None:
    """Keep in the pipeline's meta.json what came from where."""
    entry = {
        "source": source.name,
        "revision": revision,
        "architecture": source.architecture,
        "backbone": backbone,
        "component": head,
    }
    nlp.meta[META] = [*nlp.meta.get(META, []), entry]
