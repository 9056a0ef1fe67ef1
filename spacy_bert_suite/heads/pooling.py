"""Pooling: states of wordpieces to one of each token, window, sentence or text."""

from collections.abc import Sequence

import numpy
import torch
from spacy.tokens import Doc
from torch import nn

from ..backbone.hidden_states import BertStates
from ..backbone.input.offsets import ranges
from ..core.sentences import has_sentences, sentence_bounds
from ..errors import CodedValueError, Errors


def word_states(states: BertStates, pooling: str) -> torch.Tensor:
    """RETURNS (Tensor): A state of each token. *Shape:* ``(n_tokens, width)``, float32"""
    layout = states.layout
    if pooling == "first":
        return states.hidden[_on(states, layout.token_starts)].float()
    return mean_of_ranges(states.hidden, layout.token_starts, layout.token_ends)


def mean_of_ranges(rows: torch.Tensor, starts: numpy.ndarray, ends: numpy.ndarray) -> torch.Tensor:
    """RETURNS (Tensor): Mean of rows[starts[i]:ends[i]] for each i; ranges may overlap.
    *Shape:* ``(n_ranges, width)``, float32
    """
    lengths = ends - starts
    index = torch.from_numpy(ranges(starts, lengths)).to(rows.device)
    segments = torch.from_numpy(numpy.repeat(numpy.arange(len(lengths)), lengths)).to(rows.device)
    return mean_of_segments(rows[index].float(), segments, len(lengths))


def pool_windows(states: BertStates, pooling: str, query: nn.Module | None = None) -> torch.Tensor:
    """RETURNS (Tensor): A state of each window, from the pieces kept from it and its special
    tokens. *Shape:* ``(n_windows, width)``, float32
    """
    if pooling in ("cls", "pooler"):
        return states.cls.float()
    layout = states.layout
    segments = _on(states, layout.windows_of_rows())
    rows = states.hidden.float()
    if pooling == "mean":
        return mean_of_segments(rows, segments, layout.n_windows)
    if pooling == "max":
        return max_of_segments(rows, segments, layout.n_windows)
    if query is None:
        raise CodedValueError(
            Errors.B022.format(key="query", value=None, name="attention pooling", expected="set")
        )
    scores = query(rows)[:, 0]
    highest = max_of_segments(scores[:, None].detach(), segments, layout.n_windows)[:, 0]
    weights = (scores - highest[segments]).exp()
    totals = weights.new_zeros(layout.n_windows).index_add(0, segments, weights)
    weighted = rows * (weights / totals[segments])[:, None]
    return rows.new_zeros(layout.n_windows, rows.shape[1]).index_add(0, segments, weighted)


def mean_of_segments(rows: torch.Tensor, segments: torch.Tensor, n: int) -> torch.Tensor:
    sums = rows.new_zeros(n, rows.shape[1]).index_add(0, segments, rows)
    counts = torch.bincount(segments, minlength=n).clamp(min=1)
    return sums / counts[:, None]


def max_of_segments(rows: torch.Tensor, segments: torch.Tensor, n: int) -> torch.Tensor:
    index = segments[:, None].expand_as(rows)
    lowest = rows.new_full((n, rows.shape[1]), -torch.inf)
    return lowest.scatter_reduce(0, index, rows, "amax")


def join_windows(logits: torch.Tensor, offsets: numpy.ndarray, policy: str) -> torch.Tensor:
    """RETURNS (Tensor): Logits of docs from those of their windows. (n_docs, n_labels)"""
    n_windows = numpy.diff(offsets)
    if policy == "first" or (n_windows == 1).all():
        return logits[torch.from_numpy(offsets[:-1]).to(logits.device)]
    docs = torch.from_numpy(numpy.repeat(numpy.arange(len(n_windows)), n_windows))
    pool = mean_of_segments if policy == "mean" else max_of_segments
    return pool(logits, docs.to(logits.device), len(n_windows))


def sentence_rows(states: BertStates, docs: Sequence[Doc]) -> tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (tuple[ndarray, ndarray]): First row and end of each sentence's wordpieces, for
    the docs that have sentence boundaries.
    """
    layout = states.layout
    firsts, lasts = [], []
    for doc, offset in zip(docs, layout.token_offsets):
        if has_sentences(doc):
            bounds = sentence_bounds(doc) + offset
            firsts.extend(bounds[:, 0])
            lasts.extend(bounds[:, 1] - 1)
    first = numpy.asarray(firsts, dtype="int64")
    starts = layout.token_starts[first]
    ends = layout.token_ends[numpy.asarray(lasts, dtype="int64")]
    # White space at the edge of a sentence has the [CLS] row, which is behind all pieces.
    for i in numpy.flatnonzero((starts >= layout.n_pieces) | (ends > layout.n_pieces)):
        starts[i], ends[i] = layout.rows_of_tokens(firsts[i], lasts[i] + 1)
    return starts, ends


def _on(states: BertStates, index: numpy.ndarray) -> torch.Tensor:
    return torch.from_numpy(index).to(states.hidden.device)


def pool(states: BertStates, name: str, pooler: nn.Module | None = None) -> torch.Tensor:
    """Pool the wordpieces of whole texts, [CLS] and [SEP] of each window included.

    name (str): One of `POOLING`.
    pooler (Module | None): The encoder's; for "pooler" only.
    RETURNS (Tensor): *Shape:* ``(n_texts, width)``, float32
    """
    layout = states.layout
    if name == "cls":
        return join_windows(states.cls.float(), layout.window_offsets, "mean")
    if name == "pooler":
        if pooler is None:
            raise CodedValueError(Errors.B061)
        first = states.cls.float()[:, None]  # all that it looks at: (n_windows, 1, width)
        return join_windows(pooler(first), layout.window_offsets, "mean")
    index = _on(states, layout.docs_of_rows())
    rows = states.hidden.float()
    if name == "max":
        return max_of_segments(rows, index, layout.n_docs)
    if name == "weighted_mean":
        weights = torch.from_numpy(layout.places_of_rows()).to(rows)[:, None]
        totals = weights.new_zeros(layout.n_docs, 1).index_add(0, index, weights)
        return sums_of_segments(rows * weights, index, layout.n_docs) / totals
    mean = mean_of_segments(rows, index, layout.n_docs)
    if name == "mean":
        return mean
    counts = torch.bincount(index, minlength=layout.n_docs).clamp(min=1)
    return mean * counts.sqrt()[:, None]


def sums_of_segments(rows: torch.Tensor, segments: torch.Tensor, n: int) -> torch.Tensor:
    return rows.new_zeros(n, rows.shape[1]).index_add(0, segments, rows)
