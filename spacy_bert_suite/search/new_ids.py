"""New ids for items that are added without one."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import CodedValueError, Errors

LEAST_BLOCK, MOST_BLOCK = 16, 8192  # numbers looked up at a time


class NewNumbers:
    """Calls give numbers that are no id yet, as strings.

    first (Callable[[], int]): Where to begin; asked when the first number is needed.
    used_ids (Callable[[Sequence[str]], set[str]]): Which of some ids are in use.
    """

    def __init__(
        self, first: Callable[[], int], used_ids: Callable[[Sequence[str]], set[str]]
    ) -> None:
        self._first = first
        self._next: int | None = None
        self._used_ids = used_ids
        self._free: list[str] = []
        self._n_block = LEAST_BLOCK

    def __call__(self) -> str:
        if self._next is None:
            self._end = self._first()
        while not self._free:
            block = [str(n) for n in range(self._end, self._end + self._n_block)]
            used = self._used_ids(block)
            self._free = [number for number in reversed(block) if number not in used]
            self._end += self._n_block
            self._n_block = min(2 * self._n_block, MOST_BLOCK)
        number = self._free.pop()
        self._next = int(number) + 1
        return number

    @property
    def next(self) -> int:
        """RETURNS (int): The least number that may be a new id."""
        return self._first() if self._next is None else self._next


def random_id() -> str:
    return uuid.uuid4().hex


def check_id(id_: Any) -> None:
    """RAISES (ValueError): If it is no string, or an empty one."""
    if not isinstance(id_, str) or not id_:
        raise CodedValueError(Errors.B121.format(key="An id", value=id_, expected="a string"))
