"""SentenceScorer.v1: scores of sentences from an inter-sentence transformer."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy
import torch
from spacy.tokens import Doc
from thinc.api import Model
from torch import nn

from ...backbone.hidden_states import BertStates
from ...core.validation import check_config, check_dropout
from ...heads.glue import make_head
from ...heads.layers import make_output
from .sentences import sentence_states

MAX_PADDED = 8192  # sentences in one forward pass, padding included


class SentenceScores(NamedTuple):
    """logits (Tensor): Of all sentences of a batch of docs, (n_sentences,) float32."""

    logits: torch.Tensor


def SentenceScorer(
    bert: Model[list[Doc], BertStates],
    n_layers: int = 2,
    n_heads: int = 8,
    dropout: float = 0.1,
    max_sentences: int = 512,
) -> Model[list[Doc], SentenceScores]:
    """Registered as "spacy-bert-suite.SentenceScorer.v1": transformer layers over the sentences of
    a doc and a linear layer, as in BertSumExt (Liu and Lapata 2019). A sentence enters as the mean
    of its wordpieces' states, with its place in the doc.

    bert (Model): The listener.
    n_layers (int): Transformer layers between sentences; 0 scores each by itself and its place.
    n_heads (int): Attention heads; must divide the backbone's width.
    dropout (float): In these layers, in training.
    max_sentences (int): Longer docs are scored in parts of so many sentences.
    RETURNS (Model): The head.
    """
    owner = "SentenceScorer"
    check_config(owner, "n_layers", n_layers, n_layers >= 0, "at least 0")
    check_config(owner, "n_heads", n_heads, n_heads >= 1, "at least 1")
    check_dropout(owner, dropout)
    check_config(owner, "max_sentences", max_sentences, max_sentences >= 1, "at least 1")
    cfg = {
        "n_layers": n_layers,
        "n_heads": n_heads,
        "dropout": dropout,
        "max_sentences": max_sentences,
    }
    return make_head("sentence_scorer", [bert], InterSentenceEncoder, cfg, 1)


class InterSentenceEncoder(nn.Module):
    """Transformer layers over the sentences of each doc, and one logit for each."""

    def __init__(self, cfg: dict[str, Any]):
        super().__init__()
        width, n_heads = cfg["width"], cfg["n_heads"]
        expected = f"a divisor of the backbone's width, {width}"
        check_config("SentenceScorer", "n_heads", n_heads, width % n_heads == 0, expected)
        self.max_sentences = cfg["max_sentences"]
        # States of different backbones differ in scale, places do not.
        self.LayerNorm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, n_heads, 4 * width, cfg["dropout"], "gelu", batch_first=True, norm_first=True
            )
            for _ in range(cfg["n_layers"])
        )
        self.output = make_output(width, cfg["n_out"])

    def forward(self, states: BertStates, docs: Sequence[Doc]) -> SentenceScores:
        vectors, counts = sentence_states(states, docs)
        parts = [self._score(vectors, rows) for rows in self._batches(counts)]
        if not parts:
            return SentenceScores(vectors.new_zeros(0))
        rows = torch.cat([rows for rows, _ in parts])
        logits = torch.cat([logits for _, logits in parts])
        return SentenceScores(logits[rows.argsort()])

    def _batches(self, counts: numpy.ndarray) -> Iterator[numpy.ndarray]:
        """YIELDS (ndarray): Rows of sentences, one line for each doc or part of one, padded with
        -1. (n_parts, n_sentences)
        """
        parts = sorted(_parts(counts, self.max_sentences), key=lambda part: part[1] - part[0])
        batch: list[tuple[int, int]] = []
        for part in parts:
            if batch and (len(batch) + 1) * (part[1] - part[0]) > MAX_PADDED:
                yield _pad(batch)
                batch = []
            batch.append(part)
        if batch:
            yield _pad(batch)

    def _score(
        self, vectors: torch.Tensor, rows: numpy.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor]:
        index = torch.from_numpy(rows).to(vectors.device)
        is_padding = index < 0
        x = self.LayerNorm(vectors[index.clamp(min=0)])  # (n_parts, n_sentences, width)
        x = x + encode_places(x.shape[1], x.shape[2], x.device)
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=is_padding if bool(is_padding.any()) else None)
        logits = self.output(x)[..., 0]
        return index[~is_padding], logits[~is_padding]


def encode_places(n: int, width: int, device: torch.device) -> torch.Tensor:
    """RETURNS (Tensor): Sines and cosines of the places 0 to n - 1 (Vaswani et al. 2017). A long
    doc's parts each count from 0: no later place has occurred in training. (n, width)
    """
    half = (width + 1) // 2
    exponents = torch.arange(half, device=device) / half
    angles = torch.arange(n, device=device)[:, None] / 10000.0**exponents
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]


def _parts(counts: numpy.ndarray, size: int) -> Iterator[tuple[int, int]]:
    """YIELDS (tuple[int, int]): First row and end of each doc, or of the parts of a long one."""
    offset = 0
    for count in counts.tolist():
        for start in range(0, count, size):
            yield offset + start, offset + min(start + size, count)
        offset += count


def _pad(parts: Sequence[tuple[int, int]]) -> numpy.ndarray:
    longest = max(end - start for start, end in parts)
    rows = numpy.full((len(parts), longest), -1, dtype="int64")
    for line, (start, end) in zip(rows, parts):
        line[: end - start] = numpy.arange(start, end)
    return rows
