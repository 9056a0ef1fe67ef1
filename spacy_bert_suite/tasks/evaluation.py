"""Scores of all components, from `.spacy` files and from those that the readers take."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.training import Corpus, Example
from spacy.util import registry

from ..errors import CodedValueError, Errors
from ..training.new_config.task import (
    PREFIX,
    SPACY_READER,
    SPACY_SUFFIXES,
    Data,
    TaskConfig,
    suffix_of,
)
from .configs import find_tasks, task_configs

Scores = dict[str, Any]
SPEED = "speed"


def evaluate(
    nlp: Language, path: Path, *, task: str | None = None, gold_preproc: bool = False
) -> dict[str, Scores]:
    """Score a pipeline.

    nlp (Language): The pipeline.
    path (Path): A `.spacy` corpus, or a file that the reader of a task takes.
    task (str | None): Score its components alone; None for all that the pipeline has.
    gold_preproc (bool): Keep the tokens and the sentences of a `.spacy` corpus.
    RETURNS (dict[str, dict[str, Any]]): Scores by component, those of the tokenizer first; "speed",
        words per second, is by itself.
    RAISES (ValueError): If the pipeline has nothing for the task, or nothing that reads the file.
    """
    if not path.exists():
        raise CodedValueError(Errors.B200.format(path=path))
    wanted = find_tasks([task])[0] if task else None
    present = tasks_of(nlp)
    if wanted and wanted.name not in present.values():
        found = ", ".join(present) or "none"
        raise CodedValueError(Errors.B270.format(task=wanted.name, found=found))
    examples = read_examples(nlp, path, wanted, gold_preproc)
    others = [name for name in present if wanted and present[name] != wanted.name]
    with nlp.select_pipes(disable=others) if others else nullcontext():
        return nlp.evaluate(examples, per_component=True)


def tasks_of(nlp: Language) -> dict[str, str]:
    """RETURNS (dict[str, str]): The components for tasks, and the task of each."""
    factories = {name: nlp.get_pipe_meta(name).factory for name in nlp.pipe_names}
    names = {name: factory.removeprefix(PREFIX) for name, factory in factories.items()}
    return {name: task for name, task in names.items() if PREFIX + task == factories[name]
            and task in task_configs()}  # fmt: skip


def read_examples(
    nlp: Language, path: Path, task: TaskConfig | None, gold_preproc: bool
) -> list[Example]:
    """Read a file in the way of a task.

    task (TaskConfig | None): None to find one that the pipeline has, and that reads such files.
    RAISES (ValueError): If there is none, or more than one.
    """
    task = task or find_reading_task(nlp, path)
    if task is None or task.reads(path) == SPACY_READER:
        return list(Corpus(path, gold_preproc=gold_preproc)(nlp))
    if task.reads(path) is None:
        suffixes = ", ".join(sorted({".spacy", *task.suffixes} - {"/"}))
        raise CodedValueError(Errors.B267.format(task=task.name, path=path, suffixes=suffixes))
    fitted = task.fitted(Data(path, path, longest=longest_window(nlp)))
    reader = registry.readers.get(task.reader)
    return list(reader(path, **fitted.reading.get("dev", {}))(nlp))


def find_reading_task(nlp: Language, path: Path) -> TaskConfig | None:
    """RETURNS (TaskConfig | None): The one of the pipeline whose reader takes the file; None for
    a `.spacy` corpus, which has gold for all.
    """
    present = tasks_of(nlp)
    if suffix_of(path) in SPACY_SUFFIXES and present.keys() != {"bert_pretrainer"}:
        return None
    tasks = [task_configs()[name] for name in present.values()]
    readers = {task.reader: task for task in tasks if task.reads(path)}
    if not readers:
        raise CodedValueError(Errors.B269.format(path=path, found=", ".join(present) or "none"))
    if len(readers) > 1:
        names = [task.name for task in readers.values()]
        message = Errors.B268.format(path=path, found=", ".join(names), first=names[0])
        raise CodedValueError(message)
    return next(iter(readers.values()))


def longest_window(nlp: Language) -> int | None:
    """RETURNS (int | None): Wordpieces that the backbone reads at a time."""
    settings = nlp.config.get("components", {}).get("bert", {}).get("model", {})
    return settings.get("window")


def flat(scores: Mapping[str, Any]) -> Scores:
    """RETURNS (dict[str, Any]): All scores by name, as `nlp.evaluate` gives them by default."""
    found: Scores = {}
    for values in scores.values():
        found.update(values if isinstance(values, Mapping) else {})
    return {**found, SPEED: scores[SPEED]}
