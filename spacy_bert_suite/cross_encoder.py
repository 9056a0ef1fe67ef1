"""Two texts in one window to logits: the cross-encoder (Devlin et al. 2019, section 4.1)."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy
import torch
from thinc.api import Model
from torch import nn

from .backbone.pairs import Pair, PairStates
from .backbone.shim import TorchShim, get_shim
from .errors import Errors
from .layers import make_output
from .pooling import join_windows, mean_of_segments
from .settings import check_choice, check_dropout

POOLING = ("cls", "mean", "pooler")
LONG_TEXTS = ("mean", "max", "first")


class PairScores(NamedTuple):
    """Logits of pairs: (n_pairs, n_out) float32, on the head's device."""

    pairs: torch.Tensor


def PairClassifier(
    pairs: Model[List[Pair], PairStates],
    pooling: str = "mean",
    long_texts: str = "mean",
    dropout: float = 0.1,
    nO: Optional[int] = None,
) -> Model[List[Pair], PairScores]:
    """Registered as "spacy-bert-suite.PairClassifier.v1": a pooled state of the window that holds
    both texts, and a linear layer.

    pairs (Model): The pair encoder.
    pooling (str): State of a window: its [CLS] ("cls"), that through BERT's own pooler
        ("pooler", trained with the rest), or the "mean" of all its wordpieces.
    long_texts (str): Logits of a pair whose second text takes several windows: their "mean" or
        "max", or those of the "first".
    dropout (float): Dropout on the pooled state in training.
    nO (Optional[int]): Number of outputs.
    RETURNS (Model): The head.
    """
    owner = "PairClassifier"
    check_choice(owner, "pooling", pooling, POOLING)
    check_choice(owner, "long_texts", long_texts, LONG_TEXTS)
    check_dropout(owner, dropout)
    cfg = {"pooling": pooling, "long_texts": long_texts, "dropout": dropout}
    pairs.cuts_first = True  # type: ignore[attr-defined]
    shim = TorchShim(PairHead, cfg, ("long_texts", "dropout"))
    return Model(
        "pair_classifier", forward, init=init, layers=[pairs], dims={"nO": nO}, shims=[shim]
    )


class PairHead(nn.Module):
    """A single logit is the difference of two rows, as in a softmax over no and yes: each step
    moves it twice as far, which counts where there are few pairs.

    pooler (Optional[Module]): BERT's own, which belongs to the backbone; set before each use.
    """

    def __init__(self, cfg: Dict[str, Any]):
        super().__init__()
        self.pooling = cfg["pooling"]
        self.long_texts = cfg["long_texts"]
        self.dropout = nn.Dropout(cfg["dropout"])
        self.is_single = cfg["n_out"] == 1
        self.output = make_output(cfg["width"], max(2, cfg["n_out"]))
        self.pooler: List[Optional[nn.Module]] = [None]  # in a list: no part of this module

    def forward(self, states: PairStates) -> PairScores:
        logits = self.output(self.dropout(self.pool(states)))
        if self.is_single:
            logits = logits[:, 1:] - logits[:, :1]  # (n_windows, n_out)
        return PairScores(join_windows(logits, states.window_offsets, self.long_texts))

    def pool(self, states: PairStates) -> torch.Tensor:
        """RETURNS (Tensor): *Shape:* ``(n_windows, width)``"""
        if self.pooling == "cls":
            return states.cls.float()
        if self.pooling == "pooler":
            if self.pooler[0] is None:
                raise ValueError(Errors.B061)
            return self.pooler[0](states.cls.float()[:, None])
        n_rows = numpy.diff(states.row_offsets)
        windows = torch.from_numpy(numpy.repeat(numpy.arange(len(n_rows)), n_rows))
        return mean_of_segments(states.rows.float(), windows.to(states.rows.device), len(n_rows))


def forward(
    model: Model, pairs: Sequence[Pair], is_train: bool
) -> Tuple[PairScores, Callable[[Sequence[Optional[torch.Tensor]]], List[Pair]]]:
    """The backprop callback takes a tuple with the gradient of the logits. It hands the gradient
    on to the backbone at once: a pair pass has no other readers.
    """
    encoder = model.layers[0]
    module = get_shim(model).module
    if module is None:
        raise ValueError(Errors.B050.format(name=getattr(encoder, "component_name", model.name)))
    backbone = encoder.get_backbone()  # type: ignore[attr-defined]
    module.to(backbone.module.device).train(is_train)
    module.pooler[0] = getattr(backbone.module.transformer, "pooler", None)
    states, backprop = encoder(pairs, is_train)
    if not is_train:
        with torch.no_grad():
            return module(states), lambda dScores: []
    rows = states.rows.detach().requires_grad_()
    with torch.enable_grad():
        scores = module(states.with_rows(rows))

    def backprop_pairs(dScores: Sequence[Optional[torch.Tensor]]) -> List[Pair]:
        scores.pairs.backward(dScores[0])
        backprop(rows.grad)
        return []

    return PairScores(scores.pairs.detach()), backprop_pairs


def init(model: Model, X=None, Y=None) -> None:
    """Build the module; the width comes from the backbone."""
    shim = get_shim(model)
    if shim.module is None:
        backbone = model.layers[0].get_backbone()  # type: ignore[attr-defined]
        shim.cfg.update(width=backbone.module.width, n_out=model.get_dim("nO"))
        shim.module = shim.build(shim.cfg)
