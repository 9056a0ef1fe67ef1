"""PairClassifier.v1: the cross-encoder (Devlin et al. 2019, section 4.1)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy
import torch
from thinc.api import Model
from torch import nn

from ...backbone.passes.pairs import PairEncoder, PairStates, TextPair
from ...core.validation import check_choice, check_dropout
from ...heads.glue import make_head
from ...heads.layers import make_output, make_pooler
from ...heads.pooling import join_windows, mean_of_segments
from ...heads.text_classifier import ACTIVATIONS

POOLING = ("cls", "mean", "pooler")
LONG_TEXTS = ("mean", "max", "first")


class PairScores(NamedTuple):
    """Logits of pairs: (n_pairs, n_out) float32, on the head's device."""

    pairs: torch.Tensor


def PairClassifier(
    pairs: PairEncoder,
    pooling: str = "pooler",
    long_texts: str = "mean",
    dropout: float = 0.1,
    activation: str = "Tanh",
    nO: int | None = None,
) -> Model[list[TextPair], PairScores]:
    """Registered as "spacy-bert-suite.PairClassifier.v1": a pooled state of the window that holds
    both texts, and a linear layer.

    pairs (Model): The pair encoder.
    pooling (str): State of a window: its [CLS] ("cls"), that through a dense layer of the head
        ("pooler", which begins as a copy of BERT's own), or the "mean" of all its wordpieces.
    long_texts (str): Logits of a pair whose second text takes several windows: their "mean" or
        "max", or those of the "first".
    dropout (float): Dropout on the pooled state in training.
    activation (str): Tanh | ReLU | GELU; what follows the dense layer of "pooler".
    nO (int | None): Number of outputs.
    RETURNS (Model): The head.
    """
    owner = "PairClassifier"
    check_choice(owner, "pooling", pooling, POOLING)
    check_choice(owner, "long_texts", long_texts, LONG_TEXTS)
    check_dropout(owner, dropout)
    check_choice(owner, "activation", activation, ACTIVATIONS)
    cfg = {
        "pooling": pooling,
        "long_texts": long_texts,
        "dropout": dropout,
        "activation": activation,
    }
    is_once = long_texts == "first"
    encoder = PairEncoder(
        pairs.upstream_name, pairs.grad_factor, cuts_first=True, only_once=is_once
    )
    return make_head("pair_classifier", [encoder], PairHead, cfg, nO, ("long_texts", "dropout"))


class PairHead(nn.Module):
    """A single logit is the difference of two rows, as in a softmax over no and yes: each step
    moves it twice as far, which counts where there are few pairs.
    """

    def __init__(self, cfg: dict[str, Any]):
        super().__init__()
        self.pooling = cfg["pooling"]
        self.long_texts = cfg["long_texts"]
        self.dropout = nn.Dropout(cfg["dropout"])
        self.is_single = cfg["n_out"] == 1
        self.pooler: nn.Module = nn.Identity()
        if self.pooling == "pooler":
            self.pooler = make_pooler(cfg["width"], cfg["activation"])
        self.output = make_output(cfg["width"], max(2, cfg["n_out"]))

    def forward(self, states: PairStates, pairs: Sequence[TextPair]) -> PairScores:
        logits = self.output(self.dropout(self.pool(states)))
        if self.is_single:
            logits = logits[:, 1:] - logits[:, :1]  # (n_windows, n_out)
        return PairScores(join_windows(logits, states.window_offsets, self.long_texts))

    def pool(self, states: PairStates) -> torch.Tensor:
        """RETURNS (Tensor): *Shape:* ``(n_windows, width)``"""
        if self.pooling != "mean":
            return self.pooler(states.cls.float())
        n_rows = numpy.diff(states.row_offsets)
        windows = torch.from_numpy(numpy.repeat(numpy.arange(len(n_rows)), n_rows))
        return mean_of_segments(
            states.hidden.float(), windows.to(states.hidden.device), len(n_rows)
        )
