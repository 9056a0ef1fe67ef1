"""New ids for items that are added without one."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import CodedValueError, Errors

LEAST_BLOCK, MOST_BLOCK = 16, 8192  # numbers looked up at a time


class NewNumbers:
    """Calls give numbers that are no id yet, as strings.

    first (int): Where to begin.
    used_ids (Callable[[Sequence[str]], set[str]]): Which of some ids are in use.
    """

    def __init__(self, first: int, used_ids: Callable[[Sequence[str]], set[str]]) -> None:
        self.next = self._end = first
        self._used_ids = used_ids
        self._free: list[str] = []
        self._n_block = LEAST_BLOCK

    def __call__(self) -> str:
        while not self._free:
            block = [str(n) for n in range(self._end, self._end + self._n_block)]
            used = self._used_ids(block)
            self._free = [number for number in reversed(block) if number not in used]
            self._end += self._n_block
            self._n_block = min(2 * self._n_block, MOST_BLOCK)
        number = self._free.pop()
        self.next = int(number) + 1
        return number


def random_id() -> str:
    return uuid.uuid4().hex


def check_id(id_: Any) -> None:
    """RAISES (ValueError): If it is no string, or an empty one."""
    if not isinstance(id_, str) or not id_:
        raise CodedValueError(Errors.B121.format(key="An id", value=id_, expected="a string"))
