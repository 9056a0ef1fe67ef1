"""bert_similarity beside sentence-transformers, on the same weights: whether `encode` gives the
same vectors, how fast, and where fine-tuning with the same loss, epochs and batch ends.

`--part parity`, `--part speed` or `--part tune` (with `--seed`, `--loss`); `--report` prints a
table of all runs of "tune" so far. `--part equal` takes chance out of "tune": no dropout, and the
same batches for both.
"""

import copy
import gzip
import json
import random
import shutil
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy
import pipelines
import spacy
from common import (
    BATCH_SIZE,
    N_THREADS,
    append_json,
    count_words,
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
from scipy.stats import spearmanr
from spacy.language import Language

from spacy_bert_suite.data.pairs import make_pair_example

RESULTS = Path(__file__).parent / "results" / "similarity.jsonl"
LEARN_RATE = 2e-5
# Loss: (data, what sentence-transformers calls it, what we call it).
LOSSES = {
    "cosine": ("stsb", "CosineSimilarityLoss", "CosineSimilarity"),
    "cosent": ("stsb", "CoSENTLoss", "CoSENT"),
    "softmax": ("nli", "SoftmaxLoss", "Softmax"),
    "ranking": ("entailment", "MultipleNegativesRankingLoss", "MultipleNegativesRanking"),
}
CLASSES = ["contradiction", "entailment", "neutral"]
Scored = tuple[str, str, Any]


def read_pairs(path: Path, names: Sequence[str]) -> list[Scored]:
    with gzip.open(path, "rt", encoding="utf8") as lines:
        return [tuple(json.loads(line)[name] for name in names) for line in lines]  # type: ignore[misc]


def stsb(data: Path, split: str) -> list[Scored]:
    path = data / "similarity" / "stsb_en" / f"{split}.jsonl.gz"
    return [(a, b, score / 5) for a, b, score in read_pairs(path, ("text1", "text2", "score"))]


def train_rows(data: Path, kind: str) -> list[Scored]:
    if kind == "stsb":
        return stsb(data, "train")
    path = data / "nli" / "snli" / "train.jsonl.gz"
    rows = read_pairs(path, ("premise", "hypothesis", "label"))
    return [row for row in rows if row[2] == "entailment"] if kind == "entailment" else rows


def our_pipeline(loss: str = "cosine", tokens: bool = True, **backbone: Any) -> Language:
    model = {"@architectures": "spacy-bert-suite.BertModel.v1", **backbone}
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": model})
    losses = {"@losses": f"spacy-bert-suite.{LOSSES[loss][2]}.v1"}
    nlp.add_pipe("bert_similarity", config={"loss": losses, "token_vectors": tokens})
    return nlp


def peer(folder: str = "") -> Any:
    from sentence_transformers import SentenceTransformer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return SentenceTransformer(folder or weights_folder(), device=device)


def spearman(encode: Any, rows: Sequence[Scored]) -> float:
    first, second = encode([row[0] for row in rows]), encode([row[1] for row in rows])
    lengths = numpy.linalg.norm(first, axis=1) * numpy.linalg.norm(second, axis=1)
    return 100 * float(spearmanr((first * second).sum(1) / lengths, [row[2] for row in rows])[0])


# Parity


def parity(data: Path) -> dict[str, float]:
    """Least cosine between our vectors and theirs, in both precisions, and both Spearmans."""
    rows = stsb(data, "dev")
    texts = sorted({text for row in rows for text in row[:2]})
    theirs = peer()
    expected = theirs.encode(texts)
    found = {"STS-B dev, sentence-transformers": spearman(theirs.encode, rows)}
    for precision in ("fp32", "auto"):
        ours = our_pipeline(precision=precision).get_pipe("bert_similarity")
        cosines = (ours.encode(texts) * expected).sum(axis=1)
        found[f"least cosine, {precision}"] = float(cosines.min())
        found[f"STS-B dev, ours, {precision}"] = spearman(ours.encode, rows)
    return found


# Speed


def speed(data: Path, rounds: int, n_texts: int) -> None:
    rows = stsb(data, "train")
    random.Random(0).shuffle(rows)
    sentences = [row[0] for row in rows][: 4 * n_texts]
    # None is longer than the 256 wordpieces after which sentence-transformers stops reading.
    passages = [text for text in news_passages(data, 8 * n_texts) if 60 < len(text.split()) < 170]
    for title, texts in (("short sentences", sentences), ("passages", passages[:n_texts])):
        measure_speed(title, texts, rounds)


def measure_speed(title: str, texts: list[str], rounds: int) -> None:
    nlp = our_pipeline(tokens=False)
    theirs, ours = peer(), nlp.get_pipe("bert_similarity")
    systems = {
        "sentence-transformers": partial(theirs.encode, texts),
        "ours, encode": partial(ours.encode, texts),
        "ours, nlp.pipe": lambda: list(nlp.pipe(texts)),
        "ours, nlp.pipe, token vectors": partial(run_with_tokens, nlp, texts),
    }
    words = count_words(texts)
    print(f"\n{title}: {len(texts)} texts, {words} words")
    interleave(systems, 1, words)
    speeds = interleave(systems, rounds, words)
    append_json(RESULTS, {"speed": title, "words_per_second": speeds, **environment()})
    print(f"\n{speed_table(speeds, 'words/s', 'ours, encode')}\n")


def run_with_tokens(nlp: Language, texts: list[str]) -> None:
    pipe = nlp.get_pipe("bert_similarity")
    pipe.token_vectors = True
    for _ in nlp.pipe(texts):
        pass
    pipe.token_vectors = False


# Fine-tuning


def batches(rows: Sequence[Scored], epochs: int, seed: int) -> Iterator[list[Scored]]:
    rng = random.Random(seed)
    for _ in range(epochs):
        order = rng.sample(range(len(rows)), len(rows))
        for start in range(0, len(order), BATCH_SIZE):
            yield [rows[i] for i in order[start : start + BATCH_SIZE]]


def tune_ours(data: Path, loss: str, epochs: int, seed: int, lr_scale: float = 1.0) -> float:
    """lr_scale (float): How much slower BERT learns than the classifier of pairs."""
    nlp = our_pipeline(loss, lr_scale=lr_scale)
    rows = batches(train_rows(data, LOSSES[loss][0]), epochs, seed)
    train_ours(nlp, loss, list(rows), learn_rate=LEARN_RATE / lr_scale)
    return spearman(nlp.get_pipe("bert_similarity").encode, stsb(data, "dev"))


def train_ours(
    nlp: Language,
    loss: str,
    rows: Sequence[list[Scored]],
    classifier: Any = None,
    learn_rate: float = LEARN_RATE,
) -> None:
    """rows (Sequence): One batch after the other.
    classifier (Any): State that the classifier of pairs begins with, if not its own.
    """
    gold = {"stsb": "score", "nli": "label", "entailment": ""}[LOSSES[loss][0]]
    examples = [
        [make_pair_example(nlp, row[:2], **({gold: row[2]} if gold else {})) for row in batch]
        for batch in rows
    ]
    nlp.initialize(lambda: [eg for batch in examples for eg in batch])
    if classifier is not None:
        module = nlp.get_pipe("bert_similarity").model.shims[0].module
        module.classifier.load_state_dict(classifier)
    pipelines.train(nlp, examples, pipelines.make_optimizer(len(examples), learn_rate))


def tune_peer(data: Path, loss: str, epochs: int, seed: int, clears: bool = False) -> float:
    model = peer()
    rows = train_rows(data, LOSSES[loss][0])
    trainer = peer_trainer(model, loss, rows, num_train_epochs=epochs, seed=seed)
    if clears:
        clear_gradients(trainer)
    trainer.train()
    return spearman(model.eval().encode, stsb(data, "dev"))


def peer_trainer(model: Any, loss: str, rows: Sequence[Scored], seed: int, **settings: Any) -> Any:
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
        losses,
    )

    kind, name, _ = LOSSES[loss]
    columns: dict[str, list[Any]] = {"a": [r[0] for r in rows], "b": [r[1] for r in rows]}
    if kind == "stsb":
        columns["score"] = [row[2] for row in rows]
    elif kind == "nli":
        columns["label"] = [CLASSES.index(row[2]) for row in rows]
    options = {"sentence_embedding_dimension": 384, "num_labels": 3} if kind == "nli" else {}
    settings = trainer_settings(seed, learning_rate=LEARN_RATE, **settings)
    return SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(**settings),
        train_dataset=Dataset.from_dict(columns),
        loss=getattr(losses, name)(model, **options),
    )


