"""Checkpoints of a run: DIR/checkpoints/step-N, of which the last few are kept."""

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.atomic import coded_errors, recover_all, remove_folder, replace_folder
from ...errors import CodedValueError, Errors, Warnings
from .manifest import check_same_run, make_manifest, read_manifest

if TYPE_CHECKING:
    from thinc.api import Config

FOLDER = "checkpoints"
NAME = re.compile(r"step-(\d+)")
END = "end.json"


class Checkpoints:
    """Writes checkpoints, finds the last one that is whole, and removes old ones.

    output_path (Path): The folder of the run.
    keep (int): How many to keep.
    """

    def __init__(self, output_path: Path, keep: int = 2):
        if keep < 1:
            raise CodedValueError(Errors.B176.format(key="keep", value=keep, expected="1 or more"))
        self.path = output_path / FOLDER
        self.keep = keep

    def all(self) -> list[Path]:
        """RETURNS (list[Path]): Complete checkpoints, the oldest first."""
        return sorted((path for path in self._folders() if step_of(path) >= 0), key=step_of)

    def path_of(self, step: int) -> Path:
        return self.path / f"step-{step}"

    def write(self, step: int, config: "Config", fill: Callable[[Path], None]) -> Path:
        """Write a checkpoint and remove those that are too old.

        step (int): The last update.
        config (Config): Of the run.
        fill (Callable): Writes the files into the folder that it is given.
        RETURNS (Path): The checkpoint.
        RAISES (OSError): If it cannot be written; those before it are as they were.
        """
        path = self.path_of(step)
        with coded_errors(path, Errors.B170):
            with replace_folder(path) as folder:
                fill(folder)
                make_manifest(config, folder).write(folder)
            for old in self.all()[: -self.keep]:
                remove_folder(old)
        return path

    def find(self, config: "Config") -> Path | None:
        """Find the last checkpoint that is whole.

        config (Config): Of the run that is to go on.
        RETURNS (Path | None): The checkpoint, None if there has been none.
        RAISES (ValueError): If all are damaged, or belong to a run with another config.
        """
        self.clean()
        paths = self.all()
        for path in reversed(paths):
            try:
                manifest = read_manifest(path)
            except (ValueError, OSError) as error:
                warnings.warn(Warnings.B930.format(path=path, reason=error), stacklevel=2)
            else:
                check_same_run(manifest, config, path)
                return path
        if paths:
            raise CodedValueError(Errors.B174.format(path=self.path))
        return None

    def drop_after(self, step: int) -> None:
        """Remove the checkpoints of later updates: they are damaged, and will be written again."""
        for path in self.all():
            if step_of(path) > step:
                remove_folder(path)

    def clean(self) -> None:
        """Remove what a killed process has left half done."""
        if self.path.is_dir():
            recover_all(self.path, NAME.pattern)

    def begin_anew(self) -> None:
        """Remove the checkpoints of a run that had come to its end, and nothing else.

        RAISES (ValueError): If there are some of one that had not.
        """
        paths = self.all()
        if paths and read_end(paths[-1]) is None:
            raise CodedValueError(Errors.B171.format(path=self.path, step=step_of(paths[-1])))
        for path in paths:
            remove_folder(path)
        self.clean()
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()

    def _folders(self) -> list[Path]:
        found = self.path.iterdir() if self.path.is_dir() else []
        return [path for path in found if path.is_dir()]


def step_of(path: Path) -> int:
    """RETURNS (int): The update after which a checkpoint was written."""
    match = NAME.fullmatch(path.name)
    return int(match.group(1)) if match else -1


def mark_end(path: Path, max_epochs: int | None) -> None:
    """Note that a run has come to its end with this checkpoint.

    max_epochs (int | None): The epochs that were asked for, if those were the end.
    """
    (path / END).write_text(json.dumps({"max_epochs": max_epochs}), encoding="utf8")


def read_end(path: Path) -> dict[str, Any] | None:
    """RETURNS (Dict | None): What `mark_end` noted, None where a run can go on."""
    try:
        return json.loads((path / END).read_text(encoding="utf8"))
    except (OSError, ValueError):
        return None
