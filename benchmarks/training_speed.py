"""Training examples per second: one head against the transformers Trainer, and three heads against
stock spacy-transformers. Every system works through the same rows in batches of 32, turn by turn in
rounds, at its fastest setting: bf16 for the Trainer and for us where the chip does it well;
spacy-transformers has no bf16 on a CPU.
"""

import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import pipelines
import trainer
from common import (
    BATCH_SIZE,
    N_THREADS,
    TASKS,
    Row,
    Task,
    append_json,
    bf16_is_fast,
    environment,
    interleave,
    read_rows,
    set_seed,
    shuffled_batches,
    speed_table,
    task_labels,
    torch,
    weights_folder,
)
from spacy.language import Language
from transformers.utils import logging

RESULTS = Path(__file__).parent / "results" / "training_speed.jsonl"
Run = Callable[[], Any]


def one_head(data: Path, task: Task, steps: int) -> dict[str, Run]:
    rows = sample(data, task, steps)
    labels = task_labels(rows)
    systems: dict[str, Run] = {}
    precision = "bf16" if bf16_is_fast() else "fp32"
    settings = {f"Trainer {precision}": False, f"Trainer {precision}, grouped by length": True}
    for name, grouped in settings.items():
        made = trainer.make_trainer(
            task, rows, labels, weights_folder(), max_steps=steps, group_by_length=grouped
        )
        systems[name] = made.train
    nlp = pipelines.our_pipeline([task])
    systems["ours"] = spacy_run(nlp, [(task, batch) for batch in shuffled_batches(rows, 1, 0)])
    return systems


def three_heads(data: Path, steps: int) -> dict[str, Run]:
    """Batches of one task each, in proportion to the sizes of the corpora."""
    tasks = list(TASKS.values())
    sizes = {task.name: len(read_rows(data, task, "train")) for task in tasks}
    batches: list[tuple[Task, list[Row]]] = []
    for task in tasks:
        own_steps = max(1, round(steps * sizes[task.name] / sum(sizes.values())))
        rows = sample(data, task, own_steps)
        batches.extend((task, batch) for batch in shuffled_batches(rows, 1, 0))
    random.Random(0).shuffle(batches)
    stock = pipelines.stock_pipeline(tasks, weights_folder())
    return {
        "stock spacy-transformers": spacy_run(stock, batches),
        "ours": spacy_run(pipelines.our_pipeline(tasks), batches),
    }


def sample(data: Path, task: Task, steps: int) -> list[Row]:
    rows = read_rows(data, task, "train")
    return random.Random(0).sample(rows, steps * BATCH_SIZE)


def spacy_run(nlp: Language, batches: Sequence[tuple[Task, list[Row]]]) -> Run:
    tasks = {task.name: task for task, _ in batches}
    labels = {
        name: task_labels([row for task, batch in batches if task.name == name for row in batch])
        for name in tasks
    }
    examples = [pipelines.make_examples(nlp, t, batch, labels[t.name]) for t, batch in batches]
    heads = {task.head: labels[name] for name, task in tasks.items()}
    textcats = {name: labels[name] for name, task in tasks.items() if task.kind == "textcat"}
    known = {n: names for n, names in {**heads, **textcats}.items() if n in nlp.pipe_names}
    pipelines.initialize(nlp, [eg for batch in examples for eg in batch], known)
    optimizer = pipelines.make_optimizer(20 * len(examples))
    return partial(pipelines.train, nlp, examples, optimizer)


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
@click.option("--heads", type=click.Choice(["1", "3", "both"]), default="both", show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--steps", default=25, show_default=True, help="Steps of every system in a round")
def main(data: Path, out: Path, heads: str, rounds: int, steps: int) -> None:
    logging.set_verbosity_error()
    torch.set_num_threads(N_THREADS)
    set_seed(0)
    if heads != "3":
        systems = one_head(data, TASKS["wnut17"], steps)
        measure("one head, WNUT-17", systems, rounds, steps, out)
    if heads != "1":
        measure("three heads", three_heads(data, steps), rounds, steps, out)


def measure(title: str, systems: dict[str, Run], rounds: int, steps: int, out: Path) -> None:
    interleave(systems, 1, steps * BATCH_SIZE)  # warm-up, not counted
    speeds = interleave(systems, rounds, steps * BATCH_SIZE)
    append_json(out, {"table": title, "examples_per_second": speeds, **environment()})
    print(f"\n{title}\n\n{speed_table(speeds, 'examples/s', 'ours')}\n")


if __name__ == "__main__":
    main()
