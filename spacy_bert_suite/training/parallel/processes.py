"""Data-parallel training: each process learns from its part of every batch, and all take the same
step (Li et al. 2020, "PyTorch Distributed").

The gradients are added up, not averaged, since each process has its part of the mean loss: see
`parallel.py`.
"""

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from datetime import timedelta
from typing import Any

import numpy
import torch
import torch.distributed as dist
from spacy.language import Language
from spacy.training import Example
from spacy.util import fix_random_seed

from ...backbone.component import Bert
from ...backbone.shim import BackboneShim
from ...core.collectives import in_group
from ...core.rng import get_states, set_states
from ...core.torch_shim import TorchShim
from ...errors import CodedValueError, Errors
from .tensor_refs import TensorRef, gradients_of, nodes_of, values_of

# Elements sent at a time: fewer, larger messages cost less, but take memory.
BUCKET = 1 << 24
# The others wait while the first evaluates and saves. The launcher ends them if it dies.
PATIENCE = timedelta(days=7)


@contextmanager
def process_group() -> Iterator[None]:
    """Inside, this process works together with those that the launcher has started with it. Only
    the first of them prints.
    """
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if n_gpus:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % n_gpus)
    dist.init_process_group("cpu:gloo,cuda:nccl" if n_gpus else "gloo", timeout=PATIENCE)
    try:
        with nullcontext() if is_first() else redirect_stdout(io.StringIO()):
            yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """RETURNS (int): Number of this process."""
    return dist.get_rank() if in_group() else 0


def is_first() -> bool:
    """RETURNS (bool): Whether this is the process that evaluates, saves and prints."""
    return rank() == 0


def n_processes() -> int:
    return dist.get_world_size() if in_group() else 1


def own_part(batch: Sequence[Example]) -> list[Example]:
    """RETURNS (list[Example]): The part of a batch that this process learns from. It is empty where
    there are fewer examples than processes.
    """
    return list(batch[rank() :: n_processes()])


def learn_own_part(
    nlp: Language,
    examples: Sequence[Example],
    *,
    losses: dict[str, float],
    exclude: Sequence[str],
    **kwargs: Any,
) -> None:
    """Learn from this process's part of a batch, as `nlp.update` without a step does. Without any
    example in it, components still take part in what the losses of all processes share.
    """
    part = own_part(examples)
    if part:
        nlp.update(part, losses=losses, sgd=False, exclude=exclude, **kwargs)  # type: ignore[arg-type]
        return
    pipes: Any = nlp.pipeline
    for name, pipe in pipes:
        if name not in exclude and (isinstance(pipe, Bert) or hasattr(pipe, "update_empty")):
            pipe.update([])


def make_ready(nlp: Language) -> None:
    """Do now what components do at their first batch, which not all processes may have: add
    adapters, and move heads to the device of the backbone.
    """
    for shim in shims_of([pipe for pipe in pipes_of(nlp) if getattr(pipe, "is_trainable", False)]):
        if isinstance(shim, BackboneShim) and shim.module is not None:
            shim.module.adapt()
    move_heads(nlp)


def move_heads(nlp: Language) -> None:
    """Move heads to the device of the backbone."""
    device = torch.device("cpu")
    for shim in shims_of(pipes_of(nlp)):
        if isinstance(shim, BackboneShim) and shim.module is not None:
            device = shim.module.device
    for shim in shims_of(pipes_of(nlp)):
        if isinstance(shim, TorchShim) and shim.module is not None:
            shim.module.to(device)


def pipes_of(nlp: Language) -> list[Any]:
    return [pipe for _, pipe in nlp.pipeline]


def shims_of(pipes: Sequence[Any]) -> list[Any]:
    return [shim for node in nodes_of(pipes) for shim in node.shims]


