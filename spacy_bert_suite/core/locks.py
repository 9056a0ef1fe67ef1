"""Locks for threads that share a pipeline: loading one at a time, prediction beside training."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, RLock, get_ident


class ForkedLock:
    """A lock that is new in a forked process, where nobody would release it."""

    def __init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        self._pid = os.getpid()
        self._lock = RLock()

    def __enter__(self) -> None:
        if self._pid != os.getpid():
            self._renew()
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def __reduce__(self):
        return type(self), ()


LOADING = ForkedLock()  # transformers switches settings of torch for the whole process meanwhile


class SharedLock:
    """Any number of threads predict at a time, or one trains.

    A copy of it, also one in another process, is a new lock. The thread that trains may predict.
    """

    def __init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        self._pid = os.getpid()
        self._changed = Condition()
        self._n_sharing = 0
        self._n_waiting = 0  # those go first, else predictions could keep training out for ever
        self._owner: int | None = None
        self._depth = 0

    def __reduce__(self):
        return type(self), ()

    @contextmanager
    def shared(self) -> Iterator[None]:
        self._check_process()
        with self._changed:
            if self._owner != get_ident():
                self._changed.wait_for(lambda: self._owner is None and not self._n_waiting)
            self._n_sharing += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_sharing -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        self._check_process()
        with self._changed:
            if self._owner != get_ident():
                self._n_waiting += 1
                try:
                    self._changed.wait_for(lambda: self._owner is None and not self._n_sharing)
                finally:
                    self._n_waiting -= 1
                self._owner = get_ident()
            self._depth += 1
        try:
            yield
        finally:
            with self._changed:
                self._depth -= 1
                if not self._depth:
                    self._owner = None
                self._changed.notify_all()

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            self._renew()


def is_running(function: Callable, thread: int) -> bool:
    """RETURNS (bool): Whether a thread, by its identifier, is inside a Python function now."""
    frame = sys._current_frames().get(thread)
    code = function.__code__  # type: ignore[attr-defined]
    while frame is not None:
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False
