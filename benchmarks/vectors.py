"""Sentences of the data sets, and vectors of texts by the plain transformers model: what the
benchmarks of clustering and mining share.
"""

import gzip
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy
import torch
from common import weights_folder
from transformers import AutoTokenizer, BertModel

# Fields that hold a sentence or two, by data set.
SENTENCES = {
    "paraphrase/mrpc": ("text1", "text2"),
    "paraphrase/pan": ("text1", "text2"),
    "paraphrase/pawsx_en": ("text1", "text2"),
    "similarity/stsb_en": ("text1", "text2"),
    "similarity/sick": ("text1", "text2"),
    "nli/snli": ("premise", "hypothesis"),
    "parallel/multi30k_en_de": ("src",),
    "parallel/tatoeba_en_es": ("src",),
    "textclass/ag_news": ("text",),
    "textclass/goemotions": ("text",),
    "textclass/subjectivity": ("text",),
    "textclass/trec": ("text",),
    "sentiment/sst2": ("text",),
}
WIKIPEDIA = "pretrain/enwiki_2015_sample/train.txt.gz"
SENTENCE_END = re.compile(r"(?<=[.!?]) +(?=[A-Z])")
Pool = Callable[[tuple[torch.Tensor, ...], torch.Tensor], torch.Tensor]


def read_sentences(data: Path, n_sentences: int) -> list[str]:
    """RETURNS (list[str]): Different sentences of all sets in `SENTENCES`, then of Wikipedia."""
    found: dict[str, None] = {}
    for text in (*_fields(data), *_wikipedia(data)):
        found[" ".join(text.split())] = None
        if len(found) == n_sentences:
            break
    return list(found)


def _fields(data: Path) -> Iterator[str]:
    for folder, fields in SENTENCES.items():
        for path in sorted((data / folder).glob("*.jsonl.gz")):
            with gzip.open(path, "rt", encoding="utf8") as file_:
                for line in file_:
                    row = json.loads(line)
                    yield from (row[field] for field in fields if row[field].strip())


def _wikipedia(data: Path) -> Iterator[str]:
    """YIELDS (str): Sentences of 6 to 24 words, cut at full stops."""
    with gzip.open(data / WIKIPEDIA, "rt", encoding="utf8") as file_:
        for line in file_:
            for sentence in SENTENCE_END.split(line):
                if 6 <= len(sentence.split()) <= 24 and sentence.rstrip().endswith("."):
                    yield sentence


def mean_of_layer(layer: int) -> Pool:
    """RETURNS (Pool): Mean over the pieces of a layer's output; 0 the embeddings, -1 the last."""

    def pool(layers: tuple[torch.Tensor, ...], mask: torch.Tensor) -> torch.Tensor:
        weights = mask.unsqueeze(-1).float()
        return (layers[layer].float() * weights).sum(1) / weights.sum(1)

    return pool


def cls_of_layer(layer: int) -> Pool:
    return lambda layers, mask: layers[layer][:, 0].float()


def encode(
    texts: Sequence[str], pools: dict[str, Pool], max_length: int = 256, max_pieces: int = 2048
) -> dict[str, numpy.ndarray]:
    """Vectors of texts by the embedded weights in bf16, not normalised.

    pools (dict[str, Pool]): Ways to make one vector of the layers' outputs.
    RETURNS (dict[str, ndarray]): (n_texts, width) float32 for each.
    """
    tokenizer = AutoTokenizer.from_pretrained(weights_folder())
    model = BertModel.from_pretrained(weights_folder(), add_pooling_layer=False).eval()
    pieces = tokenizer(list(texts), truncation=True, max_length=max_length)["input_ids"]
    order = sorted(range(len(pieces)), key=lambda i: -len(pieces[i]))
    width = model.config.hidden_size
    vectors = {name: numpy.zeros((len(texts), width), dtype="float32") for name in pools}
    autocast = torch.autocast("cpu", torch.bfloat16)
    while order:
        size = max(1, max_pieces // len(pieces[order[0]]))
        rows, order = order[:size], order[size:]
        batch = tokenizer.pad({"input_ids": [pieces[i] for i in rows]}, return_tensors="pt")
        with torch.inference_mode(), autocast:
            layers = model(**batch, output_hidden_states=True).hidden_states
        for name, pool in pools.items():
            vectors[name][rows] = pool(layers, batch["attention_mask"]).numpy()
    return vectors


def normalised(vectors: numpy.ndarray) -> numpy.ndarray:
    return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
