"""The manifest of an index: its segments, accelerators and settings, as JSON."""

import json
import re
import zlib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ...core.atomic import replace_file
from ...core.integrity import coded_as
from ...errors import CodedValueError, Errors

MANIFEST = "manifest.json"
FORMAT = 1
SUM = "crc32"
HEX = "[0-9a-f]"
STORAGES = ("float32", "float16", "int8")


@dataclass(frozen=True)
class SegmentInfo:
    """Entries that were written together and are never changed.

    name (str): Its folder.
    n_rows (int): Entries, deleted ones too.
    first_key (int): Key of the first; the others follow.
    deleted (str | None): File with the rows that no longer count.
    n_deleted (int): How many these are.
    sums (int | None): Checksum of its checksums; None in earlier versions, as below.
    deleted_sum (int | None): Of the file with the rows that no longer count.
    """

    name: str
    n_rows: int
    first_key: int
    deleted: str | None = None
    n_deleted: int = 0
    sums: int | None = None
    deleted_sum: int | None = None


@dataclass(frozen=True)
class Accelerator:
    """A structure made from the segments that makes searches faster; it can be made again.

    name (str): Its folder.
    n_keys (int): It covers the keys below this one.
    n_entries (int): Those of them that were not deleted when it was made.
    sums (int | None): Checksum of its checksums, if it has them.
    """

    name: str
    n_keys: int
    n_entries: int = 0
    sums: int | None = None


@dataclass(frozen=True)
class Manifest:
    """A state of an index.

    storage (str): "float32", "float16" or "int8".
    width (int): Values of a vector; 0 before the first.
    generation (int): Rises by one with every change.
    n_docs (int): The least number that may be a new id, where the user gives none.
    fingerprint (str): Of the pipeline that made the vectors.
    segments (tuple[SegmentInfo, ...]): In the order of their keys.
    accelerators (dict[str, Accelerator]): "hnsw" and "bm25", where they were made.
    info (dict[str, Any]): What the user wants kept, such as the name of the pipeline.
    """

    storage: str = "float32"
    width: int = 0
    generation: int = 0
    n_docs: int = 0
    fingerprint: str = ""
    segments: tuple[SegmentInfo, ...] = ()
    accelerators: dict[str, Accelerator] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def n_keys(self) -> int:
        return self.segments[-1].first_key + self.segments[-1].n_rows if self.segments else 0

    def next(self, **changes: Any) -> "Manifest":
        return replace(self, generation=self.generation + 1, **changes)

    def files(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): Names of everything in the folder that belongs to it."""
        deleted = [info.deleted for info in self.segments if info.deleted]
        made = [accelerator.name for accelerator in self.accelerators.values()]
        return (*(info.name for info in self.segments), *deleted, *made)

    def write(self, folder: Path) -> None:
        state = {"format": FORMAT, **asdict(self)}
        content = json.dumps({**state, SUM: sum_of(state)}, indent=1)
        with replace_file(folder / MANIFEST) as new:
            new.write_bytes(content.encode())


def read_manifest(folder: Path) -> Manifest:
    """Read the state of an index.

    folder (Path): The index.
    RETURNS (Manifest): Its state.
    RAISES (ValueError): If there is none, or the file is of another form.
    """
    if not (folder / MANIFEST).is_file():
        raise CodedValueError(Errors.B110.format(path=folder))
    with coded_as(Errors.B111, folder / MANIFEST):
        content = json.loads((folder / MANIFEST).read_bytes())
        expected = content.pop(SUM, None)
        if expected is not None and expected != sum_of(content):
            raise ValueError("its checksum is another one")
        if content.pop("format") != FORMAT:
            raise ValueError(f"format is not {FORMAT}")
        content["segments"] = tuple(SegmentInfo(**info) for info in content["segments"])
        made = content["accelerators"].items()
        content["accelerators"] = {kind: Accelerator(**values) for kind, values in made}
        manifest = Manifest(**content)
        check_manifest(manifest)
        return manifest


def sum_of(state: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(state, sort_keys=True).encode())


def check_manifest(manifest: Manifest) -> None:
    """A manifest may come from anywhere: its names must not lead out of the folder.

    RAISES (ValueError): If a name or a number is none that a writer makes.
    """
    _need(manifest.storage in STORAGES, "storage", manifest.storage)
    _need(isinstance(manifest.info, dict), "info", manifest.info)
    _need(isinstance(manifest.fingerprint, str), "fingerprint", manifest.fingerprint)
    for name in ("width", "generation", "n_docs"):
        _check_number(name, getattr(manifest, name), int(name == "width" and manifest.n_keys > 0))
    first_key = 0
    for info in manifest.segments:
        _check_segment(info, first_key)
        first_key += info.n_rows
    for kind, made in manifest.accelerators.items():
        _need(kind in ("hnsw", "bm25"), "accelerator", kind)
        _check_name(f"{kind}-{HEX}{{16}}", made.name)
        _check_number("n_keys", made.n_keys, 0)
        _check_number("n_entries", made.n_entries, 0)


def _check_segment(info: SegmentInfo, first_key: int) -> None:
    _check_name(f"segment-{HEX}{{16}}", info.name)
    _check_number("n_rows", info.n_rows, 1)
    _check_number("n_deleted", info.n_deleted, 0)
    _need(info.first_key == first_key, "first_key", info.first_key)
    _need(info.n_deleted <= info.n_rows, "n_deleted", info.n_deleted)
    if info.deleted is not None:
        _check_name(f"{re.escape(info.name)}\\.{HEX}{{8}}\\.deleted", info.deleted)
    _need((info.deleted is None) == (info.n_deleted == 0), "deleted", info.deleted)


def _check_name(pattern: str, name: Any) -> None:
    _need(isinstance(name, str) and re.fullmatch(pattern, name) is not None, "name", name)


def _check_number(field: str, value: Any, least: int) -> None:
    _need(type(value) is int and least <= value < 2**62, field, value)


def _need(is_right: bool, field: str, value: Any) -> None:
    if not is_right:
        raise ValueError(f"{field} is {value!r:.80}")
