"""Hidden states for listeners of spacy-transformers, and their gradients."""

from collections.abc import Sequence
from typing import Any, cast

import numpy
import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData, WordpieceBatch
from spacy_transformers.layers import TransformerListener
from spacy_transformers.pipeline_component import install_extensions
from thinc.api import Ops, torch2xp, xp2torch
from thinc.types import Ragged
from transformers.modeling_outputs import BaseModelOutput

from .deferred_step import TrainingBatch
from .hidden_states import BertStates
from .input.offsets import ranges


def annotate(
    docs: Sequence[Doc], states: BertStates, listeners: Sequence[TransformerListener]
) -> None:
    """Set `doc._.trf_data`, from which listeners read in prediction."""
    install_extensions()
    for doc, data in zip(docs, to_transformer_data(states, listeners[0].ops)):
        doc._.trf_data = data


def give_batch(batch: TrainingBatch, listeners: Sequence[TransformerListener]) -> None:
    """Hand a training batch to listeners, which need its states at once."""
    states = batch.get_states()
    annotate(batch.docs, states, listeners)

    def backprop(gradients: Sequence[TransformerData]) -> list:
        batch.accumulate(from_gradients(states, gradients))
        return []  # a list, since thinc's `concatenate` adds up what its layers return

    batch_id = TransformerListener.get_batch_id(batch.docs)
    for listener in listeners:
        listener.receive(batch_id, [doc._.trf_data for doc in batch.docs], backprop)


def to_transformer_data(states: BertStates, ops: Ops) -> list[TransformerData]:
    """Make `doc._.trf_data`: one window per doc, holding its pieces and its first [CLS]."""
    return [_one_doc(states, i, ops) for i in range(states.layout.n_docs)]


def _one_doc(states: BertStates, index: int, ops: Ops) -> TransformerData:
    layout = states.layout
    start, end = (int(n) for n in layout.piece_offsets[index : index + 2])
    cls_row = layout.first_cls(index)
    rows = torch.cat([states.hidden[start:end], states.hidden[cls_row : cls_row + 1]]).float()
    if ops.device_type == "cpu":
        rows = rows.cpu()
    first, last = layout.token_offsets[index : index + 2]
    starts, ends = layout.token_starts[first:last], layout.token_ends[first:last]
    local = ranges(starts, ends - starts)
    local = numpy.where(local == cls_row, end, local) - start
    return TransformerData(
        wordpieces=WordpieceBatch.zeros([end - start + 1]),
        model_output=BaseModelOutput(last_hidden_state=cast(Any, torch2xp(rows[None], ops=ops))),
        align=Ragged(cast(Any, local.astype("i")), cast(Any, (ends - starts).astype("i"))),
    )


def from_gradients(states: BertStates, gradients: Sequence[TransformerData]) -> torch.Tensor:
    """RETURNS (Tensor): dHidden, from the gradients that a stock listener sends back."""
    layout = states.layout
    dHidden = torch.zeros_like(states.hidden, dtype=torch.float32)
    for i, gradient in enumerate(gradients):
        dDoc = xp2torch(cast(Any, gradient.tensors[0]))[0].to(dHidden.device)
        start, end = layout.piece_offsets[i : i + 2]
        dHidden[start:end] += dDoc[:-1]
        dHidden[layout.first_cls(i)] += dDoc[-1]
    return dHidden
