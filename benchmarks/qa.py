"""bert_qa beside the question-answering recipe of transformers (`run_qa.py`: Trainer, windows of
`--window` wordpieces that overlap by `--overlap`, best of 20 starts and 20 ends), on the same
weights, questions, epochs, learn rate and batch.

`--part tune` trains and scores a system on SQuAD 1.1 ("squad_v1") or 2.0 ("squad_v2", also with the
threshold that is best on dev); `--part speed` counts questions a second; `--part long` answers ten
questions on a text of 20 000 words in one call; `--report` prints tables of all runs so far.
"""

import gzip
import json
import random
import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy
import pipelines
import spacy
from common import (
    N_THREADS,
    append_json,
    environment,
    interleave,
    news_passages,
    read_json_lines,
    set_seed,
    speed_table,
    torch,
    trainer_settings,
    weights_folder,
)
from spacy.language import Language

from spacy_bert_suite.data.questions import make_question_example
from spacy_bert_suite.tasks.qa.scorer import f1_score, squad_scores
from spacy_bert_suite.tasks.qa.threshold import best_null_threshold

RESULTS = Path(__file__).parent / "results" / "qa.jsonl"
SETS = ("squad_v1", "squad_v2")
N_BEST = 20
LONGEST = 30
Scores = dict[str, Any]


class Row(NamedTuple):
    question: str
    context: str
    answers: list[tuple[str, int]]

    @property
    def gold(self) -> list[str]:
        return [text for text, _ in self.answers]


class Settings(NamedTuple):
    window: int
    overlap: int
    epochs: int
    batch: int
    learn_rate: float
    seed: int
    head_factor: float = 1.0


class Prediction(NamedTuple):
    """The best span, and by how much "no answer" is better."""

    text: str
    null_score: float


def read_rows(data: Path, name: str, split: str, limit: int) -> list[Row]:
    """RETURNS (list[Row]): Questions of a split in a fixed random order, at most `limit`."""
    with gzip.open(data / "qa" / name / f"{split}.jsonl.gz", "rt", encoding="utf8") as lines:
        records = [json.loads(line) for line in lines]
    rows = [
        Row(r["question"], r["context"], [*zip(r["answers"]["text"], r["answers"]["answer_start"])])
        for r in records
    ]
    random.Random(0).shuffle(rows)
    return rows[:limit] if limit else rows


def scores_of(rows: Sequence[Row], found: Sequence[Prediction]) -> Scores:
    """RETURNS (Dict): In percent; where some have no answer, at the threshold 0 and at the best."""
    gold = [row.gold for row in rows]
    if all(gold):
        return percent(squad_scores([prediction.text for prediction in found], gold))
    nulls = [prediction.null_score for prediction in found]
    f1 = [f1_score(prediction.text, right) for prediction, right in zip(found, gold)]
    best = best_null_threshold(nulls, f1, [float(not right) for right in gold])
    at_zero = [p.text if p.null_score <= 0 else "" for p in found]
    at_best = [p.text if p.null_score <= best else "" for p in found]
    return {
        **percent(squad_scores(at_zero, gold)),
        **{f"best_{key}": value for key, value in percent(squad_scores(at_best, gold)).items()},
        "threshold": best,
    }


def percent(scores: dict[str, Any]) -> Scores:
    return {key: None if value is None else 100 * value for key, value in scores.items()}


# Ours


def our_pipeline(settings: Settings, rows: Sequence[Row]) -> Language:
    room = settings.window - 2
    model = {
        "@architectures": "spacy-bert-suite.BertModel.v1",
        "window": settings.window,
        "stride": room - settings.overlap,
        "lr_scale": 1 / settings.head_factor,
    }
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": model})
    nlp.add_pipe("bert_qa", config={"max_answer_pieces": LONGEST})
    examples = [example(nlp, row) for row in rows]
    nlp.initialize(lambda: examples)
    return nlp


def example(nlp: Language, row: Row) -> Any:
    return make_question_example(nlp, row.context, row.question, row.answers)


def train_ours(settings: Settings, rows: Sequence[Row]) -> Language:
    nlp = our_pipeline(settings, rows)
    batches = [[example(nlp, row) for row in batch] for batch in shuffled(rows, settings)]
    rate = settings.learn_rate * settings.head_factor
    pipelines.train(nlp, batches, pipelines.make_optimizer(len(batches), rate))
    return nlp


def shuffled(rows: Sequence[Row], settings: Settings) -> Iterator[list[Row]]:
    rng = random.Random(settings.seed)
    for _ in range(settings.epochs):
        order = rng.sample(range(len(rows)), len(rows))
        for start in range(0, len(order), settings.batch):
            yield [rows[i] for i in order[start : start + settings.batch]]


