"""Accuracy after fine-tuning: transformers Trainer, stock spacy-transformers and this suite.

Same weights, data, epochs, batch size and learn rate for all; the score is that of the last epoch
on the dev split. Finished runs are kept in --out and skipped when the script is started again.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import click
import pipelines
import trainer
from common import (
    BATCH_SIZE,
    GOEMOTIONS,
    LEARN_RATE,
    N_THREADS,
    TASKS,
    Row,
    Task,
    append_json,
    bio_spans,
    environment,
    macro_f1,
    n_batches,
    percent_right,
    read_json_lines,
    read_rows,
    set_seed,
    shuffled_batches,
    span_f1,
    task_labels,
    torch,
    weights_folder,
)
from spacy.language import Language
from spacy.training import Example

from spacy_bert_suite.data.batchers import make_task_batcher
from spacy_bert_suite.data.multitask import make_multi_task_corpus

RESULTS = Path(__file__).parent / "results" / "accuracy.jsonl"
Data = dict[str, dict[str, list[Row]]]
Scores = dict[str, float]  # by task


def score(task: Task, rows: Sequence[Row], predicted: Sequence[Any]) -> float:
    gold = [row[1] for row in rows]
    if task.kind == "ner":
        return span_f1([bio_spans(tags) for tags in gold], predicted)
    if task.kind == "multilabel":
        return macro_f1(gold, predicted, list(predicted[0]))
    return percent_right(gold, predicted)


def run_trainer(tasks: Sequence[Task], data: Data, seed: int) -> Scores:
    (task,) = tasks
    rows = data[task.name]
    labels = task_labels(rows["train"])
    model = trainer.make_trainer(task, rows["train"], labels, weights_folder(), seed)
    model.train()
    predicted = trainer.predict(model, task, rows["dev"], labels)
    return {task.name: score(task, rows["dev"], predicted)}


def run_stock(tasks: Sequence[Task], data: Data, seed: int) -> Scores:
    nlp = pipelines.stock_pipeline(tasks, weights_folder())
    return run_spacy(nlp, tasks, data, seed)


def run_ours(tasks: Sequence[Task], data: Data, seed: int) -> Scores:
    return run_spacy(pipelines.our_pipeline(tasks), tasks, data, seed)


def run_spacy(
    nlp: Language, tasks: Sequence[Task], data: Data, seed: int, learn_rate: float = LEARN_RATE
) -> Scores:
    (task,) = tasks
    rows = data[task.name]["train"]
    labels = task_labels(rows)
    examples = pipelines.make_examples(nlp, task, rows, labels)
    pipelines.initialize(nlp, examples, {})
    optimizer = pipelines.make_optimizer(n_batches(len(rows), task.epochs), learn_rate)
    pipelines.train(nlp, shuffled_batches(examples, task.epochs, seed), optimizer)
    return spacy_scores(nlp, tasks, data)


def run_joint(tasks: Sequence[Task], data: Data, seed: int) -> Scores:
    """One pipeline with a head per task. Every corpus is passed as often as in the runs of one
    task, in batches of one task each, all shuffled together.
    """
    nlp = pipelines.our_pipeline(tasks)
    labels = {task.name: task_labels(data[task.name]["train"]) for task in tasks}
    batches = list(joint_batches(nlp, tasks, data, labels, seed))
    examples = [example for batch in batches for example in batch]
    pipelines.initialize(nlp, examples, {task.head: labels[task.name] for task in tasks})
    pipelines.train(nlp, batches, pipelines.make_optimizer(len(batches)))
    return spacy_scores(nlp, tasks, data)


def joint_batches(
    nlp: Language, tasks: Sequence[Task], data: Data, labels: dict[str, list[str]], seed: int
) -> Iterator[list[Example]]:
    """Batches by the suite's own reader and batcher."""

    def corpus_of(task: Task) -> Callable[[Language], list[Example]]:
        rows = data[task.name]["train"] * task.epochs
        return lambda nlp: pipelines.make_examples(nlp, task, rows, labels[task.name])

    corpus = make_multi_task_corpus({task.head: corpus_of(task) for task in tasks}, seed=seed)
    return iter(make_task_batcher(BATCH_SIZE)(corpus(nlp)))


