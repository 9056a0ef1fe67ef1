"""What a config is asked for, and what follows from the corpora and the weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...backbone.weights.shape import Shape, read_shape
from ...core.validation import check
from ...errors import CodedValueError, Errors
from .corpora import Group, Paths, check_names, group, path_for
from .machine import MACHINES, SEVERAL, size_of
from .task import SPLITS, Data, Rate, TaskConfig


@dataclass(frozen=True)
class Request:
    """What a config is asked for.

    tasks (Sequence[TaskConfig]): In the order of the pipeline.
    train, dev (Paths): Corpora by the name of the task, or "" for those not named.
    lang (str): Language of the tokenizer.
    weights (str): "embedded", a folder, or a hub id.
    machine (str): "small" for a machine or GPU with up to 8 GB, else "large".
    steps (int | None): Updates, at least; None for what the tasks need.
    epochs (float | None): Passes over the data, at least; the same.
    """

    tasks: Sequence[TaskConfig]
    train: Paths
    dev: Paths
    lang: str = "en"
    weights: str = "embedded"
    machine: str = "small"
    steps: int | None = None
    epochs: float | None = None


@dataclass(frozen=True)
class Plan:
    """What is known when the corpora and the weights have been looked at."""

    request: Request
    groups: list[Group]
    shape: Shape | None
    size: str

    @property
    def tasks(self) -> list[TaskConfig]:
        by_name = {task.name: task for found in self.groups for task in found.tasks}
        return [by_name[task.name] for task in self.request.tasks]

    @property
    def alone(self) -> bool:
        return len(self.request.tasks) == 1

    @property
    def rate(self) -> Rate:
        return self.tasks[0].rates[self.size] if self.alone else SEVERAL[self.size]

    @property
    def steps(self) -> int:
        return self.request.steps or max(task.steps for task in self.tasks)

    @property
    def epochs(self) -> float:
        asked = self.request.epochs
        return max(task.epochs for task in self.tasks) if asked is None else asked


def make_plan(request: Request) -> Plan:
    """Look at the corpora and the weights.

    RAISES (ValueError, OSError): With a code, if the tasks do not go together, or a corpus or the
        weights are not there or of a kind that cannot be read.
    """
    tasks, alone = request.tasks, len(request.tasks) == 1
    check("size", request.machine, request.machine in MACHINES, " or ".join(MACHINES))
    for task in tasks:
        if task.trains_alone and not alone:
            raise CodedValueError(Errors.B265.format(task=task.name))
    given = dict(zip(SPLITS, (request.train, request.dev)))
    for split in SPLITS:
        check_names(tasks, split, given[split])
    paths = {
        task.name: {split: path_for(task, split, given[split]) for split in SPLITS}
        for task in tasks
    }
    shape = read_shape(request.weights)
    size = size_of(request.weights, shape)
    fitted = [task.fitted(data_of(task, paths, request.weights, shape)) for task in tasks]
    return Plan(request, group(fitted, paths), shape, size)


def data_of(
    task: TaskConfig, paths: Mapping[str, Paths], weights: str, shape: Shape | None
) -> Data:
    train = paths[task.name]["train"]
    others = {name for name in paths if name != task.name}
    beside = {name for name in others if paths[name]["train"] == train}
    longest = shape.longest if shape else None
    return Data(train, paths[task.name]["dev"], not others, frozenset(beside), weights, longest)
