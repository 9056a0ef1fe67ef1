"""Folders of a run: model-last, model-best and checkpoints, written by one process only."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.training.loop import DIR_MODEL_BEST, DIR_MODEL_LAST, clean_output_dir
from thinc.api import Optimizer

from ...backbone.component import Bert
from ...backbone.weights.saving import WEIGHTS
from ...core.atomic import coded_errors, recover, replace_folder
from ...errors import CodedOSError, CodedValueError, Errors
from ..configure import Setup
from .checkpoints import Checkpoints, mark_end
from .resume_state import write_snapshot


@dataclass
class Output:
    """Saves the pipeline and the checkpoints of a run.

    before_to_disk (Callable): Changes the pipeline before it is saved, as in spaCy's config.
    checkpoints (Checkpoints): Of this run.
    checkpoint_every (int): Updates from one checkpoint to the next; 0: one with every evaluation.
    last_step (int): The update after which the last checkpoint was written; -1 for none.
    """

    path: Path
    nlp: Language
    optimizer: Optimizer
    before_to_disk: Callable[[Language], Language]
    checkpoints: Checkpoints
    checkpoint_every: int = 0
    last_step: int = -1

    @property
    def last_model(self) -> Path:
        return self.path / DIR_MODEL_LAST

    def clean(self) -> None:
        """Begin anew."""
        self.checkpoints.begin_anew()
        try:
            clean_output_dir(self.path)
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CodedOSError(Errors.B177.format(path=self.path, reason=error)) from error

    def take_up(self, step: int) -> None:
        """Go on after the checkpoint of this update."""
        recover(self.path / DIR_MODEL_BEST)
        self.checkpoints.drop_after(step)
        self.last_step = step

    def is_due(self, step: int, is_evaluated: bool) -> bool:
        """RETURNS (bool): Whether to write a checkpoint after this update."""
        if self.checkpoint_every:
            return step > 0 and step % self.checkpoint_every == 0
        return is_evaluated

    def save_model(self, is_best: bool) -> Path:
        """Save the pipeline as model-last, with averages where there are some, and as model-best.

        RETURNS (Path): model-last.
        """
        last = self.last_model
        with self.nlp.use_params(self.optimizer.averages):  # type: ignore[arg-type]
            nlp = self.before_to_disk(self.nlp)
            with coded_errors(last, Errors.B170):
                nlp.to_disk(last)
        if is_best:
            best = self.path / DIR_MODEL_BEST
            copy = _link_or_copy(weight_files(self.nlp, last))
            with coded_errors(best, Errors.B170), replace_folder(best, sync=False) as folder:
                shutil.copytree(last, folder, copy_function=copy, dirs_exist_ok=True)
        return last

    def save_checkpoint(self, step: int, progress: dict[str, Any]) -> None:
        """Write a checkpoint, unless there is one of this update."""
        if step != self.last_step:
            parts = (self.nlp, self.optimizer, progress, self.last_model)
            self.checkpoints.write(
                step, self.nlp.config, lambda folder: write_snapshot(folder, *parts)
            )
            self.last_step = step

    def end(self, step: int, progress: dict[str, Any], max_epochs: int | None) -> None:
        """Write the last checkpoint, with a note that there is nothing more to do.

        max_epochs (int | None): The epochs that were asked for, if those were the end.
        """
        self.save_checkpoint(step, progress)
        mark_end(self.checkpoints.path_of(step), max_epochs)


def make_output(
    nlp: Language, path: Path | None, setup: Setup, keep: int, checkpoint_every: int
) -> Output | None:
    """RETURNS (Output | None): None where nothing is to be written."""
    if checkpoint_every < 0:
        key, expected = "checkpoint_every", "0 or more"
        raise CodedValueError(
            Errors.B176.format(key=key, value=checkpoint_every, expected=expected)
        )
    if path is None:
        return None
    optimizer, before_to_disk = setup.run.optimizer, setup.before_to_disk
    checkpoints = Checkpoints(path, keep)
    return Output(path, nlp, optimizer, before_to_disk, checkpoints, checkpoint_every)


def weight_files(nlp: Language, path: Path) -> set[str]:
    """RETURNS (set[str]): The files with the weights of backbones in a saved pipeline. They are
    never written in place, so that they may have several names.
    """
    names = [name for name, pipe in nlp.pipeline if isinstance(pipe, Bert)]
    return {str(path / name / "model" / WEIGHTS) for name in names}


def _link_or_copy(linkable: set[str]) -> Callable[[str, str], Any]:
    def copy(source: str, target: str) -> Any:
        if source in linkable:
            try:
                return os.link(source, target)
            except OSError:  # a disk without hard links
                pass
        return shutil.copy2(source, target)

    return copy
