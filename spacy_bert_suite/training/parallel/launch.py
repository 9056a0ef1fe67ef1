"""Launching several processes of one training run with torch's launcher."""

import os
import signal
import sys
import uuid
from collections.abc import Sequence

from ...errors import CodedValueError, Errors

# That the launcher hands on.
SIGNALS = [
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")
    if hasattr(signal, name)
]  # fmt: skip


def is_launched() -> bool:
    """RETURNS (bool): Whether a launcher (this one, or torchrun) has started this process."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def launch(n_processes: int, arguments: Sequence[str]) -> None:
    """Run `python ARGUMENTS` in several processes on this machine, until all have ended. When one
    fails, the others are ended too; so are all when this process is interrupted.

    n_processes (int): How many.
    arguments (Sequence[str]): Of each, the same for all.
    RAISES (ValueError): If one of them fails.
    KeyboardInterrupt: If this process is interrupted.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=n_processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
    )
    # Otherwise each process would take all cores for itself.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, n_cores() // n_processes)))
    # Time to finish a step and write a checkpoint when all are ended.
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", "120")
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        elastic_launch(config, sys.executable)(*arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        raise CodedValueError(
            Errors.B181.format(rank=rank, n=n_processes, code=failure.exitcode)
        ) from None
    except SignalException as error:
        raise KeyboardInterrupt from error
    finally:
        for number, handler in handlers.items():  # the launcher has put its own there
            signal.signal(number, handler)


def n_cores() -> int:
    """RETURNS (int): Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
