"""Exponential moving averages of weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy
import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

Parameters = dict[str, torch.nn.Parameter]

MOST_DECAY = 0.9999
# spaCy applies averages only where the optimizer has some. This entry, of no weight and empty,
# says that there are averages beside the optimizer's own.
MARKER = (0, "spacy-bert-suite")
MARK = numpy.zeros(0, dtype="float32")


class WeightAverages:
    """Exponential moving averages (Polyak and Juditsky 1992) with the decay of thinc's optimizer,
    which grows with the updates: (1 + n) / (10 + n), and at most 0.9999. They begin at the weights
    before the first update, where thinc's begin at zero.

    tensors (dict[str, Tensor]): Averages of the weights that have learnt, by name.
    n_updates (dict[str, int]): How often each has learnt.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self.n_updates: dict[str, int] = {}

    def begin(self, parameters: Parameters) -> None:
        """Take up weights that are about to learn for the first time."""
        for name, parameter in parameters.items():
            if name not in self.tensors:
                self.tensors[name] = parameter.detach().clone()
                self.n_updates[name] = 0

    def update(self, parameters: Parameters) -> None:
        """Move the averages towards the weights, which have just learnt."""
        by_count: dict[int, list[str]] = {}
        for name in parameters:
            self.n_updates[name] += 1
            by_count.setdefault(self.n_updates[name], []).append(name)
        for n_updates, names in by_count.items():
            averages = [self.tensors[name] for name in names]
            weights = [parameters[name].detach() for name in names]
            get_ema_multi_avg_fn(decay_after(n_updates))(averages, weights, n_updates)

    def state(self) -> dict[str, torch.Tensor]:
        """RETURNS (dict[str, Tensor]): What a resumed run needs."""
        averages = {f"averages/{name}": tensor for name, tensor in self.tensors.items()}
        counts = {f"n_averaged/{name}": torch.tensor(n) for name, n in self.n_updates.items()}
        return {**averages, **counts}

    def load(self, state: dict[str, torch.Tensor], module: torch.nn.Module) -> None:
        """Take up what `state` gave; other entries are left alone."""
        for name, parameter in module.named_parameters():
            if f"averages/{name}" in state:
                average = state[f"averages/{name}"].to(parameter.device, copy=True)
                self.tensors[name] = average
                self.n_updates[name] = int(state[f"n_averaged/{name}"])

    @contextmanager
    def swapped(self, module: torch.nn.Module) -> Iterator[None]:
        """Inside, the module has the averages as its weights. Nothing is copied."""
        pairs = [(name, p) for name, p in module.named_parameters() if name in self.tensors]
        self._swap(pairs)
        try:
            yield
        finally:
            self._swap(pairs)

    def _swap(self, pairs: list[tuple[str, torch.nn.Parameter]]) -> None:
        for name, parameter in pairs:
            parameter.data, self.tensors[name] = self.tensors[name], parameter.data


def decay_after(n_updates: int) -> float:
    return min(MOST_DECAY, (1 + n_updates) / (10 + n_updates))
