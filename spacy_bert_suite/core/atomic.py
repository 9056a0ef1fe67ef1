"""Replacement of files and folders in one step, and locks for a single writer.

X is written as `.new-X` beside it, flushed to the disk and renamed. A folder that it replaces is
`.old-X` in between. Whenever the process ends, what remains follows one rule:

    .new-X    is partial: being written or being removed; it is deleted
    .old-X    is whole: it is put back where there is no X, else deleted

`recover` applies it. A folder `.new-X` is locked while its writer lives, so that nobody else takes
it for a leftover.
"""

import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from safetensors import SafetensorError

from ..errors import CodedFileExistsError, CodedOSError, CodedValueError, Errors

try:
    import fcntl
except ImportError:  # Windows: two writers at a time are not noticed there
    fcntl = None  # type: ignore[assignment]

WRITERS: dict[Path, threading.RLock] = {}  # of this process, by folder

NEW, OLD = ".new-", ".old-"
LOCK = ".lock"


@contextmanager
def coded_errors(path: Path, message: str) -> Iterator[None]:
    """RAISES (OSError): With a code, where something below a path cannot be written; safetensors
    has an error of its own for a full disk.

    message (str): With the fields `path` and `reason`.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise CodedOSError(message.format(path=path, reason=error)) from error


@contextmanager
def replace_file(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Write a file so that it has its old content or all of the new.

    path (Path): The file; its folder exists.
    sync (bool): Wait until the disk has it.
    YIELDS (Path): Where to write.
    """
    new = path.with_name(NEW + path.name)
    try:
        yield new
        if sync:
            sync_path(new)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)
    if sync:
        sync_path(path.parent)


@contextmanager
def replace_files(folder: Path) -> Iterator[Path]:
    """Write files into a folder; each replaces an old one at once. A file that has another name
    elsewhere (a hard link) keeps its content there.

    folder (Path): It is made if it is not there.
    YIELDS (Path): Where to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    recover_all(folder, "[a-z0-9_]+")  # the latter of earlier versions
    with partial_folder(folder / "files") as new:
        yield new
        for file in sorted(new.iterdir()):
            os.replace(file, folder / file.name)


@contextmanager
def replace_folder(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Write a folder that is there as a whole or, until then, as it was.

    path (Path): The folder.
    sync (bool): Wait until the disk has it.
    YIELDS (Path): Where to write.
    RAISES (ValueError): If another process is writing it.
    """
    with partial_folder(path) as new:
        yield new
        if sync:
            sync_tree(new)
        put_in_place(new, path)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Write a folder that is there as a whole or not at all.

    path (Path): The folder. It must not hold anything yet.
    YIELDS (Path): Where to write.
    RAISES (OSError): If it holds files, or cannot be written.
    """
    check_new(path)
    with coded_errors(path, Errors.B234), replace_folder(path) as folder:
        yield folder


def check_new(path: Path) -> None:
    """RAISES (FileExistsError): If a folder holds files, or a file is in its place."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise CodedFileExistsError(Errors.B232.format(path=path))


@contextmanager
def partial_folder(path: Path) -> Iterator[Path]:
    """Make a folder on the disk of another one, of which this process is the only writer. Unless
    it is put in place, it is removed in the end.

    path (Path): The folder that it is to become.
    YIELDS (Path): Where to write.
    RAISES (ValueError): If another process is writing it.
    """
    path = path.resolve()
    recover(path)
    new = path.with_name(NEW + path.name)
    new.mkdir(parents=True)
    made = new.stat()
    with locked(new):
        try:
            yield new
        finally:
            if new.exists() and os.path.samestat(new.stat(), made):
                remove(new)


def put_in_place(new: Path, path: Path) -> None:
    """Give a folder that is whole its name."""
    path = path.resolve()
    old = path.with_name(OLD + path.name)
    if path.exists():
        os.rename(path, old)
    os.rename(new, path)
    sync_path(path.parent)
    remove(old)


def remove_folder(path: Path) -> None:
    """Remove a folder: its name goes first, so that no part of it is taken for the whole."""
    recover(path)
    new = path.with_name(NEW + path.name)
    os.rename(path, new)
    remove(new)


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file or folder, unless there is one; it has its name when it is whole."""
    if target.exists():
        return
    if source.is_dir():
        with replace_folder(target) as folder:
            shutil.copytree(source, folder, dirs_exist_ok=True)
    else:
        with replace_file(target) as file:
            shutil.copyfile(source, file)


def recover(path: Path) -> None:
    """Put back or remove what a killed process has left of a folder.

    RAISES (ValueError): If another process is writing it now.
    """
    new, old = (path.with_name(mark + path.name) for mark in (NEW, OLD))
    if new.is_dir():
        with locked(new):
            remove(new)
    if old.is_dir() and not path.exists():
        os.rename(old, path)
    remove(old)


def recover_all(folder: Path, name: str) -> None:
    """Put back or remove what killed processes have left in a folder.

    name (str): Pattern of the names of folders that this may concern.
    """
    leftover = re.compile(f"(?:{re.escape(NEW)}|{re.escape(OLD)})({name})")
    for path in list(folder.iterdir()):
        match = leftover.fullmatch(path.name)
        if match and path.is_dir():
            recover(folder / match.group(1))


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Be the only writer in a folder; the system ends that when the process dies. Threads of this
    process wait for each other.

    RAISES (ValueError): If another process is writing, or this thread already is.
    """
    turn = WRITERS.setdefault(folder.resolve(), threading.RLock())
    with turn, (folder / LOCK).open("wb") as file:
        _lock(file.fileno(), folder)
        yield


if hasattr(os, "register_at_fork"):  # a fork lacks the threads that hold its parent's locks
    os.register_at_fork(after_in_child=WRITERS.clear)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder itself, where the file system can.

    RAISES (ValueError): If a process that lives has locked it.
    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CodedValueError(Errors.B116.format(path=path)) from error
    except OSError:  # NFS cannot lock folders
        pass


def sync_tree(path: Path) -> None:
    """Wait until the disk has all files and folders below a folder."""
    for folder, _, names in os.walk(path):
        for name in names:
            sync_path(Path(folder) / name)
        sync_path(Path(folder))


def sync_path(path: Path) -> None:
    """Wait until the disk has the content of a file, or the names in a folder."""
    if os.name == "posix":
        flags = os.O_RDONLY
    elif path.is_dir():  # Windows cannot open it
        return
    else:
        flags = os.O_RDWR
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(file: IO[bytes]) -> None:
    """Wait until the disk has what was written to an open file."""
    file.flush()
    os.fsync(file.fileno())
