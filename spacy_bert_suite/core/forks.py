"""One thread for torch in forked processes: there, those of OpenMP are gone, and waited for."""

import os

import torch

STARTED_IN = os.getpid()


class ForkCheck:
    """Looks, once in each process, whether it was forked. Costs next to nothing after that."""

    def __init__(self) -> None:
        self._pid = STARTED_IN

    def __call__(self) -> None:
        """Let torch use one thread, if this is a fork that has not been seen yet."""
        if os.getpid() != self._pid:
            torch.set_num_threads(1)
            self._pid = os.getpid()


one_thread_in_forks = ForkCheck()


def is_fork() -> bool:
    """RETURNS (bool): Whether this process was forked after the package was loaded."""
    return os.getpid() != STARTED_IN
