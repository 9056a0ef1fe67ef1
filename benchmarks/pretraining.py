"""bert_pretrainer beside a plain run of transformers: `BertForPreTraining`, `Trainer`, the pairs of
`TextDatasetForNextSentencePrediction` and the masks of `DataCollatorForLanguageModeling`, from the
same random weights, with the same vocabulary, batch, steps and schedule.

`--part tune` trains a system on Wikipedia text and scores it on dev instances and masks that are
the same for all; `--part speed` counts the instances a second that both learn from; `--part memory`
streams generated text (5 million sentences) and reports the memory that it takes; `--part continue`
trains the embedded weights further on tweets and news, and measures entities before and after;
`--part gain` fine-tunes random weights and what pretraining made of them; `--report` prints tables
of all runs so far.
"""

import gzip
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import accuracy
import click
import pipelines
import spacy
from common import (
    LEARN_RATE,
    N_THREADS,
    TASKS,
    Task,
    append_json,
    environment,
    interleave,
    read_json_lines,
    read_rows,
    set_seed,
    speed_table,
    torch,
    trainer_settings,
    warmup_steps,
    weights_folder,
)
from spacy.language import Language
from spacy.util import minibatch

from spacy_bert_suite.tasks.pretrainer.corpus import make_pretrain_corpus
from spacy_bert_suite.tasks.pretrainer.instance import get_instance
from spacy_bert_suite.tasks.pretrainer.scorer import score_outcome
from spacy_bert_suite.tasks.pretrainer.sentences import make_splitter
from spacy_bert_suite.tasks.pretrainer.text import find_files, read_documents

RESULTS = Path(__file__).parent / "results" / "pretraining.jsonl"
TEXT = Path("pretrain") / "enwiki_2015_sample"
SIZES = {  # layers, width, heads
    "tiny": (2, 128, 2),
    "mini": (4, 256, 4),
    "small": (4, 512, 8),
    "medium": (8, 512, 8),
}
EPSILON = 1e-6
N_SHARDS = 50
# The largest values of Turc et al. (2019) for models as small as these.
SMALL_EPOCHS = 4
SMALL_RATE = 3e-4
STARTED = 256  # instances, after which other processes prepare the rest
PREPARED = 10_000  # instances to time without any training
Scores = dict[str, Any]


class Settings(NamedTuple):
    size: str
    max_length: int
    batch: int
    steps: int
    learn_rate: float
    seed: int


