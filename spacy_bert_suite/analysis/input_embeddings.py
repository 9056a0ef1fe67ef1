"""Input embeddings of a text: wordpiece, segment and position (Devlin et al. 2019, figure 2)."""

from dataclasses import dataclass
from typing import Any

import numpy
import torch

from ..backbone.component import Bert
from ..backbone.model import get_backbone
from ..core.text import replace_surrogates
from ..errors import CodedValueError, Errors

PARTS = ("word_embeddings", "token_type_embeddings", "position_embeddings", "LayerNorm")


@dataclass(frozen=True)
class InputEmbeddings:
    """The input of one window, a row for each wordpiece, special tokens included.

    pieces (list[str]): The wordpieces.
    ids, segments, positions (ndarray): The rows of the three tables. *Shape:* ``(n_pieces,)``
    token, segment, position (ndarray): The three vectors of each wordpiece.
        *Shape:* ``(n_pieces, width)``
    normalized (ndarray): Their sum after layer normalization, which enters the first layer
        (in training after dropout). *Shape:* ``(n_pieces, width)``
    """

    pieces: list[str]
    ids: numpy.ndarray
    segments: numpy.ndarray
    positions: numpy.ndarray
    token: numpy.ndarray
    segment: numpy.ndarray
    position: numpy.ndarray
    normalized: numpy.ndarray


def input_embeddings(bert: Bert, text: str | tuple[str, str]) -> InputEmbeddings:
    """Look up the three input embeddings of a text, or of two texts in one window.

    bert (Bert): The component, `nlp.get_pipe("bert")`.
    text (str | tuple[str, str]): A text, or a first and a second one.
    RETURNS (InputEmbeddings): The vectors, in float32.
    RAISES (ValueError): If the texts do not fit into one window, or the encoder has not the
        three tables of BERT.
    """
    if not isinstance(text, str) and len(text) != 2:
        raise CodedValueError(Errors.B169.format(name=bert.name, reason="give one text, or two"))
    bert.flush_pending_step()
    backbone = get_backbone(bert.model)
    layer = _embeddings_of(bert.name, backbone.transformer)
    ids, segments = _with_special_tokens(backbone.wordpieces, text)
    if len(ids) > backbone.window:
        reason = f"the text has {len(ids)} wordpieces, and the window takes {backbone.window}"
        raise CodedValueError(
            Errors.B169.format(name=bert.name, reason=f"{reason}: give less text")
        )
    # RoBERTa and its kin have one segment, and count positions from padding_idx + 1.
    segments = numpy.minimum(segments, layer.token_type_embeddings.num_embeddings - 1)
    padding = layer.position_embeddings.padding_idx
    positions = numpy.arange(len(ids)) + (0 if padding is None else padding + 1)
    tables = (layer.word_embeddings, layer.token_type_embeddings, layer.position_embeddings)
    with torch.no_grad():
        rows = [_look_up(table, row) for table, row in zip(tables, (ids, segments, positions))]
        normalized = layer.LayerNorm(rows[0] + rows[1] + rows[2])
    token, segment, position, normalized = (_to_host(x) for x in (*rows, normalized))
    pieces = backbone.tokenizer.convert_ids_to_tokens(ids.tolist())
    return InputEmbeddings(pieces, ids, segments, positions, token, segment, position, normalized)


def _embeddings_of(name: str, transformer: Any) -> Any:
    layer = getattr(transformer, "embeddings", None)
    missing = [part for part in PARTS if getattr(layer, part, None) is None]
    if getattr(layer, "position_embedding_type", "absolute") != "absolute":
        missing = ["position that is added"]
    if missing:
        reason = f"a {type(transformer).__name__} has no {missing[0]}: use a BERT"
        raise CodedValueError(Errors.B169.format(name=name, reason=reason))
    return layer


def _with_special_tokens(
    tokenizer: Any, text: str | tuple[str, str]
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (tuple[ndarray, ndarray]): Ids and segments of [CLS] first [SEP] (second [SEP])."""
    texts = (text,) if isinstance(text, str) else text
    n_after = [*(tokenizer.n_between for _ in texts[1:]), 1]
    ids, segments = [tokenizer.cls_id], [0]
    for i, (each, n_seps) in enumerate(zip(texts, n_after)):
        added = [*tokenizer([replace_surrogates(each)]).ids.tolist(), *[tokenizer.sep_id] * n_seps]
        ids.extend(added)
        segments.extend([i] * len(added))
    return numpy.asarray(ids, dtype="int64"), numpy.asarray(segments, dtype="int64")


def _look_up(table: torch.nn.Embedding, rows: numpy.ndarray) -> torch.Tensor:
    return table(torch.from_numpy(rows).to(table.weight.device))


def _to_host(vectors: torch.Tensor) -> numpy.ndarray:
    return vectors.detach().float().cpu().numpy()
