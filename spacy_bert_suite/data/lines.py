"""Lines of files, plain or gzipped, and the suffixes that are read."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO, cast

from ..errors import CodedValueError, Errors

RECORD_SUFFIXES = (".jsonl", ".tsv", ".csv")


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file, plain or gzipped, with their numbers from 1.

    path (Path): The file.
    YIELDS (tuple[int, str]): Number and line, without the line break.
    RAISES (ValueError): If there is no such file, or it is damaged or not UTF-8.
    """
    if not path.is_file():
        raise CodedValueError(Errors.B200.format(path=path))
    try:
        with open_text(path) as lines:
            for number, line in enumerate(lines, start=1):
                yield number, line.rstrip("\r\n")
    except (UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CodedValueError(Errors.B208.format(path=path, reason=error)) from error


def open_text(path: Path) -> TextIO:
    opener = gzip.open if path.suffix == ".gz" else open
    return cast(TextIO, opener(path, "rt", encoding="utf-8-sig", newline="\n"))


def suffix_of(path: Path, suffixes: tuple[str, ...] = RECORD_SUFFIXES) -> str:
    """RETURNS (str): The suffix without .gz.
    RAISES (ValueError): If it is none of those.
    """
    suffix = unzipped_suffix(path)
    if suffix not in suffixes:
        raise CodedValueError(Errors.B209.format(path=path, suffixes=", ".join(suffixes)))
    return suffix


def unzipped_suffix(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
