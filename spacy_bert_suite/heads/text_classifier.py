"""TextClassifier.v1: categories of docs and sentences from pooled windows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from spacy.tokens import Doc
from thinc.api import Model
from torch import nn

from ..backbone.hidden_states import BertStates
from ..core.validation import check_choice, check_dropout
from .glue import make_head
from .layers import PoolerSource, make_output, make_pooler
from .pooling import join_windows, mean_of_ranges, pool_windows, sentence_rows

POOLING = ("cls", "pooler", "mean", "max", "attention")
ACTIVATIONS = ("Tanh", "ReLU", "GELU")
LONG_DOCUMENTS = ("first", "mean", "max")


class TextScores(NamedTuple):
    """Logits of docs, and of sentences where they were asked for: (n, n_labels) float32."""

    docs: torch.Tensor
    sentences: torch.Tensor


def TextClassifier(
    bert: Model[list[Doc], BertStates],
    pooling: str = "mean",
    long_documents: str = "mean",
    dropout: float = 0.1,
    sentences: bool = False,
    activation: str = "Tanh",
    nO: int | None = None,
) -> Model[list[Doc], TextScores]:
    """Registered as "spacy-bert-suite.TextClassifier.v1": a pooled state of each window, a
    linear layer, and one row of logits per doc.

    bert (Model): The listener.
    pooling (str): State of a window: its [CLS] ("cls"), that through a dense layer of the head
        ("pooler", which begins as a copy of BERT's own), or the "mean", "max" or "attention" (a
        learned weighting) of all its wordpieces, [CLS] and [SEP] included.
    long_documents (str): Logits of a doc with several windows: of the "first" one, or their
        "mean" or "max".
    dropout (float): Dropout on the pooled state in training.
    sentences (bool): Score each sentence too, from the mean of its wordpieces.
    activation (str): Tanh | ReLU | GELU; what follows the dense layer of "pooler".
    nO (int | None): Number of labels; set when labels are known.
    RETURNS (Model): The head.
    """
    owner = "TextClassifier"
    check_choice(owner, "pooling", pooling, POOLING)
    check_choice(owner, "long_documents", long_documents, LONG_DOCUMENTS)
    check_dropout(owner, dropout)
    check_choice(owner, "activation", activation, ACTIVATIONS)
    cfg = {
        "pooling": pooling,
        "long_documents": long_documents,
        "dropout": dropout,
        "sentences": sentences,
        "activation": activation,
    }
    free = ("long_documents", "dropout", "sentences")
    encoders: list[Model] = [bert]
    if pooling == "pooler":
        encoders.append(PoolerSource(getattr(bert, "upstream_name", "*")))
    return make_head("text_classifier", encoders, WindowClassifier, cfg, nO, free)


class WindowClassifier(nn.Module):
    """Logits of docs from pooled windows, and of sentences."""

    def __init__(self, cfg: dict[str, Any]):
        super().__init__()
        self.pooling = cfg["pooling"]
        self.long_documents = cfg["long_documents"]
        self.sentences = cfg["sentences"]
        self.dropout = nn.Dropout(cfg["dropout"])
        if self.pooling == "attention":
            self.query = nn.Linear(cfg["width"], 1, bias=False)
        self.pooler: nn.Module = nn.Identity()
        if self.pooling == "pooler":
            self.pooler = make_pooler(cfg["width"], cfg["activation"])
        self.output = make_output(cfg["width"], cfg["n_out"])

    def forward(self, states: BertStates, docs: Sequence[Doc]) -> TextScores:
        query = self.query if self.pooling == "attention" else None
        windows = self.pooler(pool_windows(states, self.pooling, query))
        logits = self.output(self.dropout(windows))  # (n_windows, n_labels)
        by_doc = join_windows(logits, states.layout.window_offsets, self.long_documents)
        if not self.sentences or self.training:
            return TextScores(by_doc, by_doc[:0])
        starts, ends = sentence_rows(states, docs)
        sentences = self.pooler(mean_of_ranges(states.hidden, starts, ends))
        return TextScores(by_doc, self.output(sentences))
