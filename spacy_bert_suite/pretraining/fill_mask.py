"""What may stand in the place of a [MASK]."""

from dataclasses import dataclass
from typing import Any, List, Sequence, Tuple

import numpy
from thinc.api import Model

from ..backbone.encoder import Rows
from ..backbone.wordpieces import Wordpieces, offsets_of
from ..errors import Errors
from ..unicode import clean
from .heads import predict_words

N_SPECIAL = 2
CONTINUES = "##"  # with which a wordpiece begins that goes on with a word
AT_ONCE = 128  # texts


@dataclass(frozen=True)
class Fill:
    """A wordpiece in the place of one [MASK].

    token (str): The wordpiece.
    score (float): Its probability.
    text (str): The text with it.
    """

    token: str
    score: float
    text: str


@dataclass(frozen=True)
class Hole:
    """A [MASK] of a text, [start, end) in characters; `place` is its number among wordpieces."""

    place: int
    start: int
    end: int


def fill_texts(
    model: Model, backbone: Any, texts: Sequence[str], top_k: int
) -> List[List[List[Fill]]]:
    """RETURNS (List[List[List[Fill]]]): For each text, for each of its masks, the best fills.
    RAISES (ValueError): If a text has no mask.
    """
    found: List[List[List[Fill]]] = []
    for start in range(0, len(texts), AT_ONCE):
        found.extend(_fill(model, backbone, texts[start : start + AT_ONCE], top_k))
    return found


def _fill(model: Model, backbone: Any, texts: Sequence[str], top_k: int) -> List[List[List[Fill]]]:
    pieces = backbone.wordpieces([clean(text) for text in texts])
    holes = [holes_of(pieces, i, text, backbone.tokenizer) for i, text in enumerate(texts)]
    logits = predict_words(model, make_rows(pieces, holes, backbone))
    scores, ids = logits.softmax(dim=1).topk(min(top_k, logits.shape[1]))
    rows = iter(zip(scores.tolist(), ids.tolist()))
    return [
        [_fills(text, hole, *next(rows), backbone.tokenizer) for hole in of_text]
        for text, of_text in zip(texts, holes)
    ]


def holes_of(pieces: Wordpieces, number: int, text: str, tokenizer: Any) -> List[Hole]:
    first, last = (int(n) for n in pieces.offsets[number : number + 2])
    places = numpy.flatnonzero(pieces.ids[first:last] == tokenizer.mask_token_id)
    if not len(places):
        raise ValueError(Errors.B159.format(text=text[:60], mask=tokenizer.mask_token))
    spans = zip(pieces.starts[first:last][places], pieces.ends[first:last][places])
    return [Hole(int(place), int(a), int(b)) for place, (a, b) in zip(places, spans)]


def make_rows(pieces: Wordpieces, holes: Sequence[Sequence[Hole]], backbone: Any) -> Rows:
    """A row for each text; for each mask where the text is too long for one, with the mask in the
    middle of a window.
    """
    room = backbone.window - N_SPECIAL
    cls, sep = [backbone.wordpieces.cls_id], [backbone.wordpieces.sep_id]
    ids: List[numpy.ndarray] = []
    kept: List[Tuple[int, int]] = []  # row, place in it
    for of_text, first, last in zip(holes, pieces.offsets, pieces.offsets[1:]):
        n = int(last - first)
        for i, hole in enumerate(of_text):
            start = max(0, min(hole.place - room // 2, n - room))
            if i == 0 or n > room:
                window = pieces.ids[first + start : first + min(n, start + room)]
                ids.append(numpy.concatenate([cls, window, sep]))
            kept.append((len(ids) - 1, hole.place - start + 1))
    starts = offsets_of([len(row) for row in ids])
    return Rows(ids, numpy.asarray([starts[row] + place for row, place in kept], dtype="int64"))


def _fills(
    text: str, hole: Hole, scores: Sequence[float], ids: Sequence[int], tokenizer: Any
) -> List[Fill]:
    tokens = tokenizer.convert_ids_to_tokens(ids)
    return [Fill(token, score, filled(text, hole, token)) for token, score in zip(tokens, scores)]


def filled(text: str, hole: Hole, token: str) -> str:
    """RETURNS (str): The text with the wordpiece in the hole; one that goes on with a word stands
    right behind it.
    """
    before, after = text[: hole.start], text[hole.end :]
    if token.startswith(CONTINUES):
        return before.rstrip() + token.removeprefix(CONTINUES) + after
    return before + token + after
