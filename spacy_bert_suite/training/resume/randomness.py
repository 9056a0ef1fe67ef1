"""The states of the random number generators that training draws from, as bytes."""

import random
import struct

import numpy
import torch

States = dict[str, bytes]

PYTHON_WORDS = 625  # of the Mersenne Twister, and the place in them
NUMPY_WORDS = 624
NUMPY_REST = "<qqd"


def get_states() -> States:
    """RETURNS (dict[str, bytes]): States of Python's, numpy's and torch's generators."""
    return {"python": _get_python(), "numpy": _get_numpy(), "torch": _get_torch()}


def set_states(states: States) -> None:
    """Set the generators that are named in `states`."""
    setters = {"python": _set_python, "numpy": _set_numpy, "torch": _set_torch}
    for name, state in states.items():
        setters[name](state)


def get_cuda_states() -> list[bytes]:
    """RETURNS (list[bytes]): States of the generators of all GPUs, if torch has used one."""
    if not torch.cuda.is_initialized():
        return []
    return [state.numpy().tobytes() for state in torch.cuda.get_rng_state_all()]


def set_cuda_states(states: list[bytes]) -> None:
    """Set the generators of the GPUs that are here, as far as there are states for them."""
    if states and torch.cuda.is_available():
        for device, state in zip(range(torch.cuda.device_count()), states):
            torch.cuda.set_rng_state(_to_tensor(state), device)


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


def _get_torch() -> bytes:
    return torch.get_rng_state().numpy().tobytes()


def _set_torch(state: bytes) -> None:
    torch.set_rng_state(_to_tensor(state))


def _to_tensor(state: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(state), dtype=torch.uint8)
