"""batch_by_task.v1: batches of examples for the same component."""

import warnings
from collections.abc import Callable, Iterable, Iterator

from spacy.training import Example

from ..core.attributes import TASK
from ..errors import CodedValueError, Errors, Warnings
from .multitask import normalized


def make_task_batcher(
    size: int, sizes: dict[str, int] | None = None
) -> Callable[[Iterable[Example]], Iterable[list[Example]]]:
    """Registered as "spacy-bert-suite.batch_by_task.v1": batches whose examples are all for
    the same component, in the order in which they fill up.

    size (int): Examples in a batch. The last batch of a task may be smaller.
    sizes (dict[str, int] | None): Other sizes for some tasks, by the key of their corpus: fewer
        long texts, for example.
    """
    of_task = {normalized(key): value for key, value in (sizes or {}).items()}
    for value in (size, *of_task.values()):
        if value < 1:
            raise CodedValueError(Errors.B192.format(size=value))

    def batch_by_task(examples: Iterable[Example]) -> Iterator[list[Example]]:
        filling: dict[str, list[Example]] = {}
        found = set()
        for eg in examples:
            task = eg.reference.user_data.get(TASK, "")
            found.add(task)
            batch = filling.setdefault(task, [])
            batch.append(eg)
            if len(batch) >= of_task.get(task, size):
                yield filling.pop(task)
        yield from filling.values()
        for task in of_task.keys() - found if found else ():
            names = ", ".join(sorted(found)) or "no key"
            warnings.warn(Warnings.B906.format(key=task, found=names), stacklevel=2)

    return batch_by_task
