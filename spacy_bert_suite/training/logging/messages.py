"""Messages of a training run on the console."""

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from spacy.language import Language
from wasabi import Printer

if TYPE_CHECKING:
    from ..configure import Setup


FOR_MORE = "To go on from {checkpoint}, raise training.max_steps, max_epochs or patience."


class Messages:
    """Writes lines to a stream.

    stdout (IO): The stream.
    """

    def __init__(self, stdout: IO):
        self.stdout = stdout
        self.printer = Printer(no_print=True)

    def _write(self, line: Any) -> None:
        self.stdout.write(f"{line}\n")
        self.stdout.flush()

    def _info(self, text: str) -> None:
        self._write(self.printer.info(text))

    def begin(self, nlp: Language, setup: "Setup") -> None:
        run = setup.run
        self._info(f"Pipeline: {nlp.pipe_names}")
        if run.exclude:
            self._info(f"Frozen components: {run.exclude}")
        if run.annotates:
            self._info(f"Set annotations on update for: {run.annotates}")
        self._info(f"Initial learn rate: {run.optimizer.learn_rate}")

    def no_checkpoint(self, path: Path) -> None:
        self._info(f"No checkpoint in {path} yet: beginning anew")

    def resume(self, checkpoint: Path, n_steps: int) -> None:
        self._info(f"Resuming from {checkpoint}: passing over the data of {n_steps} updates")

    def has_ended(self, checkpoint: Path, step: int, advice: str) -> None:
        text = f"Training has ended after step {step}: nothing to do"
        self._write(self.printer.good(text, advice.format(checkpoint=checkpoint)))

    def stopped(self, path: Path, n_steps: int) -> None:
        text = f"Stopped after {n_steps} updates; a checkpoint is written"
        self._write(self.printer.warn(text, f"To go on in {path}, add --resume to the command."))

    def failed(self, error: Exception) -> None:
        text = "Aborting and saving the final best model. Encountered exception: "
        self._write(self.printer.warn(text + repr(error)))

    def saved(self, path: Path) -> None:
        self._write(self.printer.good("Saved pipeline to output directory", path))
