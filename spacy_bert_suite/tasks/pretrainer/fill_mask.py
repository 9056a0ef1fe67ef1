"""Filling masks: the most probable wordpieces for each [MASK] of a text."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import spacy
from thinc.api import Model

from ...backbone.encoder.inputs import EncoderInput
from ...backbone.input.offsets import offsets_of
from ...backbone.input.windows import N_SPECIAL
from ...backbone.input.wordpieces import Wordpieces
from ...backbone.shim import BackboneShim
from ...core.pipelines import load_pipeline
from ...core.text import replace_surrogates
from ...errors import CodedValueError, Errors
from .checkpoint import looks_like_checkpoint
from .model import predict_words
from .recipe import NAME

CONTINUES = "##"  # with which a wordpiece begins that goes on with a word
AT_ONCE = 128  # texts


@dataclass(frozen=True)
class MaskPrediction:
    """A wordpiece in the place of one [MASK].

    token (str): The wordpiece.
    score (float): Its probability.
    text (str): The text with it.
    """

    token: str
    score: float
    text: str


@dataclass(frozen=True)
class MaskPosition:
    """A [MASK] of a text, [start, end) in characters; `place` is its number among wordpieces."""

    place: int
    start: int
    end: int


def fill_texts(
    model: Model, backbone: BackboneShim, texts: Sequence[str], top_k: int
) -> list[list[list[MaskPrediction]]]:
    """RETURNS (list[list[list[MaskPrediction]]]): For each text, for each of its masks, the best
    fills.
    RAISES (ValueError): If a text has no mask.
    """
    found: list[list[list[MaskPrediction]]] = []
    for start in range(0, len(texts), AT_ONCE):
        found.extend(_fill(model, backbone, texts[start : start + AT_ONCE], top_k))
    return found


def _fill(
    model: Model, backbone: BackboneShim, texts: Sequence[str], top_k: int
) -> list[list[list[MaskPrediction]]]:
    pieces = backbone.wordpieces([replace_surrogates(text) for text in texts])
    holes = [holes_of(pieces, i, text, backbone.tokenizer) for i, text in enumerate(texts)]
    logits = predict_words(model, make_rows(pieces, holes, backbone))
    scores, ids = logits.softmax(dim=1).topk(min(top_k, logits.shape[1]))
    rows = iter(zip(scores.tolist(), ids.tolist()))
    return [
        [_fills(text, hole, *next(rows), backbone.tokenizer) for hole in of_text]
        for text, of_text in zip(texts, holes)
    ]


def holes_of(pieces: Wordpieces, number: int, text: str, tokenizer: Any) -> list[MaskPosition]:
    first, last = (int(n) for n in pieces.offsets[number : number + 2])
    places = numpy.flatnonzero(pieces.ids[first:last] == tokenizer.mask_token_id)
    if not len(places):
        raise CodedValueError(Errors.B159.format(text=text[:60], mask=tokenizer.mask_token))
    spans = zip(pieces.starts[first:last][places], pieces.ends[first:last][places])
    return [MaskPosition(int(place), int(a), int(b)) for place, (a, b) in zip(places, spans)]


def make_rows(
    pieces: Wordpieces, holes: Sequence[Sequence[MaskPosition]], backbone: BackboneShim
) -> EncoderInput:
    """A row for each text; for each mask where the text is too long for one, with the mask in the
    middle of a window.
    """
    room = backbone.window - N_SPECIAL
    cls, sep = [backbone.wordpieces.cls_id], [backbone.wordpieces.sep_id]
    ids: list[numpy.ndarray] = []
    kept: list[tuple[int, int]] = []  # row, place in it
    for of_text, first, last in zip(holes, pieces.offsets, pieces.offsets[1:]):
        n = int(last - first)
        for i, hole in enumerate(of_text):
            start = max(0, min(hole.place - room // 2, n - room))
            if i == 0 or n > room:
                window = pieces.ids[first + start : first + min(n, start + room)]
                ids.append(numpy.concatenate([cls, window, sep]))
            kept.append((len(ids) - 1, hole.place - start + 1))
    starts = offsets_of([len(row) for row in ids])
    return EncoderInput(
        ids, numpy.asarray([starts[row] + place for row, place in kept], dtype="int64")
    )


def _fills(
    text: str, hole: MaskPosition, scores: Sequence[float], ids: Sequence[int], tokenizer: Any
) -> list[MaskPrediction]:
    tokens = tokenizer.convert_ids_to_tokens(ids)
    return [
        MaskPrediction(token, score, filled(text, hole, token))
        for token, score in zip(tokens, scores)
    ]


def filled(text: str, hole: MaskPosition, token: str) -> str:
    """RETURNS (str): The text with the wordpiece in the hole; one that goes on with a word stands
    right behind it.
    """
    before, after = text[: hole.start], text[hole.end :]
    if token.startswith(CONTINUES):
        return before.rstrip() + token.removeprefix(CONTINUES) + after
    return before + token + after


def find_filler(name: str) -> Callable[..., Any]:
    """RETURNS (Callable): `fill_mask` of a trained pipeline, or of a checkpoint with a head for
    masked words.
    """
    if looks_like_checkpoint(name):
        nlp = spacy.blank("xx")
        nlp.add_pipe("bert", config={"model": {"name": name, **widest_window(name)}})
        nlp.add_pipe(NAME)
        nlp.initialize()
    else:
        nlp = load_pipeline(name)
    for _, pipe in nlp.pipeline:
        if hasattr(pipe, "fill_mask"):
            return pipe.fill_mask
    found: list[str] = nlp.pipe_names
    raise CodedValueError(Errors.B162.format(name=name, found=", ".join(found)))


def widest_window(name: str) -> dict[str, int]:
    """RETURNS (dict[str, int]): Settings of a backbone that reads as much as the model can."""
    config = json.loads((Path(name).expanduser() / "config.json").read_text(encoding="utf8"))
    window = config.get("max_position_embeddings", 512)
    return {"window": window, "stride": window // 2, "max_batch_pieces": max(8192, window)}
