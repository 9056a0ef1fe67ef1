"""Saving and restoring the state of random generators: Python, numpy and torch."""

import random
import struct

import numpy
import torch

States = dict[str, bytes]

PYTHON_WORDS = 625  # of the Mersenne Twister, and the position in them
NUMPY_WORDS = 624
NUMPY_REST = "<qqd"


def get_states() -> States:
    """RETURNS (dict[str, bytes]): States of the generators of Python, numpy and torch (CPU)."""
    return {
        "python": _get_python(),
        "numpy": _get_numpy(),
        "torch": _to_bytes(torch.get_rng_state()),
    }


def set_states(states: States) -> None:
    """Set the generators that are named in `states`."""
    setters = {"python": _set_python, "numpy": _set_numpy, "torch": _set_torch}
    for name, state in states.items():
        setters[name](state)


def get_device_states() -> dict[str, list[bytes]]:
    """RETURNS (dict[str, list[bytes]]): States of the generators of GPUs, by the kind of device:
    "cuda", if torch has used one, and "mps".
    """
    states: dict[str, list[bytes]] = {"cuda": [], "mps": []}
    if torch.cuda.is_initialized():
        states["cuda"] = [_to_bytes(state) for state in torch.cuda.get_rng_state_all()]
    if torch.backends.mps.is_available():
        states["mps"] = [_to_bytes(torch.mps.get_rng_state())]
    return states


def set_device_states(states: dict[str, list[bytes]]) -> None:
    """Set the generators of the GPUs of this machine, as far as there are states for them."""
    cuda, mps = states.get("cuda", []), states.get("mps", [])
    if cuda and torch.cuda.is_available():
        for device, state in zip(range(torch.cuda.device_count()), cuda):
            torch.cuda.set_rng_state(_to_tensor(state), device)
    if mps and torch.backends.mps.is_available():
        torch.mps.set_rng_state(_to_tensor(mps[0]))


def get_torch_states() -> tuple[bytes, dict[str, list[bytes]]]:
    """RETURNS (tuple[bytes, dict[str, list[bytes]]]): What dropout draws from, on any device."""
    return _to_bytes(torch.get_rng_state()), get_device_states()


def set_torch_states(states: tuple[bytes, dict[str, list[bytes]]]) -> None:
    _set_torch(states[0])
    set_device_states(states[1])


def _get_python() -> bytes:
    _, words, gauss = random.getstate()
    state = numpy.asarray(words, dtype="uint32").tobytes()
    return state if gauss is None else state + struct.pack("<d", gauss)


def _set_python(state: bytes) -> None:
    words = numpy.frombuffer(state, dtype="uint32", count=PYTHON_WORDS).tolist()
    gauss = state[4 * PYTHON_WORDS :]
    random.setstate((3, tuple(words), struct.unpack("<d", gauss)[0] if gauss else None))


def _get_numpy() -> bytes:
    _, words, *rest = numpy.random.get_state()
    return numpy.asarray(words, dtype="uint32").tobytes() + struct.pack(NUMPY_REST, *rest)


def _set_numpy(state: bytes) -> None:
    words = numpy.frombuffer(state, dtype="uint32", count=NUMPY_WORDS)
    rest = struct.unpack(NUMPY_REST, state[4 * NUMPY_WORDS :])
    numpy.random.set_state(("MT19937", words, *rest))


def _set_torch(state: bytes) -> None:
    torch.set_rng_state(_to_tensor(state))


def _to_bytes(state: torch.Tensor) -> bytes:
    return state.cpu().numpy().tobytes()


def _to_tensor(state: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(state), dtype=torch.uint8)
