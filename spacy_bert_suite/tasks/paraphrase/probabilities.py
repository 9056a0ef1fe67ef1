"""Logits of pairs to probabilities, and the cross-entropy of these."""

import math
from collections.abc import Sequence

import torch


def log_probabilities(
    orders: Sequence[torch.Tensor], temperature: float, *, is_single: bool
) -> torch.Tensor:
    """Logarithms of probabilities, the mean over the orders in which pairs were read.

    orders (Sequence[Tensor]): Logits of each order, (n_pairs, n_out).
    temperature (float): Logits are divided by it.
    is_single (bool): Whether the one output is the logit of yes; then there are two classes.
    RETURNS (Tensor): Of the classes, or of yes and no. *Shape:* ``(n_pairs, n_classes)``
    """
    logits = torch.stack(list(orders)) / temperature  # (n_orders, n_pairs, n_out)
    if is_single:
        logits = torch.cat([logits, torch.zeros_like(logits)], dim=2)
    found = logits.log_softmax(dim=2).logsumexp(dim=0) - math.log(len(orders))
    return found.clamp(max=0.0)


def cross_entropy_of_classes(found: torch.Tensor, classes: Sequence[int]) -> torch.Tensor:
    """RETURNS (Tensor): The mean over pairs, a scalar; `found` as of `log_probabilities`."""
    gold = torch.tensor(classes, device=found.device)
    return torch.nn.functional.nll_loss(found, gold)


def cross_entropy_of_yes(found: torch.Tensor, shares: Sequence[float]) -> torch.Tensor:
    """shares (Sequence[float]): How true a yes is of each pair, from 0 to 1.
    RETURNS (Tensor): The mean over pairs, a scalar; `found` as of `log_probabilities`.
    """
    yes = torch.tensor(shares, device=found.device)
    return -(torch.stack([yes, 1 - yes], dim=1) * found).sum(dim=1).mean()