def spacy_scores(nlp: Language, tasks: Sequence[Task], data: Data) -> Scores:
    scores = {}
    for task in tasks:
        labels = task_labels(data[task.name]["train"])
        rows = data[task.name]["dev"]
        scores[task.name] = score(task, rows, pipelines.predict(nlp, task, rows, labels))
    return scores


# What each system trains, and the tasks of one of its runs.
ALL = tuple(TASKS)
EVERY = {**TASKS, GOEMOTIONS.name: GOEMOTIONS}
SINGLE = tuple((name,) for name in EVERY)
SYSTEMS: dict[str, tuple[Callable[..., Scores], tuple[tuple[str, ...], ...]]] = {
    "trainer": (run_trainer, SINGLE),
    "stock": (run_stock, SINGLE),
    "ours": (run_ours, SINGLE),
    "ours-joint": (run_joint, (ALL,)),
}


def todo(
    out: Path, systems: Sequence[str], tasks: Sequence[str], seeds: Sequence[int]
) -> list[tuple[int, str, tuple[str, ...]]]:
    """RETURNS (list[Tuple]): (seed, system, tasks) of the runs that are not in out yet."""
    done = {(r["system"], r["task"], r["seed"]) for r in read_json_lines(out)}
    runs = []
    for seed, system in product(seeds, systems):
        for names in SYSTEMS[system][1]:
            wanted = set(names) & set(tasks)
            if wanted and not wanted <= {task for s, task, n in done if (s, n) == (system, seed)}:
                runs.append((seed, system, names))
    return runs


def report(out: Path) -> str:
    """RETURNS (str): A markdown table, mean and deviation by system and task."""
    scores: dict[tuple[str, str], list[float]] = {}
    for record in read_json_lines(out):
        scores.setdefault((record["system"], record["task"]), []).append(record["score"])
    lines = ["| system | " + " | ".join(EVERY) + " |", "|---|" + "---:|" * len(EVERY)]
    for system in SYSTEMS:
        cells = [cell(scores.get((system, t)), scores.get(("trainer", t))) for t in EVERY]
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(values: Any, trainer_values: Any) -> str:
    """RETURNS (str): For example `53.1 ± 0.4 (+0.2, n=3)`."""
    if not values:
        return "-"
    mean = statistics.mean(values)
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    difference = f"{mean - statistics.mean(trainer_values):+.2f}, " if trainer_values else ""
    return f"{mean:.2f} ± {deviation:.2f} ({difference}n={len(values)})"


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="Data folder")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
@click.option("--system", "systems", multiple=True, type=click.Choice(list(SYSTEMS)))
@click.option("--task", "tasks", multiple=True, type=click.Choice(list(EVERY)))
@click.option("--seed", "seeds", multiple=True, type=int, default=(0, 1, 2), show_default=True)
@click.option("--threads", default=N_THREADS, show_default=True)
@click.option("--limit", default=0, help="Rows of every split, to try the script out")
@click.option("--report", "only_report", is_flag=True, help="Print the table of finished runs")
def main(
    data: Path,
    out: Path,
    systems: Sequence[str],
    tasks: Sequence[str],
    seeds: Sequence[int],
    threads: int,
    limit: int,
    only_report: bool,
) -> None:
    if not only_report:
        if data is None:
            raise click.UsageError("--data is needed to train.")
        torch.set_num_threads(threads)
        for run in todo(out, systems or list(SYSTEMS), tasks or list(EVERY), seeds):
            measure(data, out, limit, *run)
    print(report(out))


def measure(
    data: Path, out: Path, limit: int, seed: int, system: str, names: tuple[str, ...]
) -> None:
    tasks = [EVERY[name] for name in names]
    rows: Data = {
        task.name: {split: read_rows(data, task, split, limit) for split in ("train", "dev")}
        for task in tasks
    }
    set_seed(seed)
    scores = SYSTEMS[system][0](tasks, rows, seed)
    for task in tasks:
        record = {
            "system": system,
            "task": task.name,
            "seed": seed,
            "score": round(scores[task.name], 3),
            "n_train": len(rows[task.name]["train"]),
            "epochs": task.epochs,
            "trained_with": names,
            **environment(),
        }
        append_json(out, record)
        print(record, flush=True)


if __name__ == "__main__":
    main()
