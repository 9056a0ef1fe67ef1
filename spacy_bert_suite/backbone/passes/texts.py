"""TextEncoder.v1: texts that are not in the pipeline's stream, in a forward pass of their own."""

from collections.abc import Callable, Sequence

import numpy
from thinc.api import Model

from ...core.text import replace_surrogates
from ..hidden_states import BertStates, make_layout
from ..input.windows import N_SPECIAL, cut_texts, make_windows, token_extents
from .shared import SharedEncoder


class TextEncoder(SharedEncoder):
    """Encodes plain texts.

    first_window (bool): Leave out what does not fit into one window.
    """

    def __init__(self, upstream_name: str, grad_factor: float = 1.0, *, first_window: bool = False):
        super().__init__("text-encoder", forward, upstream_name, grad_factor)
        self.first_window = first_window


def make_text_encoder(
    upstream: str = "bert", grad_factor: float = 1.0
) -> Model[list[str], BertStates]:
    """Registered as "spacy-bert-suite.TextEncoder.v1".

    upstream (str): Name of the backbone component, or "*" for any.
    grad_factor (float): Factor on the gradient of the backbone, as of `BertListener.v1`.
    RETURNS (Model): The encoder. Its states have no tokens, only wordpieces and windows.
    """
    return TextEncoder(upstream, grad_factor)


def forward(
    model: TextEncoder, texts: Sequence[str], is_train: bool
) -> tuple[BertStates, Callable]:
    """The backprop callback takes dHidden, the gradient of `states.hidden`."""
    backbone = model.get_backbone()
    pieces = backbone.wordpieces([replace_surrogates(text) for text in texts])
    if model.first_window:
        pieces = cut_texts(pieces, backbone.window - N_SPECIAL)
    windows = make_windows(pieces.offsets, backbone.window - N_SPECIAL, backbone.stride)
    no_tokens = numpy.zeros(0, dtype="int64")
    offsets = numpy.zeros(len(texts) + 1, dtype="int64")
    layout = make_layout(pieces, windows, no_tokens, no_tokens, offsets, token_extents([]))
    rows = backbone.rows_of(pieces, windows)
    output, backprop = model.run(rows, is_train)
    return BertStates(output, layout), backprop
