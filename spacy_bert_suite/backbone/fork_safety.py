"""Checks in forked processes, which cannot use their parent's threads and GPU."""

import os

import torch

from ..errors import CodedRuntimeError, Errors

TOKENIZERS = "TOKENIZERS_PARALLELISM"
STARTED_IN = os.getpid()


class ProcessCheck:
    """Looks, once in each process, whether it was forked. Costs next to nothing after that."""

    def __init__(self):
        self._pid = STARTED_IN

    def __call__(self, name: str, device: torch.device) -> None:
        """Use one thread in a fork: there, those of OpenMP are gone, and waited for.

        RAISES (RuntimeError): If the weights of `name` are on a GPU, and this is a fork of a
            process that has used it.
        """
        if os.getpid() == self._pid:
            return
        if device.type == "cuda" and torch.cuda._is_in_bad_fork():
            raise CodedRuntimeError(Errors.B034.format(name=name))
        torch.set_num_threads(1)
        self._pid = os.getpid()


class SerialTokenizers:
    """Lets forked processes tokenize in one thread: with several, `tokenizers` would wait for ever,
    and says so in each of them, unless it is told before the fork.
    """

    def before(self) -> None:
        self.is_new = TOKENIZERS not in os.environ
        os.environ.setdefault(TOKENIZERS, "false")

    def after_in_parent(self) -> None:
        if self.is_new:
            os.environ.pop(TOKENIZERS, None)


if hasattr(os, "register_at_fork"):
    hooks = SerialTokenizers()
    os.register_at_fork(before=hooks.before, after_in_parent=hooks.after_in_parent)