def predict_ours(nlp: Language, rows: Sequence[Row]) -> list[Prediction]:
    docs: dict[str, Any] = {}
    for row in rows:
        if row.context not in docs:
            docs[row.context] = nlp.make_doc(row.context)
    pairs = [(docs[row.context], row.question) for row in rows]
    readings = nlp.get_pipe("bert_qa").score_candidates(pairs)
    return [Prediction(r.candidates[0].span.text, r.null_score) for r in readings]


# The recipe


def encode(tokenizer: Any, rows: Sequence[Row], settings: Settings) -> Any:
    return tokenizer(
        [row.question.lstrip() for row in rows],
        [row.context for row in rows],
        truncation="only_second",
        max_length=settings.window,
        stride=settings.overlap,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )


def features_of(encoded: Any) -> list[dict[str, Any]]:
    keys = ("input_ids", "token_type_ids", "attention_mask")
    return [{key: encoded[key][i] for key in keys} for i in range(len(encoded["input_ids"]))]


def train_features(tokenizer: Any, rows: Sequence[Row], settings: Settings) -> list[dict[str, Any]]:
    encoded = encode(tokenizer, rows, settings)
    features = features_of(encoded)
    for i, feature in enumerate(features):
        row = rows[encoded["overflow_to_sample_mapping"][i]]
        start, end = position(encoded["offset_mapping"][i], encoded.sequence_ids(i), row)
        feature["start_positions"], feature["end_positions"] = start, end
    return features


def position(offsets: Sequence[Any], sequences: Sequence[Any], row: Row) -> tuple[int, int]:
    """First and last piece of the first right answer; [CLS] where the window has not all of it."""
    if not row.answers:
        return 0, 0
    text, begin = row.answers[0]
    end = begin + len(text)
    context = [i for i, sequence in enumerate(sequences) if sequence == 1]
    if not context or offsets[context[0]][0] > begin or offsets[context[-1]][1] < end:
        return 0, 0
    first = max(i for i in context if offsets[i][0] <= begin)
    return first, min(i for i in context if offsets[i][1] >= end)


