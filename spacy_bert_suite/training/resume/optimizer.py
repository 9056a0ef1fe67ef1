"""The state of a thinc optimizer, by component and parameter."""

from collections.abc import Iterator
from typing import Any, cast

import numpy
from spacy.language import Language
from thinc.api import Optimizer, get_array_module
from thinc.backends import get_array_ops

from ...core.ema import MARK, MARKER

ARRAYS = ("mom1", "mom2", "averages")
COUNTS = ("nr_update", "last_seen")
Key = tuple[int, str]


def parameter_keys(nlp: Language) -> Iterator[tuple[str, Key, Any]]:
    """Name the parameters by where they are: the optimizer knows them by the ids of thinc's models,
    which are others in each process.

    YIELDS (tuple[str, Key, Any]): Name, the optimizer's key, and the parameter.
    """
    for name, pipe in nlp.pipeline:
        walk = getattr(getattr(pipe, "model", None), "walk", tuple)
        for i, node in enumerate(walk()):
            for param in node.param_names:
                if node.has_param(param):
                    yield f"{name}/{i}/{param}", (node.id, param), node.get_param(param)


def get_state(nlp: Language, optimizer: Optimizer) -> tuple[dict[str, numpy.ndarray], dict]:
    """RETURNS (tuple[Dict, Dict]): Moments and averages of the parameters, and the counts."""
    tables = {table: getattr(optimizer, table) or {} for table in ARRAYS}
    arrays, counts = {}, {}
    for name, key, _ in parameter_keys(nlp):
        for table, values in tables.items():
            if key in values:
                arrays[f"{table}/{name}"] = to_numpy(values[key])
        for table in COUNTS:
            if key in getattr(optimizer, table):
                counts[f"{table}/{name}"] = getattr(optimizer, table)[key]
    return arrays, {"counts": counts, "has_mark": MARKER in tables["averages"]}


def set_state(
    nlp: Language, optimizer: Optimizer, arrays: dict[str, numpy.ndarray], rest: dict
) -> None:
    """Take up what `get_state` gave, into an optimizer that has done nothing yet."""
    for name, key, parameter in parameter_keys(nlp):
        ops = get_array_ops(parameter)
        for table in ARRAYS:
            if f"{table}/{name}" in arrays:
                getattr(optimizer, table)[key] = ops.asarray(arrays[f"{table}/{name}"].copy())
        for table in COUNTS:
            if f"{table}/{name}" in rest["counts"]:
                getattr(optimizer, table)[key] = rest["counts"][f"{table}/{name}"]
    if rest["has_mark"] and optimizer.averages is not None:
        optimizer.averages[MARKER] = cast(Any, MARK)


def step_schedules(optimizer: Optimizer, n_steps: int) -> None:
    """Bring the schedules to where they are after so many updates: they are generators, which
    can only be run.
    """
    for _ in range(n_steps):
        optimizer.step_schedules()


def to_numpy(array: Any) -> numpy.ndarray:
    is_numpy = get_array_module(array) is numpy
    return numpy.ascontiguousarray(array if is_numpy else array.get())
