"""Interrupts: Ctrl-C and SIGTERM end a run after the current step."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether the user, or the system, has asked to stop.

    number (int): The signal, 0 for none.
    """

    def __init__(self) -> None:
        self.number = 0

    def __bool__(self) -> bool:
        return self.number != 0

    def repeat(self) -> None:
        """Do what the signal would have done."""
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + self.number)


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Record the first signal to stop instead of breaking off in the middle of an update. The
    second does what the first would have done. A signal that is ignored, as Ctrl-C is in what a
    script runs in the background, stays so. Signals reach the main thread only: in others this
    changes nothing.

    YIELDS (StopRequest): Whether there was one.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    before: dict[int, Any] = {n: found for n, found in handlers.items() if found != signal.SIG_IGN}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def take_down(number: int, frame: Any) -> None:
        request.number = number
        restore()

    for number in before:
        signal.signal(number, take_down)
    try:
        yield request
    finally:
        restore()