def recipe_trainer(settings: Settings, rows: Sequence[Row], **options: Any) -> Any:
    from transformers import (
        AutoModelForQuestionAnswering,
        AutoTokenizer,
        DataCollatorWithPadding,
        PrinterCallback,
        Trainer,
        TrainingArguments,
    )

    tokenizer = AutoTokenizer.from_pretrained(weights_folder())
    given = trainer_settings(
        settings.seed,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch,
        per_device_eval_batch_size=settings.batch,
        learning_rate=settings.learn_rate,
    )
    arguments = TrainingArguments(**{**given, **options})
    trainer: Any = Trainer(
        model=AutoModelForQuestionAnswering.from_pretrained(weights_folder()),
        args=arguments,
        train_dataset=train_features(tokenizer, rows, settings),
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def train_recipe(settings: Settings, rows: Sequence[Row]) -> Any:
    trainer = recipe_trainer(settings, rows)
    trainer.train()
    return trainer


def predict_recipe(trainer: Any, rows: Sequence[Row], settings: Settings) -> list[Prediction]:
    encoded = encode(trainer.processing_class, rows, settings)
    starts, ends = trainer.predict(features_of(encoded)).predictions
    by_row: dict[int, list[int]] = defaultdict(list)
    for i, sample in enumerate(encoded["overflow_to_sample_mapping"]):
        by_row[sample].append(i)
    return [
        best_span(row, [(starts[i], ends[i], offsets(encoded, i)) for i in by_row[sample]])
        for sample, row in enumerate(rows)
    ]


def offsets(encoded: Any, i: int) -> list[Any]:
    """Characters of the pieces of the context; None for all others."""
    sequences = encoded.sequence_ids(i)
    return [o if s == 1 else None for o, s in zip(encoded["offset_mapping"][i], sequences)]


def best_span(row: Row, windows: Sequence[tuple[Any, Any, list[Any]]]) -> Prediction:
    """As `postprocess_qa_predictions` in the example's utils_qa.py."""
    null = min(float(start[0] + end[0]) for start, end, _ in windows)
    best, text = -1e4, ""
    for start, end, chars in windows:
        lasts = numpy.argsort(end)[-1 : -N_BEST - 1 : -1].tolist()
        for i in numpy.argsort(start)[-1 : -N_BEST - 1 : -1].tolist():
            for j in lasts:
                if i >= len(chars) or j >= len(chars) or chars[i] is None or chars[j] is None:
                    continue
                if j < i or j - i + 1 > LONGEST:
                    continue
                if start[i] + end[j] > best:
                    best = float(start[i] + end[j])
                    text = row.context[chars[i][0] : chars[j][1]]
    return Prediction(text, null - best)


# Parts


def tune(data: Path, name: str, system: str, settings: Settings, limits: tuple[int, int]) -> Scores:
    train = read_rows(data, name, "train", limits[0])
    dev = read_rows(data, name, "dev", limits[1])
    set_seed(settings.seed)
    start = time.perf_counter()
    if system == "ours":
        nlp = train_ours(settings, train)
        seconds = time.perf_counter() - start
        found = predict_ours(nlp, dev)
    else:
        trainer = train_recipe(settings, train)
        seconds = time.perf_counter() - start
        found = predict_recipe(trainer, dev, settings)
    return {**scores_of(dev, found), "train_seconds": seconds}


def speed(data: Path, name: str, settings: Settings, rounds: int, n_dev: int, out: Path) -> str:
    rows = read_rows(data, name, "dev", n_dev)
    nlp = our_pipeline(settings, rows[:1])
    systems: dict[str, Any] = {"ours": partial(predict_ours, nlp, rows)}
    for name_of, bf16 in (("as it is (fp32)", False), ("bf16", True)):
        trainer = recipe_trainer(settings, rows[:1], bf16=bf16)
        systems[f"run_qa.py of transformers, {name_of}"] = partial(
            predict_recipe, trainer, rows, settings
        )
    interleave(systems, 1, len(rows))
    speeds = interleave(systems, rounds, len(rows))
    append_json(out, {"part": "speed", "data": name, "questions_per_second": speeds,
                          **settings._asdict(), **environment()})  # fmt: skip
    return speed_table(speeds, "questions/s", "ours")


def long_text(data: Path, settings: Settings, out: Path) -> str:
    words = " ".join(news_passages(data, 600)).split()[:20_000]
    questions = [row.question for row in read_rows(data, "squad_v1", "dev", 10)]
    nlp = our_pipeline(settings, read_rows(data, "squad_v1", "dev", 1))
    doc = nlp.make_doc(" ".join(words))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    nlp.get_pipe("bert_qa").answer(doc, questions)
    seconds = time.perf_counter() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    record = {"words": len(words), "questions": len(questions), "seconds": seconds, "mb": grown}
    append_json(out, {"part": "long", **record, **environment()})
    return f"{len(questions)} questions, {len(words)} words: {seconds:.1f} s, {grown:.0f} MB more"


def report(out: Path) -> str:
    found: dict[Any, list[Scores]] = defaultdict(list)
    for record in read_json_lines(out):
        if record["part"] == "tune":
            key = record["data"], record["n_train"], record["n_dev"], record["system"]
            found[key].append(record)
    lines = [
        "| data | train | dev | system | EM | F1 | F1, tuned threshold | seeds |",
        "|---|---:|---:|---|---:|---:|---:|---:|",
    ]
    for key, records in sorted(found.items()):
        cells = [mean(records, name) for name in ("qa_em", "qa_f1", "best_qa_f1")]
        lines.append("| " + " | ".join([*map(str, key), *cells, str(len(records))]) + " |")
    return "\n".join(lines)


def mean(records: Sequence[Scores], name: str) -> str:
    values = [record[name] for record in records if record.get(name) is not None]
    if not values:
        return "-"
    return f"{statistics.mean(values):.1f} ({min(values):.1f} to {max(values):.1f})"


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--part", type=click.Choice(["tune", "speed", "long"]), default="tune")
@click.option("--set", "name", type=click.Choice(SETS), default="squad_v1", show_default=True)
@click.option("--system", type=click.Choice(["recipe", "ours"]), multiple=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--epochs", default=2, show_default=True)
@click.option("--batch", default=12, show_default=True)
@click.option("--learn-rate", default=1e-4, show_default=True)
@click.option("--head-factor", default=1.0, help="Our head learns so many times as fast.")
@click.option("--window", default=384, show_default=True)
@click.option("--overlap", default=128, show_default=True)
@click.option("--train", "n_train", default=0, help="Questions to train on; 0 for all.")
@click.option("--dev", "n_dev", default=0, help="Questions to score or to time; 0 for all.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--threads", default=N_THREADS, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS)
@click.option("--report", "only_report", is_flag=True, help="Print what was measured, and stop.")
def main(data, part, name, system, seed, epochs, batch, learn_rate, head_factor, window, overlap,
         n_train, n_dev, rounds, threads, out, only_report):  # fmt: skip
    torch.set_num_threads(threads)
    settings = Settings(window, overlap, epochs, batch, learn_rate, seed, head_factor)
    if only_report:
        print(report(out))
    elif part == "speed":
        print(speed(data, name, settings, rounds, n_dev, out))
    elif part == "long":
        print(long_text(data, settings, out))
    else:
        for each in system or ("recipe", "ours"):
            scores = tune(data, name, each, settings, (n_train, n_dev))
            label = each if head_factor == 1 else f"{each}, head x{head_factor:g}"
            record = {"part": "tune", "data": name, "system": label, "n_train": n_train,
                      "n_dev": n_dev, **settings._asdict(), **scores}  # fmt: skip
            append_json(out, {**record, **environment()})
            print({k: v for k, v in record.items() if k not in settings._asdict()}, flush=True)


if __name__ == "__main__":
    main()
