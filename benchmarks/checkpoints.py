"""Published Sentence-BERT folders beside sentence-transformers: vectors of the imported pipeline,
of that pipeline after it was saved and loaded, and of the folder to which it is exported again.
Of sentences, and of texts that are longer than what sentence-transformers reads.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy
import spacy
from common import append_json, environment, news_passages, torch
from sentence_transformers import SentenceTransformer
from similarity import stsb
from spacy.language import Language

from spacy_bert_suite.checkpoints import export_checkpoint, import_checkpoint

RESULTS = Path(__file__).parent / "results" / "checkpoints.jsonl"
JOINED = 16  # news passages in a long text


def vectors_of(nlp: Language, texts: list[str]) -> numpy.ndarray:
    """RETURNS (ndarray): *Shape:* ``(n_texts, width)``"""
    return numpy.stack([doc.vector for doc in nlp.pipe(texts)])


def systems(source: Path, texts: list[str]) -> Iterator[tuple[str, numpy.ndarray]]:
    """YIELDS (tuple[str, ndarray]): Where vectors come from, and the vectors."""
    nlp = import_checkpoint(source)
    yield "imported", vectors_of(nlp, texts)
    with tempfile.TemporaryDirectory() as folder:
        nlp.to_disk(folder)
        yield "loaded", vectors_of(spacy.load(folder), texts)
    with tempfile.TemporaryDirectory() as folder:
        exported = export_checkpoint(nlp, "bert_similarity", Path(folder) / "exported")
        yield "exported", encode(exported, texts)


def encode(folder: Path, texts: list[str]) -> Any:
    return SentenceTransformer(str(folder), device="cpu").encode(texts)


def long_texts(data: Path, n: int) -> list[str]:
    passages = news_passages(data, n * JOINED)
    return [" ".join(passages[i::n]) for i in range(n)]


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option(
    "--source",
    "sources",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    required=True,
    help="A Sentence-BERT folder; repeat it for several.",
)
@click.option("--n", default=200, show_default=True, help="Sentences; a tenth as many long texts.")
@click.option("--threads", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS)
def main(data, sources, n, threads, out) -> None:
    torch.set_num_threads(threads)
    kinds = {
        "sentences": [row[0] for row in stsb(data, "dev")][:n],
        "long": long_texts(data, max(1, n // 10)),
    }
    for source in sources:
        for kind, texts in kinds.items():
            expected = encode(source, texts)
            record: dict[str, Any] = {"source": source.name, "texts": kind, "n": len(texts)}
            for name, found in systems(source, texts):
                record[name] = float(numpy.abs(found - expected).max())
            append_json(out, {**record, **environment()})
            print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
