"""Segments: vectors and records that were added together, in files that never change."""

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy

from ...core.atomic import sync_file, sync_path
from ...core.integrity import coded_as
from ...errors import Errors
from ..record import Record
from .manifest import STORAGES as STORAGES
from .manifest import SegmentInfo
from .sums import SUMS, check_sum, check_sums, write_sums

CHUNK = 8192  # rows at a time
LEVELS = 127.0  # of int8, on each side of 0


class SegmentWriter:
    """Writes the files of a segment, row by row; they count once a manifest names them.

    folder (Path): A folder that does not exist yet; the first rows make it.
    storage (str): "float32" or "float16" values; for "int8", codes to search in beside the
        float16 values to rescore with.
    """

    def __init__(self, folder: Path, storage: str) -> None:
        self.folder, self.storage = folder, storage
        self.n_rows = self.n_bytes = self.width = 0
        self.files: dict[str, IO[bytes]] = {}

    def _open(self, width: int) -> None:
        self.folder.mkdir()
        self.width = width
        for name in ("vectors", "ids", "ends", "records"):
            self.files[name] = (self.folder / name).open("wb")

    def write(self, vectors: numpy.ndarray, records: Sequence[Record]) -> None:
        """Append rows.

        vectors (ndarray): (n_rows, width) float32, of length one or zero.
        records (Sequence[Record]): One for each.
        """
        if not self.files:
            self._open(vectors.shape[1])
        lines = [record.to_json() for record in records]
        ends = self.n_bytes + numpy.cumsum([len(line) for line in lines], dtype="int64")
        self.files["vectors"].write(vectors.astype(dtype_of(self.storage)).tobytes())
        self.files["ids"].write(hash_ids(record.id for record in records).tobytes())
        self.files["ends"].write(ends.tobytes())
        self.files["records"].write(b"".join(lines))
        self.n_rows += len(lines)
        self.n_bytes = int(ends[-1]) if len(ends) else self.n_bytes

    def finish(self, first_key: int) -> SegmentInfo:
        """RETURNS (SegmentInfo): What the manifest says of it; all is safely on disk."""
        for file_ in self.files.values():
            sync_file(file_)
            file_.close()
        if self.storage == "int8":
            self._write_codes()
        sums = write_sums(self.folder)
        sync_path(self.folder / SUMS)
        sync_path(self.folder)
        return SegmentInfo(self.folder.name, self.n_rows, first_key, sums=sums)

    def discard(self) -> None:
        """Remove what was written."""
        for file_ in self.files.values():
            file_.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write_codes(self) -> None:
        """The largest value of each dimension gets the last level, so that none is clipped."""
        vectors = open_array(self.folder / "vectors", "float16", (self.n_rows, self.width))
        largest = numpy.full(self.width, 1e-12, dtype="float32")
        for start in range(0, self.n_rows, CHUNK):
            chunk = numpy.abs(vectors[start : start + CHUNK].astype("float32"))
            largest = numpy.maximum(largest, chunk.max(axis=0))
        scales = largest / LEVELS
        with (self.folder / "codes").open("wb") as file_:
            for start in range(0, self.n_rows, CHUNK):
                codes = numpy.rint(vectors[start : start + CHUNK].astype("float32") / scales)
                file_.write(codes.astype("int8").tobytes())
            sync_file(file_)
        with (self.folder / "scales").open("wb") as file_:
            file_.write(scales.tobytes())
            sync_file(file_)


