"""Which task learns from which file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...data.multitask import AND
from ...errors import CodedValueError, Errors
from .task import SPACY_READER, SPLITS, TaskConfig

ALL = ""  # key of a path that is for all tasks that have none of their own
Paths = Mapping[str, Path]


@dataclass(frozen=True)
class Group:
    """Tasks that learn from the same files."""

    tasks: tuple[TaskConfig, ...]
    paths: Paths  # by split

    @property
    def key(self) -> str:
        """RETURNS (str): Key of a corpus of several."""
        return AND.join(task.component for task in self.tasks)

    def variable(self, split: str, alone: bool) -> str:
        """RETURNS (str): Name in [paths]."""
        return split if alone else "_".join([split, *(task.name for task in self.tasks)])

    def corpus(self, split: str, alone: bool) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The section of the reader."""
        path = f"${{paths.{self.variable(split, alone)}}}"
        reader = self.tasks[0].reads(self.paths[split])
        if reader == SPACY_READER:
            gold_preproc = all(task.gold_tokens for task in self.tasks)
            return {"@readers": reader, "path": path, "gold_preproc": gold_preproc}
        return {"@readers": reader, "path": path, **self.tasks[0].reading.get(split, {})}


def path_for(task: TaskConfig, split: str, given: Paths) -> Path:
    """RETURNS (Path): The file for a split of a task, which exists and can be read.
    RAISES (ValueError): If not.
    """
    path = given.get(task.name, given.get(ALL))
    if path is None:
        raise CodedValueError(Errors.B263.format(split=split, task=task.name))
    how = f"python -m spacy bert convert {task.convert} {{source}} {path.with_suffix('.spacy')}"
    if not path.exists():
        is_made = bool(task.convert) and path.suffix == ".spacy"
        advice = f", or make it: {how.format(source='INPUT')}" if is_made else ""
        raise CodedValueError(
            Errors.B261.format(path=path, split=split, task=task.name, advice=advice)
        )
    if task.reads(path) is None:
        suffixes = ", ".join(sorted({".spacy", *task.suffixes} - {"/"}))
        how = how.format(source=path)
        raise CodedValueError(
            Errors.B262.format(path=path, task=task.name, suffixes=suffixes, how=how)
        )
    return path


def check_names(tasks: Sequence[TaskConfig], split: str, given: Paths) -> None:
    """RAISES (ValueError): If a path is for a task that is not there."""
    names = [task.name for task in tasks]
    for name in given:
        if name not in (ALL, *names):
            raise CodedValueError(
                Errors.B264.format(split=split, name=name, tasks=", ".join(names))
            )


def group(tasks: Sequence[TaskConfig], paths: Mapping[str, Paths]) -> list[Group]:
    """RETURNS (list[Group]): The tasks, with those together that read the same files in the same
    way.
    """
    found: dict[tuple, list[TaskConfig]] = {}
    for task in tasks:
        key = tuple((paths[task.name][split], task.reads(paths[task.name][split]))
                    for split in SPLITS)  # fmt: skip
        found.setdefault(key, []).append(task)
    return [Group(tuple(members), paths[members[0].name]) for members in found.values()]
