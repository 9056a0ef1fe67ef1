"""The head of extractive question answering: logits for where an answer starts and ends."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy
import torch
from thinc.api import Model
from torch import nn

from ...backbone.passes.pairs import PairStates, TextPair
from ...backbone.passes.shared import SharedEncoder
from ...core.torch_shim import TorchShim, get_shim
from ...core.validation import check_dropout
from ...heads.glue import built_module
from ...heads.layers import make_output
from .spans import window_starts, window_targets


def AnswerExtractor(
    pairs: Model[list[TextPair], PairStates], dropout: float = 0.0
) -> Model[list[TextPair], PairStates]:
    """Registered as "spacy-bert-suite.AnswerExtractor.v1": a linear layer with two outputs, start
    and end, over the state of each wordpiece (Devlin et al. 2019, section 4.2).

    pairs (Model): The pair encoder, for questions and texts.
    dropout (float): Dropout on the states in training; BERT's own head has none.
    RETURNS (Model): Gives `PairStates` whose rows are logits, (n_rows, 2) float32.
    """
    check_dropout("AnswerExtractor", dropout)
    shim = TorchShim(SpanHead, {"dropout": dropout}, ["dropout"])
    return Model("answer_extractor", forward, init=init, layers=[pairs], shims=[shim])


class SpanHead(nn.Module):
    """The torch module: (n_rows, width) to (n_rows, 2)."""

    def __init__(self, cfg: dict[str, Any]):
        super().__init__()
        self.dropout = nn.Dropout(cfg["dropout"])
        self.output = make_output(cfg["width"], 2)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.output(self.dropout(rows.float()))


def forward(model: Model, pairs: Sequence[TextPair], is_train: bool) -> tuple[PairStates, Callable]:
    """The backprop callback takes dLogits, (n_rows, 2)."""
    encoder: SharedEncoder = model.layers[0]  # type: ignore[assignment]
    backbone = encoder.get_backbone().module
    module = built_module(model, backbone.width).to(backbone.device).train(is_train)
    states, accumulate = encoder(pairs, is_train)
    # A leaf: the backward pass through the backbone is its own.
    rows = states.rows.detach().requires_grad_(is_train)
    with torch.set_grad_enabled(is_train):
        logits = module(rows)

    def backprop(dLogits: torch.Tensor) -> list[TextPair]:
        logits.backward(dLogits)
        if rows.grad is not None:
            accumulate(rows.grad)
        return []

    return replace(states, rows=logits.detach()), backprop


def init(model: Model, X: Any = None, Y: Any = None) -> None:
    """Build the module anew; its width comes from the backbone."""
    shim = get_shim(model)
    encoder: SharedEncoder = model.layers[0]  # type: ignore[assignment]
    shim.cfg["width"] = encoder.get_backbone().module.width
    shim.module = shim.build(shim.cfg)


def answer_loss(
    states: PairStates, answers: Sequence[tuple[int, int] | None]
) -> tuple[float, torch.Tensor]:
    """Cross-entropy of start and end, the mean over windows. In a window that does not hold the
    answer as a whole, its [CLS] is right. The softmax is over [CLS] and the pieces of the text.

    states (PairStates): Its rows are logits.
    answers (Sequence[tuple[int, int] | None]): See `window_targets`.
    RETURNS (tuple[float, Tensor]): The loss and the gradient of the logits, (n_rows, 2).
    """
    logits = states.rows.detach().requires_grad_()
    index, is_padding = (torch.from_numpy(a).to(logits.device) for a in _window_rows(states))
    gold = torch.from_numpy(window_targets(states, answers)).to(logits.device)
    with torch.enable_grad():
        windows = logits[index].masked_fill(is_padding[:, :, None], -torch.inf)
        loss = nn.functional.cross_entropy(windows, gold)  # over dimension 1
        (gradient,) = torch.autograd.grad(loss, [logits])
    return float(loss.detach()), gradient


def _window_rows(states: PairStates) -> tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (tuple[ndarray, ndarray]): Rows of [CLS] and of the second text's pieces of each
    window, and which of them are padding. (n_windows, 1 + longest)
    """
    lengths = states.ends - states.starts
    steps = numpy.arange(int(lengths.max()) + 1)
    rows = window_starts(states)[:, None] + steps - 1
    rows[:, 0] = states.row_offsets[:-1]
    is_padding = steps > lengths[:, None]
    return numpy.where(is_padding, rows[:, :1], rows), is_padding
