"""bert_paraphrase beside the transformers `Trainer` (`AutoModelForSequenceClassification`) and
sentence-transformers' `CrossEncoder`, on the same weights, pairs, epochs, learn rate and batch.

`--part tune` trains and scores a system on one of the sets (`--set`, `--seed`); `--part speed`
counts pairs a second; `--report` prints a table of all runs of "tune" so far.
"""

import gzip
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy
import pipelines
import spacy
from common import (
    BATCH_SIZE,
    N_THREADS,
    append_json,
    environment,
    interleave,
    n_batches,
    read_json_lines,
    set_seed,
    shuffled_batches,
    speed_table,
    torch,
    trainer_settings,
    weights_folder,
)
from scipy.stats import spearmanr
from sklearn.metrics import f1_score
from spacy.language import Language

from spacy_bert_suite.data.pairs import make_pair_example

RESULTS = Path(__file__).parent / "results" / "paraphrase.jsonl"
MAX_PIECES = 256
Row = dict[str, Any]


class Set(NamedTuple):
    """A data set: its folder, what bert_paraphrase makes of it, its column of gold."""

    folder: str
    mode: str
    gold: str


SETS = {
    "mrpc": Set("paraphrase/mrpc", "binary", "label"),
    "paws": Set("paraphrase/pawsx_en", "binary", "label"),
    "sick": Set("similarity/sick", "classes", "label"),
    "stsb": Set("similarity/stsb_en", "graded", "score"),
}
MAX_SCORE = 5.0


def read_rows(data: Path, name: str, split: str) -> list[Row]:
    """RETURNS (list[Dict]): Records with text1, text2 and gold: 0 or 1, a class, or 0 to 1."""
    kind = SETS[name]
    with gzip.open(data / kind.folder / f"{split}.jsonl.gz", "rt", encoding="utf8") as lines:
        rows = [json.loads(line) for line in lines]
    for row in rows:
        row["gold"] = row[kind.gold] / MAX_SCORE if kind.mode == "graded" else row[kind.gold]
    return rows


def scores_of(mode: str, gold: Sequence[Any], predicted: Sequence[Any]) -> dict[str, float]:
    """RETURNS (Dict): In percent: Spearman if graded, else accuracy; of yes and no F1 too."""
    if mode == "graded":
        return {"spearman": 100 * float(spearmanr(gold, predicted)[0])}
    right = [g == p for g, p in zip(gold, predicted)]
    found = {"accuracy": 100 * statistics.mean(right)}
    if mode == "binary":
        found["f1"] = 100 * float(f1_score(gold, predicted))
    return found


# Ours


def our_pipeline(mode: str, **config: Any) -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("bert")
    nlp.add_pipe("bert_paraphrase", config={"mode": mode, **config})
    return nlp


def train_ours(name: str, rows: Sequence[Row], epochs: int, seed: int, pooling: str) -> Language:
    mode = SETS[name].mode
    nlp = our_pipeline(mode, model={"pooling": pooling})
    key = "score" if mode == "graded" else "label"
    batches = [
        [make_pair_example(nlp, (r["text1"], r["text2"]), **{key: r["gold"]}) for r in batch]
        for batch in shuffled_batches(rows, epochs, seed)
    ]
    nlp.initialize(lambda: [eg for batch in batches for eg in batch])
    pipelines.train(nlp, batches, pipelines.make_optimizer(len(batches)))
    return nlp


def predict_ours(nlp: Language, rows: Sequence[Row]) -> list[Any]:
    pipe = nlp.get_pipe("bert_paraphrase")
    found = pipe.predict_pairs((row["text1"], row["text2"]) for row in rows)
    if pipe.mode == "graded":
        return found.tolist()
    if pipe.mode == "binary":
        return [int(probability > 0.5) for probability in found]
    return [pipe.labels[i] for i in found.argmax(axis=1)]


# The Trainer


def classes_of(rows: Sequence[Row]) -> list[Any]:
    return sorted({row["gold"] for row in rows})


def features(tokenizer: Any, rows: Sequence[Row]) -> list[dict[str, Any]]:
    texts = [row["text1"] for row in rows], [row["text2"] for row in rows]
    encoded = tokenizer(*texts, truncation=True, max_length=MAX_PIECES)
    keys = ("input_ids", "token_type_ids", "attention_mask")
    return [{key: encoded[key][i] for key in keys} for i in range(len(rows))]


