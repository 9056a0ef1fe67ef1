"""AnswerExtractor.v1: logits of the start and the end of an answer (Devlin et al. 2019, 4.2)."""

from collections.abc import Sequence
from typing import Any

import numpy
import torch
from thinc.api import Model
from torch import nn

from ...backbone.passes.pairs import PairStates, TextPair
from ...core.validation import check_dropout
from ...heads.glue import make_head
from ...heads.layers import make_output
from .logits import PairLogits
from .spans import window_targets


def AnswerExtractor(
    pairs: Model[list[TextPair], PairStates], dropout: float = 0.0
) -> Model[list[TextPair], PairLogits]:
    """Registered as "spacy-bert-suite.AnswerExtractor.v1": a linear layer with two outputs, start
    and end, over the state of each wordpiece (Devlin et al. 2019, section 4.2).

    pairs (Model): The pair encoder, for questions and texts.
    dropout (float): Dropout on the states in training; BERT's own head has none.
    RETURNS (Model): The head.
    """
    check_dropout("AnswerExtractor", dropout)
    return make_head("answer_extractor", [pairs], SpanHead, {"dropout": dropout}, 2, ["dropout"])


class SpanHead(nn.Module):
    """Logits of start and end for each wordpiece."""

    def __init__(self, cfg: dict[str, Any]):
        super().__init__()
        self.dropout = nn.Dropout(cfg["dropout"])
        self.output = make_output(cfg["width"], 2)

    def forward(self, states: PairStates, pairs: Sequence[TextPair]) -> PairLogits:
        return PairLogits.of_states(states, self.output(self.dropout(states.hidden.float())))


def answer_loss(
    found: PairLogits, answers: Sequence[tuple[int, int] | None]
) -> tuple[float, torch.Tensor]:
    """Cross-entropy of start and end, the mean over windows. In a window that does not hold the
    answer as a whole, its [CLS] is right. The softmax is over [CLS] and the pieces of the text.

    found (PairLogits): What the head gives for the pairs.
    answers (Sequence[tuple[int, int] | None]): See `window_targets`.
    RETURNS (tuple[float, Tensor]): The loss and the gradient of the logits, (n_rows, 2).
    """
    logits = found.logits.detach().requires_grad_()
    index, is_padding = (torch.from_numpy(a).to(logits.device) for a in _window_rows(found))
    gold = torch.from_numpy(window_targets(found, answers)).to(logits.device)
    with torch.enable_grad():
        windows = logits[index].masked_fill(is_padding[:, :, None], -torch.inf)
        loss = nn.functional.cross_entropy(windows, gold)  # over dimension 1
        (gradient,) = torch.autograd.grad(loss, [logits])
    return float(loss.detach()), gradient


def _window_rows(found: PairLogits) -> tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (tuple[ndarray, ndarray]): Rows of [CLS] and of the second text's pieces of each
    window, and which of them are padding. (n_windows, 1 + longest)
    """
    lengths = found.ends - found.starts
    steps = numpy.arange(int(lengths.max()) + 1)
    rows = found.text_rows[:, None] + steps - 1
    rows[:, 0] = found.row_offsets[:-1]
    is_padding = steps > lengths[:, None]
    return numpy.where(is_padding, rows[:, :1], rows), is_padding
