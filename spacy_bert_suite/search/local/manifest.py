"""The manifest of an index: its segments, accelerators and settings, as JSON."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ...core.atomic import replace_file
from ...core.integrity import coded_as
from ...errors import CodedValueError, Errors

MANIFEST = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class SegmentInfo:
    """Entries that were written together and are never changed.

    name (str): Its folder.
    n_rows (int): Entries, deleted ones too.
    first_key (int): Key of the first; the others follow.
    deleted (str | None): File with the rows that no longer count.
    n_deleted (int): How many these are.
    """

    name: str
    n_rows: int
    first_key: int
    deleted: str | None = None
    n_deleted: int = 0


@dataclass(frozen=True)
class Accelerator:
    """A structure made from the segments that makes searches faster; it can be made again.

    name (str): Its folder.
    n_keys (int): It covers the keys below this one.
    n_entries (int): Those of them that were not deleted when it was made.
    """

    name: str
    n_keys: int
    n_entries: int = 0


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
        content = json.dumps({"format": FORMAT, **asdict(self)}, indent=1)
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
        if content.pop("format") != FORMAT:
            raise ValueError(f"format is not {FORMAT}")
        content["segments"] = tuple(SegmentInfo(**info) for info in content["segments"])
        made = content["accelerators"].items()
        content["accelerators"] = {kind: Accelerator(**values) for kind, values in made}
        return Manifest(**content)