def initial_folder(settings: Settings, path: Path) -> Path:
    """Write random weights, heads included, with the vocabulary of the embedded model: what both
    systems begin with.
    """
    from transformers import AutoTokenizer, BertConfig, BertForPreTraining

    n_layers, width, n_heads = SIZES[settings.size]
    tokenizer = AutoTokenizer.from_pretrained(weights_folder())
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=width, num_hidden_layers=n_layers,
        num_attention_heads=n_heads, intermediate_size=4 * width, max_position_embeddings=512,
    )  # fmt: skip
    torch.manual_seed(settings.seed)
    BertForPreTraining(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


# Ours


def our_pipeline(settings: Settings, weights: str, text: Path, objective: str) -> Language:
    model = {
        "@architectures": "spacy-bert-suite.BertModel.v1",
        "name": weights,
        "window": settings.max_length,
        "stride": settings.max_length // 2,
    }
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": model})
    nlp.add_pipe("bert_pretrainer", config={"whole_words": False})
    corpus = make_pretrain_corpus(text, settings.max_length, objective)
    nlp.initialize(lambda: islice(corpus(nlp), 100))
    return nlp


def instances(
    nlp: Language, settings: Settings, text: Path, objective: str, workers: int = 1
) -> Iterator[Any]:
    corpus = make_pretrain_corpus(
        text, settings.max_length, objective, seed=settings.seed, workers=workers
    )
    while True:
        yield from corpus(nlp)


def train_ours(nlp: Language, examples: Iterator[Any], settings: Settings) -> None:
    n = settings.steps
    sgd = pipelines.make_optimizer(n, settings.learn_rate, eps=EPSILON)
    pipelines.train(nlp, islice(minibatch(examples, settings.batch), n), sgd)
    nlp.get_pipe("bert").flush_pending_step()


# transformers


def write_sentences(text: Path, path: Path, limit: int) -> Path:
    """The text as `TextDatasetForNextSentencePrediction` wants it: a sentence on each line."""
    splitter = make_splitter(spacy.blank("en"), "sentencizer")
    files = find_files(text)
    documents = islice(read_documents(files, range(len(files))), limit or None)
    with path.open("w", encoding="utf8") as file_:
        for i, document in enumerate(documents):
            lines = ["".join(w + " " * s for w, s in zip(sentence.words, sentence.spaces)).strip()
                     for sentence in splitter(document)]  # fmt: skip
            # A blank line at the end would be an empty document.
            file_.write(("\n\n" if i else "") + "\n".join(line for line in lines if line))
    return path


def pairs_of_transformers(settings: Settings, weights: Path, text: Path, limit: int) -> Any:
    from transformers import AutoTokenizer, TextDatasetForNextSentencePrediction

    random.seed(settings.seed)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the class is old, and nothing has come after it
        path = write_sentences(text, Path(folder) / "text.txt", limit)
        pairs: Any = TextDatasetForNextSentencePrediction(
            AutoTokenizer.from_pretrained(weights), str(path), settings.max_length
        )
    # It leaves very long sentences as they are, and the model would stop at them.
    pairs.examples = [
        each for each in pairs.examples if len(each["input_ids"]) <= settings.max_length
    ]
    return pairs


def make_trainer(settings: Settings, weights: Path, pairs: Any) -> Any:
    from transformers import (
        AutoTokenizer,
        BertForPreTraining,
        DataCollatorForLanguageModeling,
        PrinterCallback,
        Trainer,
        TrainingArguments,
    )

    options = trainer_settings(
        settings.seed,
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch,
        learning_rate=settings.learn_rate,
        warmup_ratio=0.0,
        warmup_steps=warmup_steps(settings.steps),
        adam_epsilon=EPSILON,
    )
    arguments = TrainingArguments(**options)
    trainer: Any = Trainer(
        model=BertForPreTraining.from_pretrained(weights),
        args=arguments,
        train_dataset=pairs,
        # DataCollatorForWholeWordMask would drop the labels of the pairs.
        data_collator=DataCollatorForLanguageModeling(AutoTokenizer.from_pretrained(weights)),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


# Parts


def tune(data: Path, system: str, settings: Settings, n_dev: int, limit: int) -> Scores:
    train, dev = data / TEXT / "train.txt.gz", data / TEXT / "dev.txt.gz"
    with tempfile.TemporaryDirectory() as folder:
        weights = initial_folder(settings, Path(folder) / "initial")
        nlp = our_pipeline(settings, str(weights), dev, "mlm+nsp")
        if system == "ours":
            examples = instances(nlp, settings, train, "mlm+nsp")
            set_seed(settings.seed)
            start = time.perf_counter()
            train_ours(nlp, examples, settings)
            seconds = time.perf_counter() - start
        else:
            pairs = pairs_of_transformers(settings, weights, train, limit)
            trainer = make_trainer(settings, weights, pairs)
            start = time.perf_counter()
            trainer.train()
            seconds = time.perf_counter() - start
            result = Path(folder) / "trained"
            trainer.save_model(result)
            trainer.data_collator.tokenizer.save_pretrained(result)
            nlp = our_pipeline(settings, str(result), dev, "mlm+nsp")
        return {**dev_scores(nlp, settings, dev, n_dev), "train_seconds": seconds}


def dev_scores(nlp: Language, settings: Settings, dev: Path, n_dev: int) -> Scores:
    """RETURNS (Dict): On instances and masks that depend on the text and the vocabulary only."""
    corpus = make_pretrain_corpus(dev, settings.max_length, limit=n_dev, fixed=True)
    found: Any = [get_instance(eg) for eg in corpus(nlp)]
    return score_outcome(nlp.get_pipe("bert_pretrainer").evaluate_instances(found))


def speed(data: Path, settings: Settings, rounds: int, limit: int, out: Path) -> str:
    text = data / TEXT / "train.txt.gz"
    with tempfile.TemporaryDirectory() as folder:
        weights = initial_folder(settings, Path(folder) / "initial")
        pairs = pairs_of_transformers(settings, weights, text, limit)
        nlp = our_pipeline(settings, str(weights), text, "mlm+nsp")
        stream = instances(nlp, settings, text, "mlm+nsp")
        in_line = instances(nlp, settings, text, "mlm+nsp", workers=0)
        held = list(islice(in_line, settings.steps * settings.batch))
        for examples in (stream, in_line):  # what starts is not timed
            for _ in islice(examples, STARTED):
                pass
        systems = {
            "Trainer": lambda: make_trainer(settings, weights, pairs).train(),
            "ours": lambda: train_ours(nlp, stream, settings),
            "ours, prepared in line": lambda: train_ours(nlp, in_line, settings),
            "ours, prepared before": lambda: train_ours(nlp, iter(held), settings),
        }
        interleave(systems, 1, settings.steps * settings.batch)
        speeds = interleave(systems, rounds, settings.steps * settings.batch)
        start = time.perf_counter()
        n = sum(1 for _ in islice(in_line, PREPARED))
        preparing = n / (time.perf_counter() - start)
    append_json(out, {"part": "speed", "instances_per_second": speeds, "preparing": preparing,
                      **settings._asdict(), **environment()})  # fmt: skip
    return speed_table(speeds, "instances/s", "ours") + f"\npreparing alone: {preparing:.0f}/s"


def memory(n_sentences: int, settings: Settings, workers: int, out: Path) -> str:
    """Stream generated text in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        n_bytes = write_generated(Path(folder), n_sentences)
        command = [sys.executable, __file__, "--part", "stream", "--text", folder]
        command += ["--max-length", str(settings.max_length), "--workers", str(workers)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    record = json.loads(done.stdout.splitlines()[-1])
    record.update(part="memory", sentences=n_sentences, megabytes=n_bytes / 1e6, workers=workers)
    append_json(out, {**record, **environment()})
    return json.dumps(record)


def write_generated(folder: Path, n_sentences: int) -> int:
    """Text with a vocabulary that goes on growing, in shards. RETURNS (int): Bytes."""
    rng = random.Random(0)
    common = [f"word{i}" for i in range(50_000)]
    weights = [1 / (i + 1) for i in range(len(common))]
    for shard in range(N_SHARDS):
        words = iter(rng.choices(common, weights, k=n_sentences // N_SHARDS * 11))
        with (folder / f"{shard:03}.txt").open("w", encoding="utf8") as file_:
            for i in range(n_sentences // N_SHARDS):
                rare = f"x{rng.getrandbits(28):x}"  # hardly ever seen again
                end = "\n\n" if i % 50 == 49 else "\n" if i % 5 == 4 else " "
                file_.write(" ".join([*islice(words, 11), rare]) + "." + end)
    return sum(path.stat().st_size for path in folder.iterdir())


def stream(text: Path, settings: Settings, workers: int) -> None:
    """Read all instances of a folder, and print the peak memory of this process and of workers."""
    nlp = spacy.blank("en")
    window = {"window": settings.max_length, "stride": settings.max_length // 2}
    nlp.add_pipe("bert", config={"model": window})
    corpus = make_pretrain_corpus(text, settings.max_length, workers=workers)
    start, peaks, n = time.perf_counter(), [], 0
    for _ in corpus(nlp):
        n += 1
        if n % 20_000 == 0:
            peaks.append(peak(resource.RUSAGE_SELF))
            print(n, f"{peaks[-1]:.0f} MB", file=sys.stderr, flush=True)
    seconds = time.perf_counter() - start
    print(json.dumps({"instances": n, "seconds": seconds, "peak_mb": peak(resource.RUSAGE_SELF),
                      "peak_mb_of_a_worker": peak(resource.RUSAGE_CHILDREN),
                      "peaks_mb": peaks}))  # fmt: skip


def peak(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / 1024


def go_on(data: Path, settings: Settings, limit: int) -> Iterator[Scores]:
    """Train the embedded weights further on the train texts of tweets and news; then entities, from
    these and from the embedded weights.
    """
    with tempfile.TemporaryDirectory() as folder:
        text = write_texts(data, Path(folder) / "text.jsonl.gz", limit)
        nlp = our_pipeline(settings, "embedded", text, "mlm")
        set_seed(settings.seed)
        train_ours(nlp, instances(nlp, settings, text, "mlm"), settings)
        nlp.get_pipe("bert_pretrainer").write_checkpoint(Path(folder) / "continued")
        for name, weights in (("embedded", "embedded"), ("continued", f"{folder}/continued")):
            score = fine_tuned(data, TASKS["wnut17"], weights, settings.seed, limit)
            yield {"part": "continue", "system": name, "wnut17": score}


def gain(data: Path, settings: Settings, n_dev: int, limit: int) -> Iterator[Scores]:
    """Pretrain random weights; then entities and sentiment, from the random and the pretrained."""
    text = data / TEXT
    with tempfile.TemporaryDirectory() as folder:
        weights = initial_folder(settings, Path(folder) / "random")
        nlp = our_pipeline(settings, str(weights), text / "dev.txt.gz", "mlm+nsp")
        set_seed(settings.seed)
        train_ours(nlp, instances(nlp, settings, text / "train.txt.gz", "mlm+nsp"), settings)
        nlp.get_pipe("bert_pretrainer").write_checkpoint(Path(folder) / "pretrained")
        pretrained = dev_scores(nlp, settings, text / "dev.txt.gz", n_dev)
        tasks = [replace(TASKS[name], epochs=SMALL_EPOCHS) for name in ("wnut17", "sst2")]
        for name, found in (("random", {}), ("pretrained", pretrained)):
            scores = {
                task.name: fine_tuned(
                    data, task, f"{folder}/{name}", settings.seed, limit, SMALL_RATE
                )
                for task in tasks
            }
            yield {"part": "gain", "system": name, **found, **scores}


def fine_tuned(
    data: Path, task: Task, weights: str, seed: int, limit: int, learn_rate: float = LEARN_RATE
) -> float:
    rows = {split: read_rows(data, task, split, limit) for split in ("train", "dev")}
    set_seed(seed)
    nlp = pipelines.our_pipeline([task], weights)
    return accuracy.run_spacy(nlp, [task], {task.name: rows}, seed, learn_rate)[task.name]


def write_texts(data: Path, path: Path, limit: int) -> Path:
    tweets = (" ".join(words) for words, _ in read_rows(data, TASKS["wnut17"], "train", limit))
    news = (text for text, _ in read_rows(data, TASKS["ag_news"], "train", limit))
    with gzip.open(path, "wt", encoding="utf8") as file_:
        for text in chain(tweets, news):
            if text.strip():
                file_.write(json.dumps({"text": text}) + "\n")
    return path


def report(out: Path) -> str:
    found: dict[Any, list[Scores]] = defaultdict(list)
    for record in read_json_lines(out):
        if record["part"] == "tune":
            key = record["size"], record["steps"], record["batch"], record["system"]
            found[key].append(record)
    lines = [
        "| size | steps | batch | system | MLM loss | MLM accuracy | NSP accuracy | seconds | n |",
        "|---|---:|---:|---|---:|---:|---:|---:|---:|",
    ]
    columns = ("mlm_loss", "mlm_accuracy", "nsp_accuracy", "train_seconds")
    for key, records in sorted(found.items()):
        cells = [f"{statistics.mean(r[name] for r in records):.3f}" for name in columns]
        lines.append("| " + " | ".join([*map(str, key), *cells, str(len(records))]) + " |")
    return "\n".join(lines)


PARTS = ("tune", "speed", "memory", "continue", "gain", "stream")


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path, exists=True))
@click.option("--part", type=click.Choice(PARTS), default="tune")
@click.option("--system", type=click.Choice(["trainer", "ours"]), multiple=True)
@click.option("--size", type=click.Choice(list(SIZES)), default="mini", show_default=True)
@click.option("--max-length", default=128, show_default=True)
@click.option("--batch", default=32, show_default=True)
@click.option("--steps", default=2000, show_default=True)
@click.option("--learn-rate", default=5e-4, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--dev", "n_dev", default=1000, show_default=True, help="Instances to score.")
@click.option("--limit", default=0, help="Documents for the peer, or rows; 0 for all.")
@click.option("--sentences", default=5_000_000, show_default=True, help="For the part memory.")
@click.option("--workers", default=0, show_default=True, help="For the part memory.")
@click.option("--text", type=click.Path(path_type=Path), help="For the part stream.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS)
@click.option("--report", "only_report", is_flag=True, help="Print what was measured, and stop.")
def main(data, part, system, size, max_length, batch, steps, learn_rate, seed, n_dev, limit,
         sentences, workers, text, rounds, out, only_report):  # fmt: skip
    torch.set_num_threads(N_THREADS)
    settings = Settings(size, max_length, batch, steps, learn_rate, seed)
    if only_report:
        print(report(out))
    elif part == "stream":
        stream(text, settings, workers)
    elif part == "memory":
        print(memory(sentences, settings, workers, out))
    elif part == "speed":
        print(speed(data, settings, rounds, limit, out))
    else:
        for scores in runs(data, part, system, settings, n_dev, limit):
            append_json(out, {**settings._asdict(), **scores, **environment()})
            print(scores, flush=True)


def runs(
    data: Path, part: str, systems: tuple[str, ...], settings: Settings, n_dev: int, limit: int
) -> Iterator[Scores]:
    if part == "continue":
        yield from go_on(data, settings, limit)
        return
    if part == "gain":
        yield from gain(data, settings, n_dev, limit)
        return
    names: Sequence[str] = systems or ("trainer", "ours")
    for name in names:
        yield {"part": "tune", "system": name, **tune(data, name, settings, n_dev, limit)}


if __name__ == "__main__":
    main()
