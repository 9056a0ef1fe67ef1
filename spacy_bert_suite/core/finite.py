"""Weights that are not numbers, which would give predictions that are none either."""

from collections.abc import Iterable

import torch

from ..errors import CodedValueError, Errors


def check_finite(tensors: Iterable[tuple[str, torch.Tensor]], place: str) -> None:
    """RAISES (ValueError): If a tensor holds NaN or infinity.

    tensors (Iterable[tuple[str, Tensor]]): By name.
    place (str): Where they come from, for the message.
    """
    for name, tensor in tensors:
        if not is_finite(tensor):
            raise CodedValueError(Errors.B350.format(path=place, name=name))


def is_finite(tensor: torch.Tensor) -> bool:
    """RETURNS (bool): Whether all values are numbers. One pass tells of nearly all tensors; the sum
    of large values may overflow, and then each is looked at.
    """
    if not tensor.is_floating_point() or tensor.is_meta:
        return True
    tensor = tensor.detach()
    return bool(torch.isfinite(tensor.sum())) or bool(torch.isfinite(tensor).all())
