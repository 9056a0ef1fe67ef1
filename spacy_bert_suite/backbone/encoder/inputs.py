"""Windows of wordpieces as input of the encoder."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy


@dataclass(frozen=True)
class EncoderInput:
    """Model input: one row of ids for each window, and what to keep of the output.

    ids (list[ndarray]): Wordpiece ids of every window, special tokens included.
    types (list[ndarray]): Token types (0 first text, 1 second text), or None for all zero.
    kept (ndarray): For every packed state, its place in the windows laid end to end.
    """

    ids: list[numpy.ndarray]
    kept: numpy.ndarray
    types: list[numpy.ndarray] | None = None


def padded(
    rows: EncoderInput, batch: numpy.ndarray, lengths: numpy.ndarray, pad_id: int, has_types: bool
) -> dict[str, numpy.ndarray]:
    """Arguments of the encoder for some of the windows.

    batch (ndarray): Indices of the windows, (n_windows,).
    lengths (ndarray): Of all windows.
    has_types (bool): Whether the encoder has token types.
    RETURNS (dict[str, ndarray]): `input_ids`; `attention_mask` where there is padding;
        `token_type_ids` where there are types. *Shape:* ``(n_windows, longest)``, int64
    """
    longest = int(lengths[batch].max())
    inputs = {"input_ids": filled([rows.ids[i] for i in batch], longest, pad_id)}
    if (lengths[batch] < longest).any():
        mask = numpy.arange(longest) < lengths[batch][:, None]
        inputs["attention_mask"] = mask.astype("int64")
    if rows.types is not None and has_types:
        inputs["token_type_ids"] = filled([rows.types[i] for i in batch], longest, 0)
    return inputs


def filled(values: Sequence[numpy.ndarray], longest: int, padding: int) -> numpy.ndarray:
    """RETURNS (ndarray): One row for each array, with padding behind it. (n, longest), int64"""
    table = numpy.full((len(values), longest), padding, dtype="int64")
    for row, value in zip(table, values):
        row[: len(value)] = value
    return table


def places_of(batch: numpy.ndarray, lengths: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (ndarray): Where the pieces of a batch's windows lie among all windows, end to end;
    padding lies behind them all. (n_windows, longest)
    """
    origin = numpy.cumsum(lengths) - lengths
    steps = numpy.arange(lengths[batch].max())
    places = origin[batch][:, None] + steps
    return numpy.where(steps < lengths[batch][:, None], places, lengths.sum())
