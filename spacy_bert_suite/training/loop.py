"""The training loop: `spacy train` with checkpoints, resumable to the same bytes."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any

from spacy.language import Language
from spacy.training.loop import update_meta

from ..core.collectives import in_group
from ..errors import CodedValueError, Errors
from .configure import Setup, set_up
from .folder.checkpoints import read_end, step_of
from .folder.output import Output, make_output
from .folder.resume_state import load_randomness, load_weights, read_progress
from .logging.messages import FOR_MORE, Messages
from .parallel.processes import (
    any_of,
    from_first,
    is_first,
    synchronize_randomness,
    synchronize_weights,
)
from .resume.batches import Position
from .resume.optimizer import step_schedules
from .signals import StopRequest, stop_requests
from .state import RunState
from .steps import Info, take_steps

LogStep = Callable[[Info | None], None]


def train(
    nlp: Language,
    output_path: Path | None = None,
    *,
    use_gpu: int = -1,
    resume: bool = False,
    checkpoint_every: int = 0,
    keep: int = 2,
    on_begin: Callable[[], None] = lambda: None,
    for_more: str = FOR_MORE,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> tuple[Language, Path | None]:
    """Train a pipeline as `spacy.training.loop.train` does, with the same numbers, and write
    checkpoints from which it can go on.

    nlp (Language): The pipeline as `spacy.training.initialize.init_nlp` gives it; to resume, made
        from the same config.
    output_path (Path | None): Folder for model-best, model-last and checkpoints.
    use_gpu (int): The GPU of spaCy's own layers, -1 for none.
    resume (bool): Go on from the last checkpoint in `output_path`; without one, begin anew.
    checkpoint_every (int): Updates from one checkpoint to the next; 0 writes one with every
        evaluation.
    keep (int): How many checkpoints to keep.
    on_begin (Callable): Called before the first update, when nothing can refuse the run any more.
    for_more (str): What is said of a run that has ended, to those who want more steps.
    stdout, stderr (IO): Where messages go, and where loggers write.
    RETURNS (tuple[Language, Path | None]): The pipeline and the path of model-last.
    RAISES (ValueError, OSError): If it cannot go on, or a checkpoint cannot be written.
    RAISES (KeyboardInterrupt): After Ctrl-C, when the checkpoint is written.
    """
    say = Messages(stdout)
    setup = set_up(nlp, use_gpu)
    output = None
    if is_first():
        output = make_output(nlp, output_path, setup, keep, checkpoint_every)
    state = RunState()
    checkpoint = from_first(find_checkpoint(output, nlp, resume, say) if is_first() else None)
    if checkpoint is not None:
        state = load_pipeline(checkpoint, nlp, setup)
        if has_ended(checkpoint, state, setup):
            say.has_ended(checkpoint, state.step, for_more)
            return nlp, None if output is None else output.last_model
    synchronize_weights(nlp)
    say.begin(nlp, setup)
    if checkpoint is not None:
        say.resume(checkpoint, state.n_steps)
    make_logger = setup.make_logger if is_first() else no_logger
    with nlp.select_pipes(disable=setup.run.exclude):
        log_step, finalize_logger = make_logger(nlp, stdout, stderr)
    if checkpoint is not None:
        find_place(checkpoint, setup)
    on_begin()
    is_caught = output is not None or in_group()
    catching: AbstractContextManager = stop_requests() if is_caught else nullcontext(StopRequest())
    with catching as request, Closing(output, finalize_logger, say):
        go_on(setup, state, output, log_step, request)
    if output is not None:
        finish(output, setup, state, request, say)
    return nlp, None if output is None else output.last_model


def go_on(
    setup: Setup,
    state: RunState,
    output: Output | None,
    log_step: LogStep,
    request: StopRequest,
) -> None:
    """Take step after step; evaluate, save and log where it is time for that."""
    run = setup.run
    for info, is_best in take_steps(run, state):
        if is_best is not None:
            with run.nlp.select_pipes(disable=run.exclude):
                update_meta(setup.training, run.nlp, info)
            if output is not None:
                info["output_path"] = str(output.save_model(is_best))
        log_step(info if is_best is not None else None)
        is_asked_to_stop = any_of(bool(request))
        is_evaluated = is_best is not None
        if output is not None and (is_asked_to_stop or output.is_due(state.step, is_evaluated)):
            output.save_checkpoint(state.step, progress_of(setup, state))
        if is_asked_to_stop:
            break
        if is_evaluated:
            synchronize_randomness()


def finish(
    output: Output, setup: Setup, state: RunState, request: StopRequest, say: Messages
) -> None:
    """Note that the run is over, or how to go on with it."""
    is_over = setup.run.is_over(state)
    if request and not is_over:
        say.stopped(output.path, state.n_steps)
        request.repeat()
    ended_by = None if is_over else setup.run.max_epochs
    if state.n_steps:
        output.end(state.step, progress_of(setup, state), ended_by)
    say.saved(output.last_model)


def no_logger(nlp: Language, stdout: IO, stderr: IO) -> tuple[LogStep, Callable[[], None]]:
    """Only the first of several processes writes."""
    return lambda info: None, lambda: None


class Closing:
    """Whatever happens, the logger is closed and model-last is saved, as in spaCy's loop."""

    def __init__(self, output: Output | None, finalize_logger: Callable, say: Messages):
        self.output = output
        self.finalize_logger = finalize_logger
        self.say = say

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, Exception) and self.output is not None:
            self.say.failed(error)
        self.finalize_logger()
        if self.output is not None:
            # What went wrong first is what is to be seen.
            with nullcontext() if error is None else suppress(OSError):
                self.output.save_model(False)


def find_checkpoint(
    output: Output | None, nlp: Language, resume: bool, say: Messages
) -> Path | None:
    """RETURNS (Path | None): Where to go on; None to begin anew, with a clean folder."""
    if output is None:
        if resume:
            raise CodedValueError(Errors.B175)
        return None
    checkpoint = output.checkpoints.find(nlp.config) if resume else None
    if checkpoint is None:
        if resume:
            say.no_checkpoint(output.checkpoints.path)
        output.clean()
    else:
        output.take_up(step_of(checkpoint))
    return checkpoint


def load_pipeline(checkpoint: Path, nlp: Language, setup: Setup) -> RunState:
    """Load the weights and the optimizers' state. RETURNS (RunState): How far the run is."""
    load_weights(checkpoint, nlp, setup.run.optimizer)
    progress = read_progress(checkpoint)
    nlp.meta["performance"] = progress["performance"]
    state = RunState.from_dict(progress["state"])
    if not is_first():
        state.losses = {}  # those of all processes are added up
    return state


def has_ended(checkpoint: Path, state: RunState, setup: Setup) -> bool:
    """RETURNS (bool): Whether the run is over, also with what the config says now."""
    end = read_end(checkpoint)
    if end is None:
        return False
    return setup.run.is_over(state) or end["max_epochs"] == setup.run.max_epochs


def find_place(checkpoint: Path, setup: Setup) -> None:
    """Bring schedules, data and random numbers to where they were."""
    run, progress = setup.run, read_progress(checkpoint)
    n_steps = RunState.from_dict(progress["state"]).n_steps
    step_schedules(run.optimizer, n_steps)
    for _ in range(n_steps):
        next(run.dropouts)
    run.batches.skip_to(Position.from_dict(progress["position"]))
    load_randomness(checkpoint)


def progress_of(setup: Setup, state: RunState) -> dict[str, Any]:
    return {
        "state": state.to_dict(),
        "position": setup.run.batches.position.to_dict(),
        "performance": setup.run.nlp.meta.get("performance", {}),
    }
