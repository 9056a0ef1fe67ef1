"""One training step over the vectors of many texts: at once, or with cached gradients."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from thinc.api import Model

from ...core.rng import get_torch_states, set_torch_states
from ...heads.glue import with_graph
from .model import SentenceEmbedder

# Gives the vectors of texts with their graph, and what to call after `backward`, to hand the
# gradient on to the backbone.
Embed = Callable[[Sequence[Any]], tuple[torch.Tensor, Callable[[], None]]]
LossOf = Callable[[torch.Tensor], torch.Tensor]


def embed_with(encoder: Model, module: SentenceEmbedder) -> Embed:
    """RETURNS (Callable): Makes vectors of what the encoder reads, texts or docs."""

    def embed(texts: Sequence[Any]) -> tuple[torch.Tensor, Callable[[], None]]:
        return with_graph(*encoder.begin_update(list(texts)), module.embed)

    return embed


def learn_batch(embed: Embed, texts: Sequence[Any], loss_of: LossOf, chunk_size: int = 0) -> float:
    """Forward and backward pass.

    embed (Callable): Makes vectors.
    texts (Sequence): All texts or docs of the batch, whichever `embed` takes.
    loss_of (Callable): The loss of all their vectors, (n_texts, width).
    chunk_size (int): Texts whose activations are held at a time; 0 for all.
    RETURNS (float): The loss.
    """
    if not chunk_size or len(texts) <= chunk_size:
        return learn_at_once(embed, texts, loss_of)
    chunks = [texts[start : start + chunk_size] for start in range(0, len(texts), chunk_size)]
    return learn_in_chunks(embed, chunks, loss_of)


def learn_at_once(embed: Embed, texts: Sequence[Any], loss_of: LossOf) -> float:
    vectors, hand_on = embed(texts)
    loss = backward(loss_of, vectors)
    hand_on()
    return loss


def learn_in_chunks(embed: Embed, chunks: Sequence[Sequence[Any]], loss_of: LossOf) -> float:
    """Gradient caching (Gao et al. 2021): vectors of all texts without activations, the gradient
    of the loss for these, then each chunk again, with the same dropout.
    """
    states = []
    vectors = []
    for chunk in chunks:
        states.append(get_torch_states())
        vectors.append(embed(chunk)[0].detach())
    cached = torch.cat(vectors).requires_grad_()
    loss = backward(loss_of, cached)
    gradients = cached.grad.split([len(part) for part in vectors])  # type: ignore[union-attr]
    after = get_torch_states()
    for chunk, state, gradient in zip(chunks, states, gradients):
        set_torch_states(state)
        again, hand_on = embed(chunk)
        again.backward(gradient)
        hand_on()
    set_torch_states(after)
    return loss


def backward(loss_of: LossOf, vectors: torch.Tensor) -> float:
    with torch.enable_grad():
        loss = loss_of(vectors)
        loss.backward()
    return float(loss.detach())
