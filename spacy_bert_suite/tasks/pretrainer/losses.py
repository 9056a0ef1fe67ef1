"""Losses of masked words and sentence pairs, computed in parts to save memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy
import torch
from torch.nn import functional as F

AT_ONCE = 2048  # positions whose logits over the vocabulary are in memory together


class Tally(NamedTuple):
    """Of masked positions or of pairs: how many, their losses added up, how many are right."""

    n: int
    loss: float
    n_right: int

    @property
    def mean_loss(self) -> float:
        return self.loss / self.n if self.n else 0.0


class Outcome(NamedTuple):
    """Of a batch.

    loss (float): The mean over words and the mean over pairs, added up, as in
        `BertForPreTraining`.
    """

    words: Tally
    pairs: Tally
    loss: float


@dataclass(frozen=True)
class Learner:
    """Computes losses and adds their gradients to those that are there.

    is_train (bool): Without it, there are losses and counts only.
    shared (float): Factor on the gradients of parameters that are the backbone's; 0 for none.
    scaler (GradScaler | None): Of the backbone, which expects scaled gradients.
    """

    is_train: bool
    shared: float
    scaler: Any | None

    def words(
        self, head: Any, states: torch.Tensor, gold: numpy.ndarray, decoder: torch.Tensor, n: int
    ) -> "Learnt":
        """Cross-entropy at the masked positions only: logits elsewhere have no gradient.

        head (MaskedWords): States and the decoder to logits.
        states (Tensor): Of the masked positions, (n_masked, width).
        gold (ndarray): The right wordpieces, (n_masked,).
        decoder (Tensor): The table of embeddings, which gets its gradient from here too.
        n (int): Masked positions over which the mean is.
        """
        targets = torch.from_numpy(gold).to(states.device)
        parts = []
        for part, right in zip(states.split(AT_ONCE), targets.split(AT_ONCE)):
            part = part.detach().requires_grad_(self.is_train)
            logits = head(part, decoder)
            parts.append(self._learn(logits, right, n, part, head, [decoder]))
        return joined(parts, states)

    def pairs(
        self, head: Any, states: torch.Tensor, labels: numpy.ndarray, pooler: Any, n: int
    ) -> "Learnt":
        """Cross-entropy of what pairs are.

        states (Tensor): Of their [CLS], (n_pairs, width).
        labels (ndarray): (n_pairs,)
        pooler (Module): The backbone's.
        n (int): Pairs over which the mean is.
        """
        if not len(labels):
            return joined([], states)
        part = states.detach().requires_grad_(self.is_train)
        logits = head(pooler(part[:, None]))
        targets = torch.from_numpy(labels).to(states.device)
        return self._learn(logits, targets, n, part, head, [*pooler.parameters()])

    def _learn(
        self,
        logits: torch.Tensor,
        gold: torch.Tensor,
        n: int,
        states: torch.Tensor,
        head: torch.nn.Module,
        shared: Sequence[torch.Tensor],
    ) -> "Learnt":
        loss = F.cross_entropy(logits.float(), gold, reduction="sum")
        if not self.is_train:
            n_right = int((logits.argmax(dim=1) == gold).sum())
            return Learnt(Tally(len(gold), float(loss), n_right), torch.zeros_like(states))
        own = [parameter for parameter in head.parameters() if parameter.requires_grad]
        of_backbone = [parameter for parameter in shared if parameter.requires_grad and self.shared]
        dStates, *rest = torch.autograd.grad(loss / n, [states, *own, *of_backbone])
        n_own = len(own)
        gradients = [*rest[:n_own], *(self._weighted(gradient) for gradient in rest[n_own:])]
        for parameter, gradient in zip([*own, *of_backbone], gradients):
            add_gradient(parameter, gradient)
        return Learnt(Tally(len(gold), float(loss.detach()), 0), dStates)

    def _weighted(self, gradient: torch.Tensor) -> torch.Tensor:
        gradient = gradient if self.shared == 1.0 else gradient * self.shared
        return gradient if self.scaler is None else self.scaler.scale(gradient)


class Learnt(NamedTuple):
    """tally (Tally): What came of it.
    dStates (Tensor): Gradient of the states, as wide as these.
    """

    tally: Tally
    dStates: torch.Tensor


def add_gradient(parameter: torch.Tensor, gradient: torch.Tensor) -> None:
    if parameter.grad is None:
        parameter.grad = gradient
    else:
        parameter.grad += gradient


def joined(parts: list[Learnt], states: torch.Tensor) -> Learnt:
    tally = Tally(
        sum(part.tally.n for part in parts),
        sum(part.tally.loss for part in parts),
        sum(part.tally.n_right for part in parts),
    )
    gradients = [part.dStates for part in parts]
    return Learnt(tally, torch.cat(gradients) if gradients else torch.zeros_like(states))
