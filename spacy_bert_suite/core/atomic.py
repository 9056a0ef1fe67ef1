"""Files and folders that are whole or absent, whenever the process ends."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from ..errors import CodedFileExistsError, CodedOSError, CodedValueError, Errors

NEW, OLD = ".new-", ".old-"


@contextmanager
def coded_errors(path: Path, message: str = Errors.B170) -> Iterator[None]:
    """RAISES (OSError): With a code, where something below a path cannot be written; safetensors
    has an error of its own for a full disk.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise CodedOSError(message.format(path=path, reason=error)) from error


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
                raise CodedValueError(Errors.B116.format(path=folder)) from error
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


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Write a folder that is there as a whole or not at all.

    path (Path): The folder. It must not hold anything yet.
    YIELDS (Path): Where to write.
    RAISES (OSError): If it holds files, or cannot be written.
    """
    check_new(path)
    with coded_errors(path, Errors.B234), written_whole(path) as folder:
        yield folder


def check_new(path: Path) -> None:
    """RAISES (FileExistsError): If a folder holds files, or a file is in its place."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise CodedFileExistsError(Errors.B232.format(path=path))
