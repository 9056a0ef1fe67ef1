"""Seven tasks on one backbone: each trained alone, and all together, by the same number of updates
for each task and the same learn rate; scores on dev.

`--mode single` trains a pipeline for each task; `--mode joint` one for all, in batches of one task
each, shuffled together. `--temperature`, `--weight`, `--grad-factor`, `--distillation` and `--bert`
try what may help; runs with other options are other rows in the table. `--report` prints it for
all runs.
"""

import json
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import pipelines
import spacy
from common import (
    N_THREADS,
    TASKS,
    append_json,
    environment,
    read_json_lines,
    read_rows,
    set_seed,
    task_labels,
    torch,
)
from spacy.language import Language
from spacy.training import Example

from spacy_bert_suite.data.batchers import make_task_batcher
from spacy_bert_suite.data.multitask import TASK, make_multi_task_corpus
from spacy_bert_suite.data.pairs import make_pair_corpus
from spacy_bert_suite.tasks.qa.corpus import make_question_corpus
from spacy_bert_suite.tasks.summarizer.corpus import make_summary_corpus

RESULTS = Path(__file__).parent / "results" / "joint.jsonl"
Examples = list[Example]
Read = Callable[[Language, Path, str, int], Iterable[Example]]


class Part(NamedTuple):
    """A task: its data, its head and what is reported.

    read (Callable): Examples of a split; the last argument is how many are needed.
    layer (str): What of the head's model reaches the backbone.
    size (int): Examples in a batch.
    share (float): Of the rows that `--rows` gives; long texts take longer.
    """

    head: str
    read: Read
    score: str
    layer: str = "bert"
    size: int = 32
    share: float = 1.0
    config: dict[str, Any] = {}


def rows_of(task: str) -> Read:
    def read(nlp: Language, data: Path, split: str, n_rows: int) -> Examples:
        rows = read_rows(data, TASKS[task], split)
        return pipelines.make_examples(nlp, TASKS[task], rows, task_labels(rows))

    return read


def pairs_of(folder: str, max_score: float = 1.0) -> Read:
    return lambda nlp, data, split, n: make_pair_corpus(file(data, folder, split), max_score)(nlp)


def questions_of(folder: str) -> Read:
    return lambda nlp, data, split, n: make_question_corpus(file(data, folder, split))(nlp)


def articles_of(folder: str) -> Read:
    """The first ones only: it takes time to find the gold sentences."""
    return lambda nlp, data, split, n: make_summary_corpus(file(data, folder, split), limit=n)(nlp)


def file(data: Path, folder: str, split: str) -> Path:
    return data / folder / f"{split}.jsonl.gz"


LOSSES = ("CoSENT", "CosineSimilarity")
PARTS = {
    "wnut17": Part("bert_ner", rows_of("wnut17"), "ents_f"),
    "ag_news": Part("bert_textcat", rows_of("ag_news"), "cats_macro_f"),
    "sst2": Part("bert_sentiment", rows_of("sst2"), "sentiment_acc"),
    "stsb": Part(
        "bert_similarity",
        pairs_of("similarity/stsb_en", 5),
        "similarity_spearman",
        layer="texts",
    ),
    "mrpc": Part("bert_paraphrase", pairs_of("paraphrase/mrpc"), "paraphrase_acc", layer="pairs"),
    "squad": Part(
        "bert_qa", questions_of("qa/squad_v1"), "qa_f1", layer="pairs", size=16, share=0.8
    ),
    "summaries": Part(
        "bert_summarizer",
        articles_of("summarization/bbc_summary"),
        "summary_rougeL",
        size=8,
        share=0.15,
        config={"method": "trained", "n_sentences": 5},
    ),
}


class Options(NamedTuple):
    rows: int
    dev: int
    epochs: int
    learn_rate: float
    temperature: float
    grad_factors: dict[str, float]
    bert: dict[str, Any]
    weights: dict[str, float]
    loss: str = LOSSES[0]
    distillation: float = 0.0


def make_pipeline(names: Sequence[str], options: Options) -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    model = {"@architectures": "spacy-bert-suite.BertModel.v1", **options.bert}
    nlp.add_pipe("bert", config={"model": model})
    for part in (PARTS[name] for name in names):
        factor = options.grad_factors.get(part.head, 1.0)
        config = {**part.config, "model": {part.layer: {"grad_factor": factor}}}
        if part.head == "bert_similarity":
            config["loss"] = {"@losses": f"spacy-bert-suite.{options.loss}.v1"}
            config["distillation"] = options.distillation
        nlp.add_pipe(part.head, config=config)
    return nlp


def read(nlp: Language, data: Path, name: str, split: str, n_rows: int) -> Examples:
    """RETURNS (list[Example]): At most so many of a split, drawn once and for all."""
    n_rows = round(n_rows * PARTS[name].share)
    examples = list(PARTS[name].read(nlp, data, split, n_rows))
    random.Random(0).shuffle(examples)
    return examples[:n_rows] if n_rows else examples


