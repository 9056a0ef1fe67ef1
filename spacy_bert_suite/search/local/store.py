"""A folder of segments, which holds the vectors and records of an index on this machine.

    library/
      manifest.json       what counts; replaced in one step, always last
      <segment>/          vectors, ids, ends, records (and codes, scales for int8)
      <segment>.deleted   rows that no longer count
      <accelerator>/      made from the segments, can be made again

Files are written under new names, flushed to the disk, and then named by the manifest. A process
that dies before that leaves files that no manifest names; the next writer removes them.
"""

import re
import secrets
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from ...core.atomic import LOCK, NEW, copy_whole, only_writer, replace_file, sync_path
from ...errors import CodedValueError, Errors
from ..backend import Batch
from ..record import Record
from .manifest import MANIFEST, Manifest, SegmentInfo, read_manifest
from .segment import CHUNK, Segment, SegmentWriter

PARTS = r"(segment|hnsw|bm25)-[0-9a-f]{16}(\..+)?|manifest\.json(\.part)?|\.lock"
OWN_NAME = re.compile(f"({re.escape(NEW)})?({PARTS})")  # .part: of earlier versions

SMALL = 16384  # entries; smaller segments are joined
MOST_SMALL = 16  # when there are so many at the end


class State(NamedTuple):
    """What counts, replaced as a whole, so that a search beside a writer sees one or the other."""

    manifest: Manifest
    segments: list[Segment]
    first_keys: numpy.ndarray


