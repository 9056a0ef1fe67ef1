"""Dropout and attention for CPUs, faster than those of torch.

`CpuOperations` stands in for them while a transformer runs, whatever its architecture. Measured
with the embedded model on two cores: dropout takes a fifth of the time, attention over windows
of usual length about half.
"""

import os
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

MOST_SCORES = 1_600_000  # at a time; more of them leave the cache
N_LEVELS = 1 << 15  # of the 15 random bits that decide over one value
MOST_KERNELS = 128  # kept by oneDNN, each for one shape of input
# In half precision they would take a gigabyte, with 128 it is about 100 MB. Read once, when the
# first kernel is made.
KERNEL_CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
for variable in KERNEL_CACHES:
    os.environ.setdefault(variable, str(MOST_KERNELS))

INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # by size in bytes


class CpuOperations(TorchFunctionMode):
    """Inside, dropout and scaled dot-product attention are those of this file."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.dropout:
            return dropout(*args, **kwargs)
        if func is F.scaled_dot_product_attention:
            return attention(*args, **kwargs)
        return func(*args, **kwargs)


def dropout(
    input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> torch.Tensor:
    """Dropout (Srivastava et al. 2014) as `torch.nn.functional.dropout`, which draws a random
    number of 53 bits for every value on one core; 15 bits do.
    """
    if not training or p == 0.0 or p >= 1.0 or inplace:
        return F.dropout(input, p, training, inplace)
    return _Dropout.apply(input, min(round(p * N_LEVELS), N_LEVELS - 1))


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, n_dropped: int) -> torch.Tensor:
        """n_dropped (int): Of `N_LEVELS` equally likely levels, those that drop a value."""
        mask = bit_mask(x, n_dropped)
        ctx.save_for_backward(mask)  # as an attribute, activation checkpointing would keep it
        ctx.scale = N_LEVELS / (N_LEVELS - n_dropped)
        return keep(x, mask).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, dY: torch.Tensor) -> tuple[torch.Tensor, None]:  # type: ignore[override]
        (mask,) = ctx.saved_tensors
        return keep(dY, mask).mul_(ctx.scale), None


def bit_mask(x: torch.Tensor, n_dropped: int) -> torch.Tensor:
    """RETURNS (Tensor): Integers as wide as the numbers of x: all bits set where one is kept,
    none where it is dropped. On a CPU torch is faster with these than with booleans.
    """
    draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(1 << 63), None)
    levels = draws.view(torch.int16)[: x.numel()].bitwise_and_(N_LEVELS - 1)
    mask = levels.neg_().add_(n_dropped - 1).bitwise_right_shift_(15)  # the sign, in every bit
    return mask.view(x.shape).to(INTEGERS[x.element_size()])


def keep(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return torch.bitwise_and(x.view(mask.dtype), mask).view(x.dtype)


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **kwargs: Any,
) -> torch.Tensor:
    """Attention (Vaswani et al. 2017) as `torch.nn.functional.scaled_dot_product_attention`, by
    two matrix products and a softmax in float32 between them, some windows at a time.
    """
    n_windows = MOST_SCORES // (query.shape[1] * query.shape[-2] * key.shape[-2])
    if query.dim() != 4 or is_causal or kwargs.get("enable_gqa") or not (n_windows or dropout_p):
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask, dropout_p, is_causal, **kwargs
        )
    scale = kwargs.get("scale") or query.shape[-1] ** -0.5
    parts = []
    for start in range(0, len(query), max(1, n_windows)):
        rows = slice(start, start + max(1, n_windows))
        scores = (query[rows] * scale) @ key[rows].transpose(-2, -1)
        if attn_mask is not None:
            is_shared = attn_mask.dim() < 4 or len(attn_mask) == 1
            scores = _mask(scores, attn_mask if is_shared else attn_mask[rows])
        weights = scores.softmax(dim=-1, dtype=torch.float32).to(value.dtype)
        parts.append(dropout(weights, dropout_p) @ value[rows])
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _mask(scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    if mask.dtype == torch.bool:
        return scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return scores + mask