def run(data: Path, names: Sequence[str], options: Options, seed: int) -> list[dict[str, Any]]:
    """Train one pipeline with the heads of some tasks. RETURNS (list[Dict]): A record for each."""
    set_seed(seed)
    nlp = make_pipeline(names, options)
    corpora = {
        PARTS[name].head: repeat(read(nlp, data, name, "train", options.rows), options.epochs)
        for name in names
    }
    corpus = make_multi_task_corpus(
        corpora, temperature=options.temperature, seed=seed, weights=options.weights
    )
    batcher = make_task_batcher(32, {PARTS[name].head: PARTS[name].size for name in names})
    batches = list(batcher(corpus(nlp)))
    random.Random(seed).shuffle(batches)  # the last ones, which are not full, would come last
    nlp.initialize(lambda: [eg for batch in batches for eg in batch])
    start = time.perf_counter()
    pipelines.train(nlp, batches, pipelines.make_optimizer(len(batches), options.learn_rate))
    seconds = time.perf_counter() - start
    counts = Counter(batch[0].reference.user_data[TASK] for batch in batches)
    return [
        {
            "task": name,
            "score": 100 * evaluate(nlp, data, name, options.dev),
            "updates": counts[PARTS[name].head],
            "seconds": seconds,
        }
        for name in names
    ]


def repeat(examples: Examples, epochs: int) -> Callable[[Language], Examples]:
    return lambda nlp: examples * epochs


def evaluate(nlp: Language, data: Path, name: str, n_rows: int) -> float:
    examples = read(nlp, data, name, "dev", n_rows)
    with nlp.select_pipes(enable=["sentencizer", "bert", PARTS[name].head]):
        return nlp.evaluate(examples)[PARTS[name].score]


def report(out: Path) -> str:
    """RETURNS (str): For each set of options a table: alone, together, and the difference."""
    found: dict[tuple, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for r in read_json_lines(out):
        key = r["rows"], r["epochs"], r["learn_rate"], r["mode"], r["label"]
        found[key][r["task"]].append(r["score"])
    lines = ["| rows, epochs, learn rate | trained | " + " | ".join(PARTS) + " |",
             "|---|---|" + "---:|" * len(PARTS)]  # fmt: skip
    for key, scores in sorted(found.items(), key=lambda item: (item[0][:3], item[0][3] == "joint")):
        *data, mode, label = key
        alone = found.get((*data, "single", "")) if mode == "joint" else None
        cells = [cell(scores.get(name), (alone or {}).get(name)) for name in PARTS]
        lines.append(f"| {', '.join(map(str, data))} | {mode} {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(values: Any, alone: Any) -> str:
    """RETURNS (str): For example `53.1 (-0.4, n=3)`."""
    if not values:
        return "-"
    mean = statistics.mean(values)
    difference = f"{mean - statistics.mean(alone):+.1f}, " if alone else ""
    return f"{mean:.1f} ({difference}n={len(values)})"


def settings(pairs: Sequence[str]) -> dict[str, Any]:
    """RETURNS (Dict): Of KEY=VALUE, where a value is JSON or a plain string."""
    found = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path, exists=True))
@click.option("--mode", "modes", multiple=True, type=click.Choice(["single", "joint"]))
@click.option("--task", "tasks", multiple=True, type=click.Choice(list(PARTS)))
@click.option("--rows", default=1000, show_default=True, help="Of each training set; 0 for all")
@click.option("--dev", default=400, show_default=True, help="Of each dev set; 0 for all")
@click.option("--epochs", default=2, show_default=True)
@click.option("--learn-rate", default=1e-4, show_default=True)
@click.option("--temperature", default=1.0, show_default=True, help="Of the sampling of tasks")
@click.option("--weight", "weights", multiple=True, help="HEAD=FACTOR of how often; repeatable")
@click.option("--grad-factor", "factors", multiple=True, help="HEAD=FACTOR; repeatable")
@click.option("--loss", type=click.Choice(LOSSES), default=LOSSES[0], help="Of the vectors.")
@click.option("--distillation", default=0.0, help="How strongly vectors are held.")
@click.option("--bert", multiple=True, help="KEY=VALUE of the backbone's model; repeatable")
@click.option("--seed", "seeds", multiple=True, type=int, default=(0,), show_default=True)
@click.option("--threads", default=N_THREADS, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS)
@click.option("--report", "only_report", is_flag=True, help="Print what was measured, and stop.")
def main(data, modes, tasks, rows, dev, epochs, learn_rate, temperature, weights, factors,
         loss, distillation, bert, seeds, threads, out, only_report):  # fmt: skip
    torch.set_num_threads(threads)
    names = list(tasks or PARTS)
    tried = [f"temperature={temperature:g}"] if temperature != 1.0 else []
    tried += [loss] if loss != LOSSES[0] else []
    tried += [f"distillation={distillation:g}"] if distillation else []
    tried += [f"weight {weight}" for weight in weights]
    label = " ".join([*tried, *factors, *bert])
    options = Options(rows, dev, epochs, learn_rate, temperature, settings(factors), settings(bert),
                      settings(weights), loss, distillation)  # fmt: skip
    for seed in [] if only_report else seeds:
        for mode in modes or ("single", "joint"):
            for together in [names] if mode == "joint" else [[name] for name in names]:
                for found in run(data, together, options, seed):
                    record = {"mode": mode, "label": label, "seed": seed, **found}
                    record.update(rows=rows, dev=dev, epochs=epochs, learn_rate=learn_rate)
                    append_json(out, {**record, **environment()})
                    print(record, flush=True)
    print(report(out))


if __name__ == "__main__":
    main()
