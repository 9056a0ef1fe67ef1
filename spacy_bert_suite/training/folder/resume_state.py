"""Contents of a checkpoint: components, optimizer states, random states, position of the run."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import safetensors.numpy
import safetensors.torch
import srsly
import torch
from spacy.language import Language
from thinc.api import Optimizer

from ...backbone.component import Bert
from ...backbone.weights.saving import WEIGHTS
from ...core.pipelines import link_listeners
from ...core.rng import get_device_states, get_states, set_device_states, set_states
from ...core.torch_shim import TorchShim
from ..parallel.processes import move_heads
from ..resume import optimizer as thinc_optimizer

COMPONENTS = "components"
MOMENTS = "moments"
OPTIMIZER = "optimizer.safetensors"
STATE = "state.msgpack"


@runtime_checkable
class Learner(Protocol):
    """What has a state in training that its weights do not tell."""

    def training_state(self) -> dict[str, torch.Tensor]: ...

    def load_training_state(self, tensors: dict[str, torch.Tensor]) -> None: ...


def write_snapshot(
    folder: Path,
    nlp: Language,
    optimizer: Optimizer,
    progress: dict[str, Any],
    same_weights: Path | None = None,
) -> None:
    """Write everything that a run needs to go on.

    progress (Dict): How far it is: plain values and bytes.
    same_weights (Path | None): A saved pipeline of which a backbone may have the weights: they
        are then linked, not written again.
    """
    (folder / COMPONENTS).mkdir()
    link_weights(nlp, same_weights, folder / COMPONENTS)
    for name, pipe in nlp.pipeline:
        if hasattr(pipe, "to_disk"):
            pipe.to_disk(folder / COMPONENTS / name, exclude=["vocab"])
    (folder / MOMENTS).mkdir()
    for name, part in learners(nlp):
        safetensors.torch.save_file(contiguous(part), folder / MOMENTS / f"{name}.safetensors")
    arrays, rest = thinc_optimizer.get_state(nlp, optimizer)
    safetensors.numpy.save_file(arrays, folder / OPTIMIZER)
    state = {
        "progress": progress,
        "optimizer": rest,
        "random": get_states(),
        **get_device_states(),
    }
    srsly.write_msgpack(folder / STATE, state)


def read_progress(folder: Path) -> dict[str, Any]:
    return srsly.read_msgpack(folder / STATE)["progress"]


def load_weights(folder: Path, nlp: Language, optimizer: Optimizer) -> None:
    """Load the components and the state of the optimizers into an initialized pipeline."""
    for name, pipe in nlp.pipeline:
        if hasattr(pipe, "from_disk"):
            pipe.from_disk(folder / COMPONENTS / name, exclude=["vocab"])
    link_listeners(nlp)
    move_heads(nlp)  # the state of an optimizer stays where the weights are when it is loaded
    for name, part in learners(nlp):
        part.load_training_state(
            safetensors.torch.load_file(folder / MOMENTS / f"{name}.safetensors")
        )
    arrays = safetensors.numpy.load_file(folder / OPTIMIZER)
    rest = srsly.read_msgpack(folder / STATE)["optimizer"]
    thinc_optimizer.set_state(nlp, optimizer, arrays, rest)


def load_randomness(folder: Path) -> None:
    """Set all random number generators: the last thing before training goes on."""
    state = srsly.read_msgpack(folder / STATE)
    set_states(state["random"])
    set_device_states(state)


def torch_shims(nlp: Language) -> Iterator[tuple[str, TorchShim]]:
    """YIELDS (tuple[str, TorchShim]): The torch modules of the pipeline, by component and place."""
    for name, pipe in nlp.pipeline:
        walk = getattr(getattr(pipe, "model", None), "walk", tuple)
        for i, node in enumerate(walk()):
            for j, shim in enumerate(node.shims):
                if isinstance(shim, TorchShim):
                    yield f"{name}.{i}.{j}", shim


def learners(nlp: Language) -> Iterator[tuple[str, Learner]]:
    """YIELDS (tuple[str, Learner]): The torch modules, and the components that have a state of
    their own.
    """
    yield from torch_shims(nlp)
    for name, pipe in nlp.pipeline:
        if isinstance(pipe, Learner):
            yield name, pipe


def contiguous(part: Learner) -> dict[str, torch.Tensor]:
    """RETURNS (dict[str, Tensor]): Its state, as safetensors writes it."""
    state = part.training_state()
    return {key: tensor.detach().cpu().contiguous() for key, tensor in state.items()}


def link_weights(nlp: Language, source: Path | None, target: Path) -> None:
    """Put the weights of a saved pipeline's backbones where those of another will be. Saving then
    leaves them if they are the right ones. Only backbones: their files are never written in place.
    """
    for name, pipe in nlp.pipeline:
        if isinstance(pipe, Bert) and source is not None:
            file = Path(name) / "model" / WEIGHTS
            (target / file).parent.mkdir(parents=True)
            with suppress(OSError):  # not there, or the disk has no hard links: it is written
                os.link(source / file, target / file)
