"""Checksums of saved files, and coded errors for damaged ones.

    saved                   file                what is checked                     when
    weights of a pipeline   checksums.json      crc32 of each .safetensors          loading
    checkpoint of a run     manifest.json       size and sha256 of each file        resuming
    index                   manifest.json       size and crc32 of its files         opening
    cache of states         <name>.index        crc32 of each block and record      reading it
    embedded weights        in loading.py       sha256                              loading

An index is opened often and may be larger than memory: of a file above 16 MiB, only blocks that are
spread over it are summed at opening. What other files hold is checked by those who read
them, in `coded_damage`.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from ..errors import CodedError, CodedFileNotFoundError, CodedValueError, Errors

CHECKSUMS = "checksums.json"
BLOCK = 1 << 20
UNREADABLE = (ValueError, KeyError, TypeError, IndexError, EOFError, SafetensorError)
SPACY_CODE = re.compile(r"\[E\d+\]")


@contextmanager
def coded_damage(part: str, place: str | Path) -> Iterator[None]:
    """RAISES (ValueError, FileNotFoundError): With a code, for what cannot be read inside. Errors
    that have one already stay as they are.

    part (str): What is read.
    place (str | Path): Where from.
    """
    try:
        yield
    except FileNotFoundError as error:
        if has_code(error):
            raise
        place = error.filename or place
        message = Errors.B006.format(part=part, path=place, reason="there is no such file")
        raise CodedFileNotFoundError(message) from error
    except UNREADABLE as error:
        if has_code(error):
            raise
        reason = first_line(error)
        raise CodedValueError(Errors.B006.format(part=part, path=place, reason=reason)) from error


@contextmanager
def coded_as(message: str, path: Path) -> Iterator[None]:
    """RAISES (ValueError): With a message of its own, where a file is absent, damaged or of another
    form.

    message (str): With the fields `path` and `reason`.
    path (Path): The file that is read.
    """
    try:
        yield
    except (*UNREADABLE, AttributeError, OSError) as error:
        if has_code(error):
            raise
        reason = first_line(error)
        raise CodedValueError(message.format(path=path, reason=reason)) from error


def has_code(error: BaseException) -> bool:
    """RETURNS (bool): Whether an error of this package or of spaCy says what is wrong already."""
    return isinstance(error, CodedError) or SPACY_CODE.match(str(error)) is not None


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextmanager
def noting_checksums(path: Path) -> Iterator[None]:
    """Inside, weights are written; then their checksums, so that `check_files` can see a later
    change. A process that is killed in between leaves none.

    path (Path): The folder.
    """
    (path / CHECKSUMS).unlink(missing_ok=True)
    yield
    checksums = {file.name: crc32(file) for file in sorted(path.glob("*.safetensors"))}
    (path / CHECKSUMS).write_text(json.dumps(checksums, indent=1), encoding="utf8")


def check_files(path: Path) -> None:
    """Compare the files of a folder with the checksums that are noted in it, if there are any.

    RAISES (ValueError): If a file was changed, or the notes cannot be read.
    """
    if not (path / CHECKSUMS).is_file():
        return
    with coded_damage("checksums", path / CHECKSUMS):
        checksums = dict(json.loads((path / CHECKSUMS).read_text(encoding="utf8")))
    for name, expected in checksums.items():
        if (path / name).is_file() and crc32(path / name) != expected:
            raise CodedValueError(Errors.B045.format(path=path / name, file=path / CHECKSUMS))


def digests_of(folder: Path) -> dict[str, list]:
    """RETURNS (dict[str, list]): Size and sha256 of all files below a folder, by path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): [path.stat().st_size, sha256(path)] for path in paths
    }


def first_changed(folder: Path, digests: dict[str, list]) -> str | None:
    """RETURNS (str | None): The first file that is missing or has another digest."""
    for name, (size, digest) in digests.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size or sha256(path) != digest:
            return name
    return None


def crc32(path: Path) -> int:
    """RETURNS (int): The crc32 of a file, which takes half the time of a sha256 and finds damage
    as well; it is no protection against anyone who means to deceive.
    """
    found = 0
    for block in _blocks(path):
        found = zlib.crc32(block, found)
    return found


def sha256(path: Path) -> str:
    """RETURNS (str): The sha256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    for block in _blocks(path):
        digest.update(block)
    return digest.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
