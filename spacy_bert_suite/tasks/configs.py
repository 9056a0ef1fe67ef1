"""What a config for training says about each task, found by the registry."""

from collections.abc import Sequence
from functools import lru_cache

from ..errors import CodedValueError, Errors
from ..training.new_config.task import PREFIX, TaskConfig
from .registry import TASKS, load


@lru_cache(maxsize=1)
def task_configs() -> dict[str, TaskConfig]:
    """RETURNS (dict[str, TaskConfig]): By the names of the factories, without "bert_"."""
    found = [load(name) for task in TASKS.values() for name in task.configs]
    return {config.name: config for config in found}


def find_tasks(names: Sequence[str]) -> list[TaskConfig]:
    """RETURNS (list[TaskConfig]): Those of some names, with or without "bert_", each once.
    RAISES (ValueError): If there is no such task.
    """
    found, configs = {}, task_configs()
    for name in names:
        key = name.removeprefix(PREFIX)
        if key not in configs:
            raise CodedValueError(Errors.B260.format(name=name, tasks=", ".join(configs)))
        found[key] = configs[key]
    return [*found.values()]
