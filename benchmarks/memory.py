"""Memory: what our pipeline keeps for annotated Docs, and what a very long document takes.

Every figure comes from a process of its own, which starts this script again with --only.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import click
import pipelines
import spacy
from common import (
    N_THREADS,
    TASKS,
    append_json,
    count_words,
    environment,
    read_rows,
    set_seed,
    task_labels,
    torch,
)
from spacy.language import Language
from spacy.tokens import Doc

RESULTS = Path(__file__).parent / "results" / "memory.jsonl"
MIB = 1 << 20
SYSTEMS = ("blank", "annotated", "ours", "ours, no cache of oneDNN's")
# oneDNN keeps code for the last 1024 shapes of matrices that it has seen.
ENVIRONMENT = {"ours, no cache of oneDNN's": {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "0"}}


def hold_docs(system: str, data: Path, n_texts: int, path: Path) -> dict[str, float]:
    """Annotate texts and hold every Doc.

    system (str): "blank" for plain Docs, "annotated" for plain Docs onto which the values that
        our heads write are put by hand, "ours" for our pipeline.
    path (Path): Our pipeline, saved.
    RETURNS (dict[str, float]): Growth of the resident memory in MiB, over all texts and over the
        second half of them, for which no room is left that was used before.
    """
    nlp = spacy.load(path) if system.startswith("ours") else spacy.blank("en")
    texts = news_texts(data, n_texts)
    for _ in nlp.pipe(texts, batch_size=128):  # fills vocabulary, caches and buffers
        pass
    before = resident()
    docs = []
    for doc in nlp.pipe(texts, batch_size=128):
        if system == "annotated":
            annotate_by_hand(doc)
        docs.append(doc)
        if len(docs) == n_texts // 2:
            middle = resident()
    after = resident()
    return {"growth": after - before, "second_half": after - middle, "words": count_words(texts)}


def annotate_by_hand(doc: Doc) -> None:
    topics = ("Business", "Sci/Tech", "Sports", "World")
    probabilities = {"negative": 0.25 + len(doc) * 1e-6, "positive": 0.75 - len(doc) * 1e-6}
    sentiment = {"label": "positive", "score": 0.75 - len(doc) * 1e-6}
    doc.cats = {label: 0.25 + (i + len(doc)) * 1e-6 for i, label in enumerate(topics)}
    user_data: dict[Any, Any] = doc.user_data
    user_data[("._.", "labels", None, None)] = [topics[0]]
    user_data[("._.", "sentiment", None, None)] = {**sentiment, "probabilities": probabilities}


def long_document(data: Path, n_words: int, path: Path) -> dict[str, float]:
    """RETURNS (dict[str, float]): Peak resident memory of the process, MiB, before and after one
    document of so many words.
    """
    nlp = spacy.load(path)
    words = (word for text in cycle(news_texts(data, 5000)) for word in text.split())
    text = " ".join(islice(words, n_words))
    nlp.max_length = len(text) + 1
    before = peak()
    doc = nlp(text)
    return {"peak": peak(), "peak_before": before, "words": n_words, "tokens": len(doc)}


def three_heads(data: Path) -> Language:
    set_seed(0)
    nlp = pipelines.our_pipeline(list(TASKS.values()))
    rows = {name: read_rows(data, task, "train", 320) for name, task in TASKS.items()}
    labels = {name: task_labels(r) for name, r in rows.items()}
    parts = [pipelines.make_examples(nlp, TASKS[n], rows[n], labels[n]) for n in TASKS]
    heads = {TASKS[name].head: names for name, names in labels.items()}
    pipelines.initialize(nlp, [eg for part in parts for eg in part], heads)
    entities = [parts[0][i : i + 32] for i in range(0, len(parts[0]), 32)]
    pipelines.train(nlp, entities, pipelines.make_optimizer(len(entities)))
    return nlp


def news_texts(data: Path, n_texts: int) -> list[str]:
    """News texts, begun again where they end."""
    rows = [row for s in ("train", "dev") for row in read_rows(data, TASKS["ag_news"], s)]
    return [text for text, _ in islice(cycle(rows), n_texts)]


def resident() -> float:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * resource.getpagesize() / MIB


def peak() -> float:
    """Not `ru_maxrss`: across fork and exec, that one starts from the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def in_new_process(only: str, data: Path, n: int, path: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--data", str(data), "--only", only, "--n", str(n)]
    command += ["--pipeline", str(path)]
    env = {**os.environ, **ENVIRONMENT.get(only, {})}
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env).stdout
    return json.loads(output.splitlines()[-1])


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
@click.option("--texts", "n_texts", default=20_000, show_default=True)
@click.option("--words", "n_words", default=100_000, show_default=True)
@click.option("--only", type=click.Choice([*SYSTEMS, "long"]), help="One figure, in this process")
@click.option("--n", default=0, help="Texts or words, with --only")
@click.option("--pipeline", "path", type=click.Path(path_type=Path), help="With --only")
def main(
    data: Path, out: Path, n_texts: int, n_words: int, only: str | None, n: int, path: Path
) -> None:
    torch.set_num_threads(N_THREADS)
    if only:
        measured = long_document if only == "long" else partial(hold_docs, only)
        print(json.dumps(measured(data, n, path)))
        return
    with tempfile.TemporaryDirectory() as folder:
        three_heads(data).to_disk(folder)
        results = {s: in_new_process(s, data, n_texts, Path(folder)) for s in SYSTEMS}
        results["long"] = in_new_process("long", data, n_words, Path(folder))
    append_json(out, {**results, **environment()})
    print(report(results, n_texts))


def report(results: dict[str, dict[str, float]], n_texts: int) -> str:
    lines = [
        f"| {n_texts} docs held | growth of resident memory, MiB | second half, kB per doc |",
        "|---|---:|---:|",
    ]
    for system in SYSTEMS:
        growth, half = results[system]["growth"], results[system]["second_half"]
        lines.append(f"| {system} | {growth:,.0f} | {half * 2 * 1024 / n_texts:.1f} |")
    long = results["long"]
    return "\n".join(lines) + (
        f"\n\nOne document of {long['words']:,} words: peak {long['peak']:,.0f} MiB "
        f"({long['peak_before']:,.0f} MiB before it)."
    )


if __name__ == "__main__":
    main()
