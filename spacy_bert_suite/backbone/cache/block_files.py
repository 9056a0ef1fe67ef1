"""Blocks of bytes by key, in append-only files.

    <name>.rows     the blocks, end to end
    <name>.index    a record for each: key, place and length in .rows, checksums

Each process writes a pair of files of its own, rows before their records: what a killed process
has not finished has no record, and two processes never write to one file. A block whose checksum
is wrong, or that is cut short, counts as absent. Files are read, not mapped: memory stays flat, and
a file that is cut short while it is open is no bus error.
"""

import re
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from uuid import uuid4
from weakref import finalize
from zlib import crc32

RECORD = struct.Struct("<16sQQI")  # key, start, length in bytes, checksum of the block
CHECKSUM = struct.Struct("<I")  # of the record
KEY_SIZE = 16
FOLDER = re.compile(f"[0-9a-f]{{{2 * KEY_SIZE}}}")  # the digest of weights and settings


class Place(NamedTuple):
    file: int  # in BlockFiles._files
    start: int
    n_bytes: int
    checksum: int


class BlockFiles:
    """The blocks of a folder, as it was when this was made, and those written since.

    folder (Path): It is made if it is not there.
    RAISES (OSError): If it cannot be made or read.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._files: list[Any] = []
        self._places: dict[bytes, Place] = {}
        self._writers: tuple[BinaryIO, BinaryIO] | None = None
        self._end = 0  # of the file that is written
        self._open: list[BinaryIO] = []
        self.close = finalize(self, close_all, self._open)
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.index")):
            self._load(path)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def _load(self, path: Path) -> None:
        try:
            index = path.read_bytes()
            self._add_reader(path)
        except FileNotFoundError:  # pruned by another process
            return
        size = RECORD.size + CHECKSUM.size
        for start in range(0, len(index) - size + 1, size):
            record = index[start : start + RECORD.size]
            if CHECKSUM.unpack_from(index, start + RECORD.size) == (crc32(record),):
                key, *place = RECORD.unpack(record)
                self._places[key] = Place(len(self._files) - 1, *place)

    def _add_reader(self, path: Path) -> None:
        rows: Any = path.with_suffix(".rows").open("rb", buffering=0)
        self._files.append(rows)
        self._open.append(rows)

    def read(self, key: bytes, buffer: memoryview) -> bool:
        """Read a block.

        key (bytes): Of 16 bytes.
        buffer (memoryview): Bytes to fill, as many as were written.
        RETURNS (bool): Whether the block is there and whole. If not, it is forgotten.
        """
        place = self._places.get(key)
        if place is None:
            return False
        if place.n_bytes == len(buffer):
            file = self._files[place.file]
            file.seek(place.start)
            n_read = file.readinto(buffer)
            if n_read == len(buffer) and crc32(buffer) == place.checksum:
                return True
        del self._places[key]
        return False

    def write(self, keys: Sequence[bytes], blocks: Sequence[memoryview]) -> None:
        """Append blocks; they can be read at once.

        RAISES (OSError): If there is no room, or no right to write.
        """
        rows, index = self._writers or self._begin()
        records = []
        places = {}
        for key, block in zip(keys, blocks):
            place = Place(len(self._files) - 1, self._end, len(block), crc32(block))
            rows.write(block)
            self._end += len(block)
            record = RECORD.pack(key, *place[1:])
            records.append(record + CHECKSUM.pack(crc32(record)))
            places[key] = place
        rows.flush()
        index.write(b"".join(records))
        index.flush()
        self._places.update(places)

    def _begin(self) -> tuple[BinaryIO, BinaryIO]:
        path = self.folder / uuid4().hex
        for suffix in (".rows", ".index"):
            self._open.append(path.with_suffix(suffix).open("xb"))
        self._writers = self._open[-2], self._open[-1]
        self._add_reader(path)  # the last from now on: nothing is loaded after this
        return self._writers


def close_all(files: list[BinaryIO]) -> None:
    for file in files:
        file.close()


def size_of(folder: Path) -> int:
    """RETURNS (int): Bytes of all files below a folder."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # pruned by another process
            continue
    return total


def prune(root: Path, kept: Path, n_bytes: int) -> int:
    """Remove folders of blocks in `root` other than `kept`, the one written longest ago first,
    until all of them are no larger than `n_bytes`. What else lies in `root` is not looked at.

    RETURNS (int): Bytes that are left.
    """
    folders = [path for path in root.iterdir() if is_block_folder(path)]
    total = sum(map(size_of, folders))
    others = [folder for folder in folders if folder != kept]
    for folder in sorted(others, key=last_written):
        if total <= n_bytes:
            break
        total -= size_of(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return total


def is_block_folder(path: Path) -> bool:
    """RETURNS (bool): Whether it is one that this package has made. Others keep files that end in
    .index, too (TensorFlow, FAISS), but under no such name.
    """
    return FOLDER.fullmatch(path.name) is not None and path.is_dir()


def last_written(folder: Path) -> float:
    return max((path.stat().st_mtime for path in folder.glob("*")), default=0.0)
