"""A frozen backbone as a source of features, as in section 5.3 and table 7 of the BERT paper,
against fine-tuning all of it: entities (WNUT-17) and sentiment (SST-2).

`--part speed` times epochs of a frozen backbone with and without `feature_cache`; `--part score`
trains each system and scores it on dev; `--report` prints tables of all runs so far.
"""

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import pipelines
import spacy
from accuracy import score
from common import (
    N_THREADS,
    TASKS,
    Row,
    Task,
    append_json,
    environment,
    n_batches,
    read_json_lines,
    read_rows,
    set_seed,
    shuffled_batches,
    task_labels,
    torch,
)
from spacy.language import Language

RESULTS = Path(__file__).parent / "results" / "features.jsonl"
ON = ("wnut17", "sst2")


class System(NamedTuple):
    """What of the backbone is read, and what of it learns.

    layers (str): As in the config of the backbone.
    trainable (bool): Whether the backbone learns.
    freeze_layers (int): With all layers frozen only the weights of the mixture learn.
    """

    layers: str
    trainable: bool = False
    freeze_layers: int = 0


# A frozen mixture is the mean of all layers.
SYSTEMS = {
    "fine-tuned": System("last", trainable=True),
    "last": System("last"),
    "last4_concat": System("last4_concat"),
    "last4_sum": System("last4_sum"),
    "scalar_mix": System("scalar_mix"),
    "scalar_mix, learned": System("scalar_mix", trainable=True, freeze_layers=6),
}


def make_pipeline(task: Task, system: System, cache: Any) -> Language:
    model = {
        "@architectures": "spacy-bert-suite.BertModel.v1",
        "layers": system.layers,
        "freeze_layers": system.freeze_layers,
    }
    config = {"model": model, "trainable": system.trainable, "feature_cache": cache}
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config=config)
    nlp.add_pipe(task.head)
    return nlp


def train(
    nlp: Language, task: Task, rows: Sequence[Row], epochs: int, learn_rate: float, seed: int
) -> list[float]:
    """RETURNS (list[float]): Seconds of each epoch."""
    labels = task_labels(rows)
    examples = pipelines.make_examples(nlp, task, rows, labels)
    pipelines.initialize(nlp, examples, {})
    optimizer = pipelines.make_optimizer(n_batches(len(rows), epochs), learn_rate)
    seconds = []
    for epoch in range(epochs):
        start = time.perf_counter()
        pipelines.train(nlp, shuffled_batches(examples, 1, seed + epoch), optimizer)
        seconds.append(time.perf_counter() - start)
    return seconds


def part_score(
    data: Path, task: Task, name: str, epochs: int, learn_rate: float, seed: int, n_rows: int
) -> dict[str, Any]:
    system = SYSTEMS[name]
    train_rows, dev_rows = (read_rows(data, task, split, n_rows) for split in ("train", "dev"))
    set_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        nlp = make_pipeline(task, system, None if system.trainable else folder)
        seconds = train(nlp, task, train_rows, epochs, learn_rate, seed)
        predicted = pipelines.predict(nlp, task, dev_rows, task_labels(train_rows))
    return {"score": score(task, dev_rows, predicted), "epoch_seconds": seconds}


def part_speed(data: Path, task: Task, layers: str, epochs: int, n_rows: int) -> dict[str, Any]:
    """Epochs without and with the cache, and what the cache takes on disk."""
    rows = read_rows(data, task, "train", n_rows)
    system = SYSTEMS[layers]
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, cache in (("plain", None), ("cached", folder)):
            nlp = make_pipeline(task, system, cache)
            found[f"{name}_epochs"] = train(nlp, task, rows, epochs, 1e-3, 0)
        n_bytes = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    words = sum(len(row[0]) if task.kind == "ner" else len(row[0].split()) for row in rows)
    return {**found, "words": words, "mb_per_1000_words": n_bytes / 1e3 / words}


def report(out: Path) -> str:
    records = read_json_lines(out)
    lines = ["| task | states | plain epoch | first epoch | later epochs | MB per 1 000 words |",
             "|---|---|---:|---:|---:|---:|"]  # fmt: skip
    for r in records:
        if r["part"] == "speed":
            plain, later = (
                statistics.median(s) for s in (r["plain_epochs"], r["cached_epochs"][1:])
            )
            first, mb = r["cached_epochs"][0], r["mb_per_1000_words"]
            cells = [f"{plain:.1f} s", f"{first:.1f} s", f"{later:.2f} s", f"{mb:.1f}"]
            lines.append("| " + " | ".join([r["task"], r["system"], *cells]) + " |")
    scores: dict[Any, list[float]] = defaultdict(list)
    for r in records:
        if r["part"] == "score":
            key = r["system"], r["task"], r["n_train"], r["epochs"], r["learn_rate"]
            scores[key].append(r["score"])
    lines += ["", "| system | task | rows | epochs | learn rate | score | seeds |",
              "|---|---|---:|---:|---:|---:|---:|"]  # fmt: skip
    for key, values in scores.items():
        mean = f"{statistics.mean(values):.1f} ({min(values):.1f} to {max(values):.1f})"
        lines.append("| " + " | ".join([*map(str, key), mean, str(len(values))]) + " |")
    return "\n".join(lines)


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path, exists=True))
@click.option("--part", type=click.Choice(["speed", "score"]), default="score", show_default=True)
@click.option("--task", "tasks", multiple=True, type=click.Choice(ON), default=ON)
@click.option("--system", "systems", multiple=True, type=click.Choice(list(SYSTEMS)))
@click.option("--epochs", default=3, show_default=True, help="Of a backbone that learns")
@click.option("--frozen-epochs", default=10, show_default=True, help="Of heads on features")
@click.option("--learn-rate", default=1e-4, show_default=True)
@click.option("--frozen-learn-rate", default=1e-3, show_default=True)
@click.option("--seed", "seeds", multiple=True, type=int, default=(0,), show_default=True)
@click.option("--rows", "n_rows", default=0, help="Of train and of dev; 0 for all")
@click.option("--threads", default=N_THREADS, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS)
@click.option("--report", "only_report", is_flag=True, help="Print what was measured, and stop.")
def main(data, part, tasks, systems, epochs, frozen_epochs, learn_rate, frozen_learn_rate, seeds,
         n_rows, threads, out, only_report):  # fmt: skip
    torch.set_num_threads(threads)
    runs = [] if only_report else [(t, s) for t in tasks for s in systems or SYSTEMS]
    for task, name in runs:
        if part == "speed":
            if SYSTEMS[name].trainable:
                continue
            found = [part_speed(data, TASKS[task], name, epochs, n_rows)]
        else:
            # What mixes frozen layers learns as heads do.
            learns = SYSTEMS[name].trainable and not SYSTEMS[name].freeze_layers
            n = epochs if learns else frozen_epochs
            rate = learn_rate if learns else frozen_learn_rate
            found = [
                {"epochs": n, "learn_rate": rate, "seed": seed,
                 **part_score(data, TASKS[task], name, n, rate, seed, n_rows)}
                for seed in seeds
            ]  # fmt: skip
        for values in found:
            record = {"part": part, "task": task, "system": name, "n_train": n_rows, **values}
            append_json(out, {**record, **environment()})
            print(record, flush=True)
    print(report(out))


if __name__ == "__main__":
    main()
