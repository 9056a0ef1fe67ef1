"""ProgressLogger.v1: speed, losses and gradient norms of a run."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import tqdm
from spacy.language import Language
from spacy.training.loggers import setup_table
from wasabi import Printer

from ...errors import CodedValueError, Errors
from .jsonl_log import JsonlLog
from .meter import Row, ThroughputMeter

LogStep = Callable[[dict[str, Any] | None], None]
MakeLogger = Callable[..., tuple[LogStep, Callable[[], None]]]

BARS = ("train", "eval")
SPACING = 2
EXTRA = {"Tok/s": 7, "LR": 8, "Norm": 8, "Skip": 4, "Left": 8}


def make_progress_logger(
    progress_bar: str | None = None,
    console_output: bool = True,
    output_file: str | None = None,
) -> MakeLogger:
    """Registered as the logger "spacy-bert-suite.ProgressLogger.v1": the table of spaCy's
    ConsoleLogger with mean losses, and with speed, learning rate, norm of the gradient, steps that
    were left out, and the time that is left.

    progress_bar (str | None): "train" for a bar up to max_steps, "eval" for one up to the next
        evaluation. Only on a terminal.
    console_output (bool): Whether to write the table.
    output_file (str | None): A file for the rows in json, one on each line. A resumed run adds
        to it.
    RETURNS (Callable): The logger.
    RAISES (ValueError): If there is no such bar.
    """
    if progress_bar not in (None, *BARS):
        key, expected = "progress_bar of the logger", "null, 'train' or 'eval'"
        raise CodedValueError(Errors.B176.format(key=key, value=progress_bar, expected=expected))

    def setup_logger(
        nlp: Language, stdout: IO = sys.stdout, stderr: IO = sys.stderr
    ) -> tuple[LogStep, Callable[[], None]]:
        meter = ThroughputMeter(nlp)
        table = Table(meter, stdout) if console_output else None
        rows = JsonlLog(Path(output_file)) if output_file else None
        bar = Bar(nlp, progress_bar, stderr)

        def log_step(info: dict[str, Any] | None) -> None:
            if info is None:
                meter.count()
                bar.move()
                return
            row = meter.read(info)
            if rows is not None:
                rows.write(row.to_dict())
            bar.close()
            if table is not None:
                table.write(row)
            bar.open(row)

        return log_step, bar.close

    return setup_logger


class Table:
    """Rows of numbers below a header."""

    def __init__(self, meter: ThroughputMeter, stdout: IO):
        self.stdout = stdout
        self.printer = Printer(no_print=True)
        columns = {"E": 3, "#": 6}
        columns.update({f"Loss {name}": 8 for name in meter.names})
        columns.update(dict.fromkeys(meter.score_names, 6), Score=6, **EXTRA)
        header, self.widths, self.aligns = setup_table(
            cols=list(columns), widths=list(columns.values())
        )
        self._write(self.printer.row(header, widths=self.widths, spacing=SPACING))
        self._write(self.printer.row(["-" * width for width in self.widths], spacing=SPACING))

    def _write(self, line: Any) -> None:
        print(line, file=self.stdout, flush=True)

    def write(self, row: Row) -> None:
        cells = [str(row.epoch), str(row.step)]
        cells += [f"{loss:.4f}" for loss in row.losses.values()]
        cells += [percent(name, score) for name, score in row.scores.items()]
        cells += [f"{row.score:.2f}", *extra_cells(row)]
        self._write(
            self.printer.row(cells, widths=self.widths, aligns=self.aligns, spacing=SPACING)
        )


class Bar:
    """A progress bar between two rows.

    kind (str | None): "train" or "eval"; None for no bar.
    """

    def __init__(self, nlp: Language, kind: str | None, stderr: IO):
        self.training = nlp.config.interpolate()["training"]
        self.kind = kind
        self.stderr = stderr
        self.bar: tqdm.tqdm | None = None

    def open(self, row: Row) -> None:
        if self.kind is None:
            return
        is_whole = self.kind == "train"
        self.bar = tqdm.tqdm(
            total=self.training["max_steps" if is_whole else "eval_frequency"] or None,
            initial=row.step if is_whole else 0,
            desc=f"Epoch {row.epoch + 1}",
            disable=None,  # where there is no terminal
            leave=False,
            file=self.stderr,
        )

    def move(self) -> None:
        if self.bar is not None:
            self.bar.update(1)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def percent(name: str, score: float) -> str:
    """As spaCy's table shows scores: all but the speed in percent."""
    return f"{score if name == 'speed' else 100 * score:.2f}"


def extra_cells(row: Row) -> list[str]:
    return [
        f"{row.tokens_per_second:.0f}",
        "-" if row.learn_rate is None else f"{row.learn_rate:.2e}",
        "-" if row.gradient_norm is None else f"{row.gradient_norm:.3g}",
        str(row.n_skipped),
        "-" if row.seconds_left is None else hours(row.seconds_left),
    ]


def hours(seconds: float) -> str:
    """RETURNS (str): 0:03:20"""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
