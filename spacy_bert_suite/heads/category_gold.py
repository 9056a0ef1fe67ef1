"""`doc.cats` as training targets, and their cross-entropy."""

import math
from collections.abc import Sequence
from typing import Any

import numpy
import torch
from spacy.training import Example

from ..core.collectives import part_of_mean
from ..data.multitask import is_for
from ..errors import CodedValueError, Errors
from .labelled import check_label


def category_gold(
    examples: Sequence[Example], labels: Sequence[str], name: str
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (tuple[ndarray, ndarray]): Gold values of `doc.cats`, (n_docs, n_labels), and
    whether each is given; nothing is given in examples for other components.
    RAISES (ValueError): If one is no number from 0 to 1.
    """
    values = numpy.zeros((len(examples), len(labels)), dtype="float32")
    given = numpy.zeros(values.shape, dtype=bool)
    for i, eg in enumerate(examples):
        cats = eg.reference.cats if is_for(eg, name) else {}
        for j, label in enumerate(labels):
            if label in cats:
                values[i, j] = number_of(cats[label], label, name)
                given[i, j] = True
    return values, given


def number_of(value: Any, label: str, name: str) -> float:
    """RAISES (ValueError): If the value of a category is no number from 0 to 1."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= 1:
        raise CodedValueError(Errors.B058.format(label=label, name=name, value=value))
    return number


def exclusive_gold(
    examples: Sequence[Example], labels: Sequence[str], name: str
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """As `category_gold`, of categories that exclude one another.

    RAISES (ValueError): If several of a doc are 1. Soft values are no contradiction.
    """
    values, given = category_gold(examples, labels, name)
    for i in numpy.flatnonzero((values == 1).sum(axis=1) > 1).tolist():
        found = ", ".join(label for label, value in zip(labels, values[i]) if value == 1)
        text = repr(examples[i].text)[:60]
        raise CodedValueError(Errors.B059.format(name=name, text=text, found=found))
    return values, given


def cross_entropy(
    logits: torch.Tensor, values: numpy.ndarray, given: numpy.ndarray
) -> torch.Tensor:
    """Mean cross-entropy of exclusive categories over the docs that have a gold one. Gold
    values may be soft: they are scaled to sum to one.
    """
    totals = (values * given).sum(axis=1)
    docs = numpy.flatnonzero(totals > 0)
    gold = torch.from_numpy(values[docs] / totals[docs, None]).to(logits.device)
    rows = torch.from_numpy(docs).to(logits.device)
    loss = -(gold * logits[rows].log_softmax(dim=1)).sum() / max(1, len(docs))
    return part_of_mean(loss, len(docs))


def gold_labels(examples: Sequence[Example], name: str) -> list[str]:
    """RETURNS (list[str]): Keys of `doc.cats`, in alphabetical order.

    name (str): The component, for the error message.
    RAISES (ValueError): If one is not a string, or empty.
    """
    labels = {label for eg in examples for label in eg.reference.cats}
    for label in labels:
        check_label(label, name)
    return sorted(labels)
