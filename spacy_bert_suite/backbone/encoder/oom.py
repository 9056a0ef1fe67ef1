"""Recognition of out-of-memory errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ...errors import CodedMemoryError, Errors


def is_out_of_memory(error: RuntimeError) -> bool:
    """RETURNS (bool): Whether an error of torch says that. Only CUDA has a class of its own for
    it; others, such as MPS, say it in words.
    """
    return isinstance(error, torch.cuda.OutOfMemoryError) or "out of memory" in str(error)


@contextmanager
def coded_in_training(device: Any) -> Iterator[None]:
    """RAISES (MemoryError): With advice for training, where a device runs out of memory inside."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise CodedMemoryError(Errors.B178.format(device=device)) from error
