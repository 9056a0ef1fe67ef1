"""Folders that are there as a whole or not at all, whenever the process ends."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from safetensors import SafetensorError

from .errors import Errors

NEW, OLD = ".new-", ".old-"


@contextmanager
def coded_errors(path: Path, message: str = Errors.B170) -> Iterator[None]:
    """RAISES (OSError): With a code, where something below a path cannot be written; safetensors
    has an error of its own for a full disk.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise OSError(message.format(path=path, reason=error)) from error


@contextmanager
def written_whole(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Write a folder under another name, and give it its own when it is complete. It takes the
    place of one that is there already.

    path (Path): The folder.
    sync (bool): Wait until the disk has it.
    YIELDS (Path): Where to write.
    """
    new = path.with_name(NEW + path.name)
    remove(new)
    new.mkdir(parents=True)
    try:
        yield new
        if sync:
            sync_tree(new)
        swap(new, path)
    finally:
        remove(new)


def swap(new: Path, path: Path) -> None:
    old = path.with_name(OLD + path.name)
    if path.exists():
        remove(old)
        os.rename(path, old)
    os.rename(new, path)
    sync_folder(path.parent)
    remove(old)


def restore(path: Path) -> None:
    """Put back what a killed process has moved aside, where nothing took its place."""
    old = path.with_name(OLD + path.name)
    if old.exists() and not path.exists():
        os.rename(old, path)
    for leftover in (old, path.with_name(NEW + path.name)):
        remove(leftover)


def drop(path: Path) -> None:
    """Remove a folder: its name goes first, so that no part of it is taken for the whole."""
    old = path.with_name(OLD + path.name)
    remove(old)
    os.rename(path, old)
    remove(old)


def remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


def sync_tree(path: Path) -> None:
    """Wait until the disk has all files and folders below a folder."""
    for folder, _, names in os.walk(path):
        for name in names:
            _sync(Path(folder) / name, os.O_RDONLY)
        sync_folder(Path(folder))


def sync_folder(path: Path) -> None:
    """Make the names in a folder last."""
    if os.name == "posix":  # elsewhere a folder cannot be opened
        _sync(path, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