class Segment:
    """A segment, memory-mapped.

    folder (Path): The index.
    info (SegmentInfo): What its manifest says.
    width (int): Values of a vector.
    storage (str): How they are stored.
    """

    def __init__(self, folder: Path, info: SegmentInfo, width: int, storage: str) -> None:
        path, n_rows = folder / info.name, info.n_rows
        self.path = path
        self.info, self.n_rows, self.first_key = info, n_rows, info.first_key
        self.vectors = open_array(path / "vectors", dtype_of(storage), (n_rows, width))
        self.ids = open_array(path / "ids", "uint64", (n_rows,))
        self.ends = open_array(path / "ends", "int64", (n_rows,))
        self.records = open_array(path / "records", "uint8", (int(self.ends[-1]),))
        self._order: numpy.ndarray | None = None
        self.codes = self.scales = None
        if storage == "int8":
            self.codes = open_array(path / "codes", "int8", (n_rows, width))
            self.scales = open_array(path / "scales", "float32", (width,))
        self.deleted = numpy.zeros(0, dtype="int64")
        if info.deleted:
            self.deleted = open_array(folder / info.deleted, "int64", (info.n_deleted,))

    def check(self) -> None:
        """RAISES (ValueError): If a file is not what was written."""
        check_sums(self.path, self.info.sums)
        if self.info.deleted:
            check_sum(self.path.parent / self.info.deleted, self.info.deleted_sum)
            rows = self.deleted
            with coded_as(Errors.B111, self.path.parent / self.info.deleted):
                if rows[0] < 0 or rows[-1] >= self.n_rows or (numpy.diff(rows) <= 0).any():
                    raise ValueError("its rows are not those of the segment")

    @property
    def n_live(self) -> int:
        return self.n_rows - len(self.deleted)

    def n_live_before(self, key: int) -> int:
        """RETURNS (int): Live entries with smaller keys."""
        n_rows = min(max(0, key - self.first_key), self.n_rows)
        return n_rows - int(numpy.searchsorted(self.deleted, n_rows))

    def live_mask(self) -> numpy.ndarray:
        mask = numpy.ones(self.n_rows, dtype=bool)
        mask[self.deleted] = False
        return mask

    def record(self, row: int) -> Record:
        """RAISES (ValueError): If what is stored cannot be read."""
        start = int(self.ends[row - 1]) if row else 0
        with coded_as(Errors.B111, self.path / "records"):
            return Record.from_json(self.records[start : int(self.ends[row])].tobytes())

    def rows_of(self, ids: Sequence[str]) -> list[int]:
        """RETURNS (list[int]): Live rows of Docs, found by hash and then compared."""
        wanted = set(ids)
        order, starts, ends = self._places(hash_ids(ids))
        found = {int(row) for start, end in zip(starts, ends) for row in order[start:end]}
        live = sorted(found.difference(self.deleted.tolist())) if found else []
        return [row for row in live if self.record(row).id in wanted]

    def may_have(self, hashes: numpy.ndarray) -> numpy.ndarray:
        """RETURNS (ndarray): Which ids are, or were, in it, bool; by hash alone."""
        _, starts, ends = self._places(hashes)
        return starts < ends

    def _places(self, hashes: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
        """Rows sorted by the hash of their id, and where those with each of the hashes stand."""
        if self._order is None:
            self._order = numpy.argsort(self.ids, kind="stable")
        starts = numpy.searchsorted(self.ids, hashes, "left", sorter=self._order)
        ends = numpy.searchsorted(self.ids, hashes, "right", sorter=self._order)
        return self._order, starts, ends


def dtype_of(storage: str) -> str:
    return "float32" if storage == "float32" else "float16"


def hash_ids(ids: Iterable[str]) -> numpy.ndarray:
    hashes = [
        hashlib.blake2b(id_.encode("utf8", "surrogatepass"), digest_size=8).digest() for id_ in ids
    ]
    return numpy.frombuffer(b"".join(hashes), dtype="uint64")


def open_array(path: Path, dtype: str, shape: Any) -> numpy.ndarray:
    """RETURNS (ndarray): A file of numbers, memory-mapped. Writes to it would stay in memory.
    RAISES (ValueError): If the file is missing or has another size.
    """
    n_bytes = int(numpy.prod(shape)) * numpy.dtype(dtype).itemsize
    with coded_as(Errors.B111, path):
        found = path.stat().st_size
        if found != n_bytes:
            raise ValueError(f"it has {found} bytes, not {n_bytes}")
        if not n_bytes:
            return numpy.zeros(shape, dtype=dtype)
        return numpy.memmap(path, dtype=dtype, mode="c", shape=shape)
