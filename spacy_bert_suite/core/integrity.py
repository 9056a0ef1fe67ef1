"""Checksums of files, and coded errors for what is damaged."""

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
    except (ValueError, KeyError, TypeError, IndexError, EOFError, SafetensorError) as error:
        if has_code(error):
            raise
        reason = first_line(error)
        raise CodedValueError(Errors.B006.format(part=part, path=place, reason=reason)) from error


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
    checksums = {file.name: checksum(file) for file in sorted(path.glob("*.safetensors"))}
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
        if (path / name).is_file() and checksum(path / name) != expected:
            raise CodedValueError(Errors.B045.format(path=path / name, file=path / CHECKSUMS))


def checksum(path: Path) -> int:
    """RETURNS (int): The crc32 of a file, which takes half the time of a sha256 and finds damage
    as well; it is no protection against anyone who means to deceive.
    """
    found = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found = zlib.crc32(block, found)
    return found


BLOCK = 1 << 20


def sha256(path: Path) -> str:
    """RETURNS (str): The sha256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