def clear_gradients(trainer: Any) -> None:
    """After each step, of all that the optimizer has: the trainer clears those of the model only,
    so that those of the classifier of pairs add up from step to step.
    """
    from transformers import TrainerCallback

    class Clear(TrainerCallback):
        def on_step_end(self, *args: Any, optimizer: torch.optim.Optimizer, **kwargs: Any) -> None:
            optimizer.zero_grad()

    trainer.add_callback(Clear())


TUNE = {
    "sentence-transformers": tune_peer,
    "ours": tune_ours,
    "sentence-transformers, gradients cleared": partial(tune_peer, clears=True),
    "ours, the classifier ten times as fast": partial(tune_ours, lr_scale=0.1),
}


# The same without chance


def equal(data: Path, loss: str, seed: int, precision: str, n_rows: int) -> dict[str, float]:
    """Train both without dropout, ours on the batches of the peer and from its classifier of pairs.

    RETURNS (dict[str, float]): Spearman of both, and how far apart their weights end, as a part of
        the way that the weights of the peer have gone.
    """
    rows = train_rows(data, LOSSES[loss][0])[: n_rows or None]
    with tempfile.TemporaryDirectory() as folder:
        weights = without_dropout(Path(folder) / "weights")
        before = peer(weights)[0].auto_model
        model = peer(weights)
        settings = {"num_train_epochs": 1, "bf16": precision == "bf16"}
        trainer = peer_trainer(model, loss, rows, seed, **settings)
        trainer.data_collator = collator = Recorder(trainer.data_collator)
        classifier = getattr(trainer.loss, "classifier", None)
        classifier = copy.deepcopy(classifier and classifier.state_dict())
        clear_gradients(trainer)
        trainer.train()
        nlp = our_pipeline(loss, name=weights, precision=precision)
        train_ours(nlp, loss, collator.batches, classifier)
        ours = nlp.get_pipe("bert").model.shims[0].module.plain_transformer()
    return {
        "sentence-transformers": spearman(model.eval().encode, stsb(data, "dev")),
        "ours": spearman(nlp.get_pipe("bert_similarity").encode, stsb(data, "dev")),
        "distance": distance(model[0].auto_model, ours) / distance(model[0].auto_model, before),
    }


