"""Device, precision and autocast, chosen by what torch offers."""

from contextlib import AbstractContextManager, nullcontext

import torch

from ..errors import CodedValueError, Errors

DTYPES: dict[str, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def resolve_device(device: str) -> torch.device:
    """device (str): auto | cpu | cuda | cuda:N | mps.
    RETURNS (torch.device): The device; "auto" is the first GPU that torch sees, else the CPU.
    RAISES (ValueError): If torch sees no such device.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError:
        expected = "auto, cpu, cuda, cuda:N or mps"
        raise CodedValueError(
            Errors.B020.format(key="device", value=device, expected=expected)
        ) from None
    n_gpus = torch.cuda.device_count()
    if (
        resolved.type not in ("cpu", "cuda", "mps")
        or (resolved.type == "cuda" and (resolved.index or 0) >= n_gpus)
        or (resolved.type == "mps" and not torch.backends.mps.is_available())
    ):
        raise CodedValueError(Errors.B023.format(device=device))
    return resolved


def resolve_precision(precision: str, device: torch.device) -> torch.dtype:
    """precision (str): auto | fp32 | bf16 | fp16.
    RETURNS (torch.dtype): "auto" is bfloat16 where the chip has it in hardware, else float32.
    """
    if precision != "auto":
        return DTYPES[precision]
    return torch.bfloat16 if has_fast_bf16(device) else torch.float32


def has_fast_bf16(device: torch.device) -> bool:
    """Ampere GPUs and later; CPUs with AMX or AVX512-BF16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type == "cpu":
        # Private names of torch.cpu, absent from some builds.
        checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        return any(getattr(torch.cpu, check, bool)() for check in checks)
    return False


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager:
    """thinc's autocast knows CUDA and fp16 only; this one knows every device."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype)
