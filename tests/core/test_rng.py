"""Generators continue where their states were taken, on every device that is there."""

import random

import numpy
import pytest
import torch

from spacy_bert_suite.core import rng


def draw():
    values = [random.random(), random.gauss(0, 1), numpy.random.rand(), numpy.random.randn()]
    return [*values, torch.rand(1).item(), torch.randn(3).tolist()]


@pytest.mark.parametrize("n_drawn", [0, 1, 2, 700])
def test_cpu_generators_repeat(n_drawn):
    """Also with the second value of a pair of normal ones still to come."""
    for _ in range(n_drawn):
        draw()
    random.gauss(0, 1)
    numpy.random.randn()
    states = rng.get_states()
    first = [draw() for _ in range(3)]
    assert rng.get_states() != states
    rng.set_states(states)
    assert rng.get_states() == states
    assert [draw() for _ in range(3)] == first


@pytest.mark.parametrize("name", ["python", "numpy", "torch"])
def test_only_named_generators_are_set(name):
    states = rng.get_states()
    draw()
    later = rng.get_states()
    rng.set_states({name: states[name]})
    found = rng.get_states()
    assert {key for key in found if found[key] == states[key]} == {name}
    assert {key for key in found if found[key] == later[key]} == set(states) - {name}


class Devices:
    """Generators of two CUDA devices and of MPS, without any of them."""

    def __init__(self, monkeypatch, cuda=True, mps=True):
        self.generators = {name: torch.Generator() for name in (0, 1, "mps")}
        state_of = {name: g.get_state for name, g in self.generators.items()}
        patches = {
            "torch.cuda.is_initialized": lambda: cuda,
            "torch.cuda.is_available": lambda: cuda,
            "torch.cuda.device_count": lambda: 2,
            "torch.cuda.get_rng_state_all": lambda: [state_of[0](), state_of[1]()],
            "torch.cuda.set_rng_state": lambda state, i: self.generators[i].set_state(state),
            "torch.backends.mps.is_available": lambda: mps,
            "torch.mps.get_rng_state": lambda: state_of["mps"](),
            "torch.mps.set_rng_state": lambda state: self.generators["mps"].set_state(state),
        }
        for target, patch in patches.items():
            monkeypatch.setattr(target, patch)

    def draw(self):
        return [torch.rand(1, generator=g).item() for g in self.generators.values()]


def test_devices_repeat(monkeypatch):
    devices = Devices(monkeypatch)
    states = rng.get_device_states()
    assert {kind: len(found) for kind, found in states.items()} == {"cuda": 2, "mps": 1}
    first = devices.draw()
    assert devices.draw() != first
    rng.set_device_states(states)
    assert devices.draw() == first


def test_torch_states_hold_all_that_dropout_draws_from(monkeypatch):
    devices = Devices(monkeypatch)
    states = rng.get_torch_states()
    first = [torch.rand(1).item(), *devices.draw()]
    rng.set_torch_states(states)
    assert [torch.rand(1).item(), *devices.draw()] == first


def test_states_of_devices_that_are_not_here_are_left(monkeypatch):
    """A checkpoint may come from another machine, or from a version that knew no MPS."""
    with monkeypatch.context() as patch:
        states = Devices(patch) and rng.get_device_states()
    devices = Devices(monkeypatch, cuda=False, mps=False)
    assert rng.get_device_states() == {"cuda": [], "mps": []}
    before = [g.get_state().tolist() for g in devices.generators.values()]
    rng.set_device_states(states)
    rng.set_device_states({"cuda": []})
    assert [g.get_state().tolist() for g in devices.generators.values()] == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_repeats():
    torch.rand(1, device="cuda")
    states = rng.get_torch_states()
    first = torch.rand(5, device="cuda")
    rng.set_torch_states(states)
    assert torch.equal(torch.rand(5, device="cuda"), first)