def without_dropout(folder: Path) -> str:
    """RETURNS (str): A copy of the weights whose config says so."""
    shutil.copytree(weights_folder(), folder)
    config = json.loads((folder / "config.json").read_text())
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps({**config, **off}))
    return str(folder)


class Recorder:
    """A collator that keeps the rows that it is given."""

    def __init__(self, collator: Any):
        self.collator = collator
        self.batches: list[list[Scored]] = []

    def __call__(self, rows: Sequence[dict[str, Any]]) -> Any:
        self.batches.append([(row["a"], row["b"], gold_of(row)) for row in rows])
        return self.collator(rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.collator, name)


def gold_of(row: dict[str, Any]) -> Any:
    return CLASSES[row["label"]] if "label" in row else row.get("score")


def distance(first: torch.nn.Module, second: torch.nn.Module) -> float:
    """RETURNS (float): Euclidean distance of the weights that both have."""
    others = dict(second.named_parameters())
    pairs = [(w, others[name]) for name, w in first.named_parameters() if name in others]
    return float(torch.stack([(one - other).detach().norm() for one, other in pairs]).norm())


def report(out: Path) -> str:
    found: dict[Any, list[float]] = defaultdict(list)
    for record in read_json_lines(out):
        if "spearman" in record:
            found[record["loss"], record["epochs"], record["system"]].append(record["spearman"])
    lines = ["| loss | epochs | system | STS-B dev Spearman | seeds |", "|---|---:|---|---:|---:|"]
    for (loss, epochs, system), values in sorted(found.items()):
        mean = f"{statistics.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"
        lines.append(f"| {loss} | {epochs} | {system} | {mean} | {len(values)} |")
    return "\n".join(lines)


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--part", type=click.Choice(["parity", "speed", "tune", "equal"]), default="parity")
@click.option("--system", type=click.Choice(list(TUNE)), multiple=True, default=list(TUNE)[:2])
@click.option("--loss", type=click.Choice(list(LOSSES)), default="cosine")
@click.option("--epochs", default=1, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option(
    "--texts", default=128, show_default=True, help="Passages; four times as many sentences."
)
@click.option("--threads", default=N_THREADS, show_default=True)
@click.option("--precision", type=click.Choice(["bf16", "fp32"]), default="fp32", help="For equal.")
@click.option("--limit", default=0, help="Pairs for the part equal; 0 for all.")
@click.option("--report", "only_report", is_flag=True)
def main(
    data, part, system, loss, epochs, seed, rounds, texts, threads, precision, limit, only_report
) -> None:
    torch.set_num_threads(threads)
    if only_report:
        print(report(RESULTS))
    elif part == "parity":
        found = parity(data)
        append_json(RESULTS, {"parity": found, **environment()})
        print("\n".join(f"{name}: {value:.7f}" for name, value in found.items()))
    elif part == "speed":
        speed(data, rounds, texts)
    elif part == "equal":
        found = equal(data, loss, seed, precision, limit)
        setting = {"loss": loss, "precision": precision, "pairs": limit, "seed": seed}
        append_json(RESULTS, {"equal": found, **setting, **environment()})
        print("\n".join(f"{name}: {value:.6f}" for name, value in found.items()))
    else:
        for name in system:
            set_seed(seed)
            score = TUNE[name](data, loss, epochs, seed)
            record = {"system": name, "loss": loss, "epochs": epochs, "seed": seed}
            append_json(RESULTS, {**record, "spearman": score, **environment()})
            print(f"{name}, {loss}, seed {seed}: {score:.2f}", flush=True)


if __name__ == "__main__":
    main()
