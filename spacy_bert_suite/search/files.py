"""Files that are whole or absent: what a killed process leaves behind can be read."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import Errors
from ..folders import sync_folder

try:
    import fcntl
except ImportError:  # Windows: two writers at a time are not noticed there
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it has the old content or the new one, never a part.

    path (Path): The file; its folder exists.
    content (bytes): All of it.
    """
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file_:
        file_.write(content)
        sync(file_)
    os.replace(part, path)
    sync_folder(path.parent)


def sync(file_) -> None:
    file_.flush()
    os.fsync(file_.fileno())


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Be the only writer of a folder; the system ends that when the process dies.

    RAISES (ValueError): If another one is writing.
    """
    with (folder / LOCK).open("wb") as file_:
        if fcntl is not None:
            try:
                fcntl.flock(file_, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ValueError(Errors.B116.format(path=folder)) from error
        yield


def copy(source: Path, target: Path) -> None:
    """Copy a file or folder under a name that means it is whole."""
    if target.exists():
        return
    part = target.with_name(target.name + ".part")
    if source.is_dir():
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(source, part)
        for path in part.rglob("*"):
            sync_copy(path)
        sync_folder(part)
    else:
        shutil.copyfile(source, part)
        sync_copy(part)
    part.rename(target)


def sync_copy(path: Path) -> None:
    if path.is_dir():
        sync_folder(path)
        return
    with path.open("rb+") as file_:
        os.fsync(file_.fileno())
