"""What a config says about one task, as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from ...data.lines import unzipped_suffix

Settings = Mapping[str, Any]
BACKBONE, PREFIX = "bert", "bert_"
SPACY_READER = "spacy.Corpus.v1"
SPACY_SUFFIXES = (".spacy", "/")
SPLITS = ("train", "dev")


class Rate(NamedTuple):
    """heads (float): Highest learning rate.
    scale (float): Factor on it for the backbone.
    """

    heads: float
    scale: float = 1.0


@dataclass(frozen=True)
class Data:
    """What a task is to be trained with, for settings that depend on it.

    train (Path): The training corpus.
    dev (Path): The development corpus.
    alone (bool): Whether it is the only task.
    beside (frozenset[str]): Other tasks that are trained with the same corpus.
    weights (str): "embedded", a folder, or a hub id.
    longest (int | None): Wordpieces that these have positions for, if that is known.
    """

    train: Path
    dev: Path
    alone: bool = True
    beside: frozenset[str] = frozenset()
    weights: str = "embedded"
    longest: int | None = None


@dataclass(frozen=True)
class TaskConfig:
    """What a config says about one task.

    name (str): Name of the factory without "bert_".
    rates (Mapping[str, Rate]): By the size of the weights, where it is the only task.
    convert (str): KIND of `bert convert` that makes a corpus for it.
    reader (str): Of its files.
    suffixes (tuple[str, ...]): Of the files that this reader takes; "/" is a folder.
    reading (Mapping[str, Settings]): Settings of the reader, by split.
    gold_tokens (bool): Whether the tokens of a `.spacy` file are kept, if no other task learns
        from it.
    batch_size (int): Examples in a batch.
    buffer (int): Docs that the pipeline reads at a time, `nlp.batch_size`.
    window (tuple[int, int] | None): Window and stride of the backbone, if it is the only task.
    why_window (str): Comment on it.
    sentences (bool): Whether it needs sentence boundaries.
    settings (Settings): Of the component.
    callback (Settings | None): Called before the pipeline is saved.
    why_callback (str): What for.
    callback_path (str): What its `path` is: a variable of [paths], "{dev}" for the dev corpus.
    paths (Settings): More variables of [paths].
    labels (list[str] | None): Given to `initialize`; None to find them in the corpus.
    score_weights (Settings): Beyond those of the component.
    training (Settings): More settings of training.
    steps, epochs, every (int): Updates and passes over the data, at least, and updates between
        evaluations, at least.
    fit (Callable | None): From the task and its `Data` to the task as it is for these.
    trains_alone (bool): Whether other tasks cannot be trained beside it.
    """

    name: str
    rates: Mapping[str, Rate]
    convert: str = ""
    reader: str = SPACY_READER
    suffixes: tuple[str, ...] = SPACY_SUFFIXES
    reading: Mapping[str, Settings] = field(default_factory=dict)
    gold_tokens: bool = False
    batch_size: int = 32
    buffer: int = 128
    window: tuple[int, int] | None = None
    why_window: str = ""
    sentences: bool = False
    settings: Settings = field(default_factory=dict)
    callback: Settings | None = None
    why_callback: str = ""
    callback_path: str = "{dev}"
    paths: Settings = field(default_factory=dict)
    labels: list[str] | None = None
    score_weights: Settings = field(default_factory=dict)
    training: Settings = field(default_factory=dict)
    steps: int = 300
    epochs: float = 3
    every: int = 50
    fit: "Callable[[TaskConfig, Data], TaskConfig] | None" = None
    trains_alone: bool = False

    @property
    def component(self) -> str:
        return PREFIX + self.name

    def fitted(self, data: Data) -> "TaskConfig":
        """RETURNS (TaskConfig): The task as it is for its data."""
        return self if self.fit is None else self.fit(self, data)

    def reads(self, path: Path) -> str | None:
        """RETURNS (str | None): The reader of a file; None if it cannot be read."""
        suffix = suffix_of(path)
        if suffix in self.suffixes:
            return self.reader
        return SPACY_READER if suffix in SPACY_SUFFIXES else None

    def with_reading(self, **settings: Any) -> "TaskConfig":
        """RETURNS (TaskConfig): The same, with these settings of the reader for each split."""
        reading = {split: {**self.reading.get(split, {}), **settings} for split in SPLITS}
        return replace(self, reading=reading)


def suffix_of(path: Path) -> str:
    """RETURNS (str): Suffix of a path, without .gz; "/" for a folder."""
    return "/" if path.is_dir() else unzipped_suffix(path)


def rates(small: float, base: float, large: float, scale: float = 1.0) -> dict[str, Rate]:
    """RETURNS (dict[str, Rate]): By the size of the weights; scale is for the small ones."""
    return {"small": Rate(small, scale), "base": Rate(base), "large": Rate(large)}
