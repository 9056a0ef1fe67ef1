"""PairLogits: what the head of `bert_qa` gives for pairs of a question and a text."""

from typing import NamedTuple

import numpy
import torch

from ...backbone.input.wordpieces import Wordpieces
from ...backbone.passes.pairs import PairStates


class PairLogits(NamedTuple):
    """Logits of where an answer starts and ends. The rest is as in `PairStates`.

    logits (Tensor): Of all wordpieces of all windows, special tokens included.
        *Shape:* ``(n_rows, 2)``, float32
    row_offsets (ndarray): Window i has the rows row_offsets[i]:row_offsets[i + 1];
        the first of them is its [CLS].
    window_offsets (ndarray): Pair i has the windows window_offsets[i]:window_offsets[i + 1].
    seconds (Wordpieces): Pieces of the texts, with character offsets.
    starts, ends (ndarray): Pieces of `seconds` in each window, (n_windows,).
    """

    logits: torch.Tensor
    row_offsets: numpy.ndarray
    window_offsets: numpy.ndarray
    seconds: Wordpieces
    starts: numpy.ndarray
    ends: numpy.ndarray

    @classmethod
    def of_states(cls, states: PairStates, logits: torch.Tensor) -> "PairLogits":
        return cls(
            logits,
            states.row_offsets,
            states.window_offsets,
            states.seconds,
            states.starts,
            states.ends,
        )

    @property
    def text_rows(self) -> numpy.ndarray:
        """RETURNS (ndarray): First row of the text in each window, (n_windows,). It ends with the
        last row but one, which is [SEP].
        """
        return self.row_offsets[1:] - 1 - (self.ends - self.starts)
