"""A JSONL log that a resumed run continues."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...core.atomic import replace_file


class JsonlLog:
    """Adds rows to a file. The first row decides what of an older file stays: the rows of earlier
    steps. So a resumed run leaves no row twice, and a new run begins the file anew.

    path (Path): The file.
    """

    def __init__(self, path: Path):
        self.path = path
        self.is_begun = False

    def write(self, row: dict[str, Any]) -> None:
        if not self.is_begun:
            self._begin(row["step"])
        with self.path.open("a", encoding="utf8") as file:
            file.write(to_line(row))
        self.is_begun = True

    def _begin(self, step: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = [to_line(row) for row in self._rows() if row["step"] < step]
        with replace_file(self.path, sync=False) as new:
            new.write_text("".join(lines), encoding="utf8")

    def _rows(self) -> Iterator[dict[str, Any]]:
        """YIELDS (Dict): The rows that are there; a killed process leaves half a line."""
        if not self.path.is_file():
            return
        for line in self.path.read_text(encoding="utf8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and isinstance(row.get("step"), int):
                yield row


def to_line(row: dict[str, Any]) -> str:
    """RETURNS (str): A line of json."""
    return json.dumps(finite(row), allow_nan=False) + "\n"


def finite(value: Any) -> Any:
    """RETURNS: The same with None in the place of numbers that json does not have: what is not
    finite.
    """
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
