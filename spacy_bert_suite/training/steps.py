"""Training steps: spaCy's `train_while_improving`, with entry at any step."""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from timeit import default_timer as timer
from typing import Any

import torch
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.training.loop import subdivide_batch
from thinc.api import Optimizer

from ..backbone.component import Bert
from ..core.torch_shim import AdamWSettings, TorchShim
from ..errors import Warnings
from .parallel.processes import (
    add_gradients,
    add_losses,
    from_first,
    is_first,
    learn_own_part,
    own_randomness,
    shims_of,
)
from .parallel.tensor_refs import Gradient, gradients_of
from .resume.batches import Batch, BatchStream
from .state import RunState

Info = dict[str, Any]


@dataclass
class Run:
    """What a training run consists of. The settings mean what they do in spaCy's config.

    batches (BatchStream): Pairs of an epoch and a batch.
    evaluate (Callable): Gives the score and all scores.
    dropouts (Iterator[float]): A value for each update.
    exclude (list[str]): Components that do not learn.
    annotates (list[str]): Components that annotate before others learn.
    """

    nlp: Language
    optimizer: Optimizer
    batches: BatchStream
    evaluate: Callable[[], tuple[float, dict[str, Any]]]
    dropouts: Iterator[float]
    before_update: Callable[[Language, dict[str, Any]], None] | None
    exclude: list[str]
    annotates: list[str]
    accumulate_gradient: int
    eval_frequency: int
    max_steps: int
    max_epochs: int
    patience: int

    def is_over(self, state: RunState) -> bool:
        return state.is_over(max_steps=self.max_steps, patience=self.patience)


def take_steps(run: Run, state: RunState) -> Iterator[tuple[Info, bool | None]]:
    """Train until there is no improvement, enough steps or no data. The numbers are those of
    spaCy's own loop.

    state (RunState): How far the run is; it moves on.
    YIELDS (tuple[Dict, bool | None]): What spaCy's loggers take, and whether this is the best
        evaluation so far; None without an evaluation.
    """
    started = timer() - state.seconds
    if run.is_over(state):
        return
    for epoch, batch in run.batches:
        state.step += 1
        update(run, state, epoch, batch)
        score, scores, is_best = evaluate(run, state)
        state.words += sum(len(eg) for eg in batch)
        state.seconds = timer() - started
        info = make_info(state, epoch, score, scores)
        if is_best is not None:
            state.losses = {}
        yield info, is_best
        if run.is_over(state):
            break


def update(run: Run, state: RunState, epoch: int, batch: Batch) -> None:
    """One update of all components that learn."""
    if run.before_update is not None:
        run.before_update(run.nlp, {"step": state.step, "epoch": epoch})
    dropout = next(run.dropouts)
    with own_randomness(state.step):
        for part in subdivide_batch(batch, run.accumulate_gradient):
            learn_own_part(
                run.nlp,
                part,
                drop=dropout,
                losses=state.losses,
                exclude=run.exclude,
                annotates=run.annotates,
            )
    pipes = learning_pipes(run)
    add_gradients(pipes)
    if not leave_out_if_not_finite(pipes, run.optimizer):
        for pipe in pipes:
            pipe.finish_update(run.optimizer)
    run.optimizer.step_schedules()


def learning_pipes(run: Run) -> list[TrainablePipe]:
    return [
        pipe
        for name, pipe in run.nlp.pipeline
        if name not in run.exclude
        and getattr(pipe, "is_trainable", False)
        and pipe.model not in (True, False, None)  # type: ignore[attr-defined]
    ]


def leave_out_if_not_finite(pipes: list[TrainablePipe], optimizer: Optimizer) -> bool:
    """Where one gradient is not finite, no component takes the step, whichever library computes
    it: half a step is a step in another direction.

    RETURNS (bool): Whether the step was left out. The gradients are cleared then.
    """
    for pipe in pipes:
        if isinstance(pipe, Bert):
            pipe.flush_pending_step()  # the backward pass that has waited for all heads
    settings = AdamWSettings.from_optimizer(optimizer)
    shims = shims_of(pipes)
    norms = [shim.prepare_step(settings) for shim in shims if isinstance(shim, TorchShim)]
    others = gradients_of(pipes, but=(TorchShim,))
    if all(norm is None or math.isfinite(norm) for norm in norms) and all(map(is_finite, others)):
        return False
    warnings.warn(Warnings.B901, stacklevel=2)
    for slot in others:
        slot.clear()
    for shim in shims:
        if isinstance(shim, TorchShim):
            shim.skip(settings)
        else:
            shim.finish_update(optimizer)  # without gradients it only lowers its own scale
    return True


def is_finite(slot: Gradient) -> bool:
    gradient = slot.get()
    return gradient is None or bool(torch.isfinite(gradient).all())


def evaluate(run: Run, state: RunState) -> tuple[float | None, Any, bool | None]:
    """RETURNS (Tuple): Score, all scores, and whether it is the best; None where none is due."""
    if state.step % run.eval_frequency:
        return None, None, None
    score, scores = from_first(evaluate_now(run) if is_first() else None)
    state.results.append((score, state.step))
    state.losses = add_losses(state.losses)
    return score, scores, score == max(state.results)[0]


def evaluate_now(run: Run) -> tuple[float, dict[str, Any]]:
    if run.optimizer.averages:
        with run.nlp.use_params(run.optimizer.averages):
            return run.evaluate()
    return run.evaluate()


def make_info(state: RunState, epoch: int, score: float | None, scores: Any) -> Info:
    return {
        "epoch": epoch,
        "step": state.step,
        "score": score,
        "other_scores": scores,
        "losses": state.losses,
        "checkpoints": state.results,
        "seconds": int(state.seconds),
        "words": state.words,
    }