def synchronize_weights(nlp: Language) -> None:
    """Give all processes the weights of the first.

    RAISES (ValueError): If two processes share a GPU.
    """
    if not in_group():
        return
    make_ready(nlp)
    slots = values_of(nlp)
    on_gpu = any(slot.like.is_cuda for slot in slots)
    if on_gpu and int(os.environ.get("LOCAL_WORLD_SIZE", "1")) > torch.cuda.device_count():
        n_gpus = torch.cuda.device_count()
        raise CodedValueError(Errors.B182.format(n=os.environ["LOCAL_WORLD_SIZE"], n_gpus=n_gpus))
    for bucket in in_buckets(slots):
        flat = flatten(bucket)
        dist.broadcast(flat, src=0)
        unflatten(bucket, flat)


def add_gradients(pipes: Sequence[Any]) -> None:
    """Add up the gradients of all processes. One that only some of them have counts as zero in the
    others; one that none has is left out, as in a single process.

    pipes (Sequence): Components that are about to take a step.
    """
    if not in_group():
        return
    for pipe in pipes:
        if hasattr(pipe, "flush_pending_step"):
            pipe.flush_pending_step()  # the backward pass of the backbone
    slots = gradients_of(pipes)
    if not slots:
        return
    is_there = torch.tensor([slot.get() is not None for slot in slots], dtype=torch.int32)
    dist.all_reduce(is_there, dist.ReduceOp.MAX)
    used = [slot for slot, there in zip(slots, is_there.tolist()) if there]
    for bucket in in_buckets(used):
        flat = flatten(bucket)
        dist.all_reduce(flat)
        unflatten(bucket, flat)


def add_losses(losses: dict[str, float]) -> dict[str, float]:
    """RETURNS (dict[str, float]): The losses of all processes, added up."""
    if not in_group():
        return losses
    found: list[Any] = [None] * n_processes()
    dist.all_gather_object(found, {name: float(loss) for name, loss in losses.items()})
    names = list(dict.fromkeys(name for one in found for name in one))
    return {name: sum(one.get(name, 0.0) for one in found) for name in names}


def from_first(value: Any = None) -> Any:
    """Wait for the first process and take a plain value from it.

    value (Any): In the first process, what it gives.
    RETURNS (Any): The same in all.
    """
    if not in_group():
        return value
    holder = [value]
    dist.broadcast_object_list(holder, src=0)
    return holder[0]


def any_of(is_so: bool) -> bool:
    """RETURNS (bool): Whether it is so in any of the processes."""
    if not in_group():
        return is_so
    found = torch.tensor(int(is_so))
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return bool(found)


@contextmanager
def own_randomness(step: int) -> Iterator[None]:
    """Inside, each process draws its own random numbers (for dropout), which depend on the step.
    Outside, all draw the same ones, and so the same batches.
    """
    if not in_group():
        yield
        return
    before = get_states()
    seeds = numpy.random.SeedSequence([torch.initial_seed() % 2**63, rank(), step])
    fix_random_seed(int(seeds.generate_state(1)[0]))
    try:
        yield
    finally:
        set_states(before)


def synchronize_randomness() -> None:
    """Give all processes the random numbers of the first, which may have drawn some in evaluating
    and saving.
    """
    set_states(from_first(get_states() if is_first() else None))


def in_buckets(slots: Sequence[TensorRef]) -> Iterator[list[TensorRef]]:
    """YIELDS (list[TensorRef]): Places whose tensors can travel together."""
    groups: dict[tuple[torch.device, torch.dtype], list[TensorRef]] = {}
    for slot in slots:
        groups.setdefault((slot.like.device, slot.like.dtype), []).append(slot)
    for group in groups.values():
        bucket: list[TensorRef] = []
        size = 0
        for slot in group:
            if bucket and size + slot.like.numel() > BUCKET:
                yield bucket
                bucket, size = [], 0
            bucket.append(slot)
            size += slot.like.numel()
        yield bucket


def flatten(bucket: Sequence[TensorRef]) -> torch.Tensor:
    parts = []
    for slot in bucket:
        value = slot.get()
        parts.append((torch.zeros_like(slot.like) if value is None else value).flatten())
    return torch.cat(parts)


def unflatten(bucket: Sequence[TensorRef], flat: torch.Tensor) -> None:
    parts = flat.split([slot.like.numel() for slot in bucket])
    for slot, part in zip(bucket, parts):
        slot.set(part.view(slot.like.shape))
