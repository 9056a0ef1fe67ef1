"""ThroughputMeter: speed, mean losses and steps since the last evaluation."""

import math
from dataclasses import asdict, dataclass
from timeit import default_timer as timer
from typing import Any

from spacy.language import Language

from ...backbone.component import Bert
from ...core.torch_shim import TorchShim


@dataclass(frozen=True)
class Row:
    """What is logged after an evaluation.

    losses (dict[str, float]): Of each component, the mean over the updates since the last
        evaluation in which it has learnt.
    scores (dict[str, float]): Those of `training.score_weights`, as they are.
    words (int): Tokens trained on so far.
    seconds (int): Time so far.
    tokens_per_second (float): In updates; evaluation and saving do not count.
    learn_rate (float | None): Of the last step, None without torch modules.
    gradient_norm (float | None): Of all torch modules in the last step, before clipping.
    n_skipped (int): Steps left out so far, for a gradient that was not finite.
    seconds_left (float | None): Until max_steps, None if there is none.
    """

    epoch: int
    step: int
    losses: dict[str, float]
    scores: dict[str, float]
    score: float
    words: int
    seconds: int
    tokens_per_second: float
    learn_rate: float | None
    gradient_norm: float | None
    n_skipped: int
    seconds_left: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class ThroughputMeter:
    """Counts updates and times them. It sees what a logger sees: a call after each update,
    with numbers only after an evaluation.

    nlp (Language): The pipeline, with the components enabled that learn.
    """

    def __init__(self, nlp: Language):
        training = nlp.config.interpolate()["training"]
        self.max_steps: int = training["max_steps"]
        self.n_parts: int = training["accumulate_gradient"]
        weights = training["score_weights"]
        self.score_names = [name for name, weight in weights.items() if weight is not None]
        self.shims = {name: shims_of(pipe) for name, pipe in nlp.pipeline if learns(pipe)}
        # The backbone has no loss of its own.
        self.names = [name for name in self.shims if not isinstance(nlp.get_pipe(name), Bert)]
        self.n_calls = 0
        self.begun = timer()
        self._begin_interval(words=0, now=self.begun)

    def _begin_interval(self, words: int, now: float) -> None:
        self.words_before = words
        self.interval_begun = self.last_call = now
        self.n_updates = 0
        self.n_timed = 0
        self.seconds_timed = 0.0
        self.n_learnt_before = {name: n_learnt(shims) for name, shims in self.shims.items()}

    def count(self) -> None:
        """An update without an evaluation."""
        now = timer()
        if self.n_updates:  # else there was a checkpoint to write, or data to find
            self.n_timed += 1
            self.seconds_timed += now - self.last_call
        self._count(now)

    def _count(self, now: float) -> None:
        self.n_calls += 1
        self.n_updates += 1
        self.last_call = now

    def read(self, info: dict[str, Any]) -> Row:
        """An update with an evaluation. RETURNS (Row): What to log."""
        now = timer()
        self._count(now)
        if self.n_calls == self.n_updates:
            # The first row. What was trained on before this process began is not known exactly.
            self.words_before = round(info["words"] * (1 - self.n_calls / (info["step"] + 1)))
        row = Row(
            epoch=info["epoch"],
            step=info["step"],
            losses=self._mean_losses(info["losses"]),
            scores={name: float(info["other_scores"].get(name, 0.0)) for name in self.score_names},
            score=float(info["score"]),
            words=info["words"],
            seconds=info["seconds"],
            tokens_per_second=self._speed(info["words"], now),
            learn_rate=self._learn_rate(),
            gradient_norm=self._gradient_norm(),
            n_skipped=max((s.report.n_skipped for s in self._all_shims()), default=0),
            seconds_left=self._seconds_left(info["step"], now),
        )
        self._begin_interval(info["words"], now)
        return row

    def _mean_losses(self, losses: dict[str, Any]) -> dict[str, float]:
        means = {}
        for name in self.names:
            n_learnt_now = n_learnt(self.shims[name]) - self.n_learnt_before[name]
            n_updates = n_learnt_now if self.shims[name] else self.n_updates
            means[name] = float(losses.get(name, 0.0)) / max(1, n_updates * self.n_parts)
        return means

    def _speed(self, words: int, now: float) -> float:
        if self.n_timed:
            per_update = self.seconds_timed / self.n_timed
        else:  # every update is followed by an evaluation
            per_update = (now - self.interval_begun) / self.n_updates
        return (words - self.words_before) / self.n_updates / max(per_update, 1e-9)

    def _seconds_left(self, step: int, now: float) -> float | None:
        if not self.max_steps:
            return None
        return (now - self.begun) / self.n_calls * max(0, self.max_steps - step)

    def _all_shims(self) -> list[TorchShim]:
        return [shim for shims in self.shims.values() for shim in shims]

    def _learn_rate(self) -> float | None:
        rates = [s.report.learn_rate for s in self._all_shims() if n_learnt([s])]
        return rates[0] if rates else None

    def _gradient_norm(self) -> float | None:
        norms = [s.report.gradient_norm for s in self._all_shims() if n_learnt([s])]
        return math.sqrt(sum(norm * norm for norm in norms)) if norms else None


def learns(pipe: Any) -> bool:
    return bool(getattr(pipe, "is_trainable", False))


def shims_of(pipe: Any) -> list[TorchShim]:
    walk = getattr(getattr(pipe, "model", None), "walk", tuple)
    return [shim for node in walk() for shim in node.shims if isinstance(shim, TorchShim)]


def n_learnt(shims: list[TorchShim]) -> int:
    """RETURNS (int): Updates in which a component had a gradient, taken or left out."""
    return max((shim.report.n_steps + shim.report.n_skipped for shim in shims), default=0)
