"""RowEncoder.v1: windows of wordpiece ids, in a forward pass of their own."""

from collections.abc import Callable

import torch
from thinc.api import Model

from ..encoder.inputs import EncoderInput
from .shared import SharedEncoder


class InputEncoder(SharedEncoder):
    """Runs rows of wordpieces, as they are, through the backbone's weights."""

    def __init__(self, upstream_name: str, grad_factor: float = 1.0):
        super().__init__("row-encoder", encode, upstream_name, grad_factor)


def make_row_encoder(
    upstream: str = "bert", grad_factor: float = 1.0
) -> Model[EncoderInput, torch.Tensor]:
    """Registered as "spacy-bert-suite.RowEncoder.v1".

    upstream (str): Name of the backbone component, or "*" for any.
    grad_factor (float): Factor on the gradient of the backbone, as of `BertListener.v1`.
    RETURNS (Model): The encoder.
    """
    return InputEncoder(upstream, grad_factor)


def encode(
    model: InputEncoder, rows: EncoderInput, is_train: bool
) -> tuple[torch.Tensor, Callable]:
    return model.run(rows, is_train)
