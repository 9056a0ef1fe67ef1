"""Checksums of the files of an index, which never change: one for each block of a file.

Opening an index reads no more than MOST_BLOCKS blocks of a file, spread over it: all of a file up
to 16 MiB, samples of a larger one, so that an index may be larger than memory.
"""

import json
import zlib
from pathlib import Path

from ...core.integrity import coded_as
from ...errors import Errors

SUMS = "sums"
BLOCK = 1 << 20  # bytes
MOST_BLOCKS = 16


def write_sums(folder: Path) -> int:
    """Note the sums of all files of a folder in one more file.

    RETURNS (int): The sum of that one.
    """
    sums = {path.name: _sums_of(path) for path in sorted(folder.iterdir()) if path.is_file()}
    content = json.dumps(sums).encode()
    (folder / SUMS).write_bytes(content)
    return zlib.crc32(content)


def check_sums(folder: Path, expected: int | None) -> None:
    """Compare the files of a folder with their sums.

    expected (int | None): The sum of the sums; None for an index of earlier versions.
    RAISES (ValueError): If a file was changed, or is missing.
    """
    if expected is None:
        return
    with coded_as(Errors.B111, folder / SUMS):
        content = (folder / SUMS).read_bytes()
        if zlib.crc32(content) != expected:
            raise ValueError("its checksum is another one")
        sums = json.loads(content)
    for name, blocks in sums.items():
        with coded_as(Errors.B111, folder / name):
            _check_blocks(folder / name, blocks)


def check_sum(path: Path, expected: int | None) -> None:
    """RAISES (ValueError): If a small file was changed."""
    with coded_as(Errors.B111, path):
        if expected is not None and zlib.crc32(path.read_bytes()) != expected:
            raise ValueError("its checksum is another one")


def _sums_of(path: Path) -> list[int]:
    sums = []
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            sums.append(zlib.crc32(block))
    return sums


def _check_blocks(path: Path, sums: list[int]) -> None:
    n_read = min(len(sums), MOST_BLOCKS)
    with path.open("rb") as file:
        for i in range(n_read):
            place = i * (len(sums) - 1) // max(1, n_read - 1)
            file.seek(place * BLOCK)
            if zlib.crc32(file.read(BLOCK)) != sums[place]:
                raise ValueError("its checksum is another one")