class Store:
    """Segments in a folder, as of when they were opened or last written.

    folder (Path): The index.
    """

    def __init__(self, folder: Path) -> None:
        self._show(Manifest(), [])
        self.folder = folder.absolute()  # the working folder may change
        self._show(*self._open())

    @classmethod
    def create(cls, folder: Path, manifest: Manifest) -> "Store":
        """RAISES (ValueError): If something is in the folder."""
        check_folder(folder, replace=False)
        folder.mkdir(parents=True, exist_ok=True)
        manifest.write(folder)
        return cls(folder)

    def _open(self) -> tuple[Manifest, list[Segment]]:
        """A writer may replace files between the reading of the manifest and of them."""
        manifest = read_manifest(self.folder)
        while True:
            try:
                segments = self._segments(manifest)
                for segment in segments:
                    segment.check()
                return manifest, segments
            except ValueError:
                newer = read_manifest(self.folder)
                if newer == manifest:
                    raise
                manifest = newer

    def _segments(self, manifest: Manifest) -> list[Segment]:
        width, storage = manifest.width, manifest.storage
        known = {segment.info: segment for segment in self.segments}
        return [
            known.get(info) or Segment(self.folder, info, width, storage)
            for info in manifest.segments
        ]

    def _show(self, manifest: Manifest, segments: list[Segment]) -> None:
        first_keys = numpy.array([s.first_key for s in segments], dtype="int64")
        self._state = State(manifest, segments, first_keys)

    @property
    def manifest(self) -> Manifest:
        return self._state.manifest

    @property
    def segments(self) -> list[Segment]:
        return self._state.segments

    @property
    def first_keys(self) -> numpy.ndarray:
        return self._state.first_keys

    def __len__(self) -> int:
        return sum(segment.n_live for segment in self.segments)

    def record(self, key: int) -> Record:
        i = int(numpy.searchsorted(self.first_keys, key, side="right")) - 1
        return self.segments[i].record(key - self.segments[i].first_key)

    def vectors_of(self, keys: numpy.ndarray) -> numpy.ndarray:
        """RETURNS (ndarray): (n_keys, width) float32"""
        places = numpy.searchsorted(self.first_keys, keys, side="right") - 1
        vectors = numpy.zeros((len(keys), self.manifest.width), dtype="float32")
        for i in numpy.unique(places):
            rows = places == i
            vectors[rows] = self.segments[i].vectors[keys[rows] - self.first_keys[i]]
        return vectors

    def add(
        self,
        batches: Iterable[Batch],
        n_docs: Callable[[], int],
        replace: bool,
        fingerprint: str = "",
    ) -> int:
        """Write entries; they count when all are written.

        batches (Iterable[Batch]): Vectors and records.
        n_docs (Callable[[], int]): The least number that may be a new id, once they are written.
        replace (bool): Entries with the same ids stop counting; else they are an error.
        fingerprint (str): Of the pipeline; that of the first texts is kept.
        RETURNS (int): Entries written.
        """
        with self.locked():
            deleted_keys: set[int] = set()
            with self._new_segment() as writer:
                for vectors, records, dropped in batches:
                    deleted_keys.update(self._same_ids(records, dropped, replace))
                    if records:
                        self._check_width(vectors.shape[1], writer.width)
                        writer.write(vectors, records)
                if not writer.n_rows and not deleted_keys:
                    return 0
                new = (writer.finish(self.manifest.n_keys),) if writer.n_rows else ()
            self.commit(
                segments=(*self._deleted(deleted_keys), *new),
                width=self.manifest.width or writer.width,
                n_docs=n_docs(),
                fingerprint=self.manifest.fingerprint or fingerprint,
            )
            self._join_small()
        return writer.n_rows

    def _check_width(self, width: int, written: int) -> None:
        expected = self.manifest.width or written or width
        if width != expected:
            raise CodedValueError(Errors.B114.format(what=f"{width} wide, not {expected}"))

    def _same_ids(self, records: list[Record], dropped: list[str], replace: bool) -> set[int]:
        ids = sorted({*dropped, *(record.id for record in records)})
        keys = self.keys_of(ids)
        if keys and not replace:
            raise CodedValueError(Errors.B117.format(id=self.record(keys[0]).id))
        return set(keys)

    def keys_of(self, ids: Sequence[str]) -> list[int]:
        return [s.first_key + row for s in self.segments for row in s.rows_of(ids)]

    def delete(self, ids: Sequence[str]) -> int:
        """RETURNS (int): Entries that no longer count."""
        with self.locked():
            deleted_keys = set(self.keys_of(ids))
            if deleted_keys:
                self.commit(segments=self._deleted(deleted_keys))
        return len(deleted_keys)

    def _deleted(self, keys: set[int]) -> tuple[SegmentInfo, ...]:
        """The segments with these keys taken out, in files that are not named yet."""
        sorted_keys = numpy.array(sorted(keys), dtype="int64")
        infos = []
        for segment in self.segments:
            rows = sorted_keys - segment.first_key
            rows = rows[(rows >= 0) & (rows < segment.n_rows)]
            infos.append(self._without(segment, rows) if len(rows) else segment.info)
        return tuple(infos)

    def _without(self, segment: Segment, rows: numpy.ndarray) -> SegmentInfo:
        rows = numpy.union1d(segment.deleted, rows)
        info = segment.info
        name = f"{info.name}.{secrets.token_hex(4)}.deleted"
        with replace_file(self.folder / name) as new:
            new.write_bytes(content := rows.astype("int64").tobytes())
        return replace(info, deleted=name, n_deleted=len(rows), deleted_sum=zlib.crc32(content))

    def compact(self) -> None:
        """Write all that counts as one segment. Keys change: accelerators have to be made anew."""
        with self.locked():
            if len(self.segments) == 1 and not len(self.segments[0].deleted):
                return
            with self._new_segment() as writer:
                for segment in self.segments:
                    copy_rows(segment, numpy.flatnonzero(segment.live_mask()), writer)
                infos = (writer.finish(0),) if writer.n_rows else ()
            self.commit(segments=infos, accelerators={})

    def _join_small(self) -> None:
        """Join the small segments at the end, with their keys and deleted rows, if they are many:
        each costs every search some time and every process some open files.
        """
        small: list[Segment] = []
        for segment in reversed(self.segments):
            if segment.n_rows >= SMALL:
                break
            small.insert(0, segment)
        if len(small) <= MOST_SMALL:
            return
        with self._new_segment() as writer:
            for segment in small:
                copy_rows(segment, numpy.arange(segment.n_rows), writer)
            info = writer.finish(small[0].first_key)
        rows = numpy.concatenate([s.first_key - info.first_key + s.deleted for s in small])
        if len(rows):
            joined = Segment(self.folder, info, self.manifest.width, self.manifest.storage)
            info = self._without(joined, rows)
        self.commit(segments=(*self.manifest.segments[: -len(small)], info))

    def save(self, folder: Path) -> None:
        """Make a folder hold what this one does. What is there already is not copied again; an
        index that was there stays readable until the new one is complete.

        RAISES (ValueError): If it holds other files, or another process has written to the own
            folder: to copy from it, removed files; to save there, anything.
        """
        check_folder(folder, replace=True)
        if not all((self.folder / name).exists() for name in self.manifest.files()):
            raise CodedValueError(Errors.B123.format(path=self.folder))
        folder.mkdir(parents=True, exist_ok=True)
        with only_writer(folder):
            if folder.samefile(self.folder):
                self._check_current()
            for name in self.manifest.files():
                copy_whole(self.folder / name, folder / name)
            sync_path(folder)
            self.manifest.write(folder)
            remove_orphans(folder, self.manifest)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only writer.

        RAISES (ValueError): If another process is writing, or has written since this was opened.
        """
        with only_writer(self.folder):
            self._check_current()
            remove_orphans(self.folder, self.manifest)
            yield

    def _check_current(self) -> None:
        if read_manifest(self.folder) != self.manifest:
            raise CodedValueError(Errors.B123.format(path=self.folder))

    @contextmanager
    def _new_segment(self) -> Iterator[SegmentWriter]:
        """A writer; what it has written is removed if something goes wrong before it is done."""
        folder = self.folder / f"segment-{secrets.token_hex(8)}"
        writer = SegmentWriter(folder, self.manifest.storage)
        try:
            yield writer
        except BaseException:
            writer.discard()
            raise

    def commit(self, **changes: Any) -> None:
        """Make a new state count; `locked`, and everything that it names is on disk."""
        sync_path(self.folder)
        manifest = self.manifest.next(**changes)
        segments = self._segments(manifest)
        manifest.write(self.folder)
        self._show(manifest, segments)
        remove_orphans(self.folder, manifest)


def copy_rows(segment: Segment, rows: numpy.ndarray, writer: SegmentWriter) -> None:
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        writer.write(segment.vectors[part], [segment.record(row) for row in part.tolist()])


def check_folder(folder: Path, replace: bool) -> None:
    """Check that an index can be written to a folder. What a writer that died has left there is no
    hindrance.

    replace (bool): It may hold an index.
    RAISES (ValueError): If it holds other files, or is a file.
    """
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        raise CodedValueError(Errors.B134.format(path=nearest))
    if (folder / MANIFEST).is_file():
        is_free = replace
    else:
        is_free = nearest != folder or all(
            OWN_NAME.fullmatch(path.name) for path in folder.iterdir()
        )
    if not is_free:
        raise CodedValueError(Errors.B124.format(path=folder))


def remove_orphans(folder: Path, manifest: Manifest) -> None:
    """Remove what writers that died have left, and what no longer counts."""
    kept = {MANIFEST, LOCK, *manifest.files()}
    for path in folder.iterdir():
        if path.name in kept or not OWN_NAME.fullmatch(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):  # Windows keeps files that a reader has mapped
                path.unlink()