def train_peer(name: str, rows: Sequence[Row], epochs: int, seed: int) -> Any:
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        PrinterCallback,
        Trainer,
        TrainingArguments,
    )

    is_graded = SETS[name].mode == "graded"
    classes = [] if is_graded else classes_of(rows)
    tokenizer = AutoTokenizer.from_pretrained(weights_folder())
    train = features(tokenizer, rows)
    for feature, row in zip(train, rows):
        feature["labels"] = float(row["gold"]) if is_graded else classes.index(row["gold"])
    settings = trainer_settings(
        seed, num_train_epochs=epochs, per_device_eval_batch_size=BATCH_SIZE
    )
    arguments = TrainingArguments(**settings)
    trainer: Any = Trainer(
        model=AutoModelForSequenceClassification.from_pretrained(
            weights_folder(), num_labels=1 if is_graded else len(classes)
        ),
        args=arguments,
        train_dataset=train,
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return trainer


def predict_peer(trainer: Any, rows: Sequence[Row], classes: Sequence[Any]) -> list[Any]:
    logits = trainer.predict(features(trainer.processing_class, rows)).predictions
    if logits.shape[1] == 1:
        return logits[:, 0].tolist()
    return [classes[i] for i in numpy.argmax(logits, axis=1)]


# Parts


def tune(data: Path, name: str, system: str, epochs: int, seed: int) -> dict[str, float]:
    train, dev = read_rows(data, name, "train"), read_rows(data, name, "dev")
    set_seed(seed)
    start = time.perf_counter()
    if system == "Trainer":
        trainer = train_peer(name, train, epochs, seed)
        seconds = time.perf_counter() - start
        found = predict_peer(trainer, dev, classes_of(train))
    else:
        _, _, pooling = system.partition(", ")
        nlp = train_ours(name, train, epochs, seed, pooling or "pooler")
        seconds = time.perf_counter() - start
        found = predict_ours(nlp, dev)
    n_steps = n_batches(len(train), epochs)
    scores = scores_of(SETS[name].mode, [row["gold"] for row in dev], found)
    return {**scores, "steps": n_steps, "train_seconds": seconds}


def speed(data: Path, name: str, rounds: int, out: Path) -> str:
    from sentence_transformers import CrossEncoder

    rows = read_rows(data, name, "dev")
    pairs = [(row["text1"], row["text2"]) for row in rows]
    nlp = our_pipeline("binary")
    nlp.initialize()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    peer = CrossEncoder(weights_folder(), num_labels=1, max_length=MAX_PIECES, device=device)
    systems = {
        "CrossEncoder of sentence-transformers": partial(peer.predict, pairs),
        "ours": partial(nlp.get_pipe("bert_paraphrase").predict_pairs, pairs),
    }
    interleave(systems, 1, len(pairs))
    speeds = interleave(systems, rounds, len(pairs))
    append_json(out, {"part": "speed", "set": name, "pairs_per_second": speeds, **environment()})
    return speed_table(speeds, "pairs/s", "ours")


def report(out: Path) -> str:
    found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for record in read_json_lines(out):
        if record["part"] == "tune":
            found[record["set"], record["epochs"], record["system"]].append(record)
    lines = [
        "| set | epochs | system | accuracy | F1 | Spearman | seeds |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    for (name, epochs, system), records in sorted(found.items()):
        cells = [median(records, key) for key in ("accuracy", "f1", "spearman")]
        lines.append(f"| {name} | {epochs} | {system} | {' | '.join(cells)} | {len(records)} |")
    return "\n".join(lines)


def median(records: Sequence[dict[str, Any]], key: str) -> str:
    values = [record[key] for record in records if key in record]
    if not values:
        return "-"
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--part", type=click.Choice(["tune", "speed"]), default="tune")
@click.option("--set", "name", type=click.Choice(list(SETS)), default="mrpc", show_default=True)
@click.option("--system", multiple=True, default=["Trainer", "ours"], show_default=True,
              help='"Trainer", "ours", or "ours, mean" for another pooling.')  # fmt: skip
@click.option("--seed", default=0, show_default=True)
@click.option("--epochs", default=3, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--threads", default=N_THREADS, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS)
@click.option("--report", "only_report", is_flag=True, help="Print what was measured, and stop.")
def main(data, part, name, system, seed, epochs, rounds, threads, out, only_report) -> None:
    torch.set_num_threads(threads)
    if only_report:
        print(report(out))
    elif part == "speed":
        print(speed(data, name, rounds, out))
    else:
        for each in system:
            found = tune(data, name, each, epochs, seed)
            record = {"part": "tune", "set": name, "system": each, "epochs": epochs, "seed": seed}
            append_json(out, {**record, **found, **environment()})
            print(f"{name}, {each}, seed {seed}: {found}", flush=True)


if __name__ == "__main__":
    main()
