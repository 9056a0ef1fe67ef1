"""Masked language modeling: which wordpieces are to be predicted, and what stands there instead
(Devlin et al. 2019, section 3.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from ...backbone.encoder.inputs import EncoderInput
from ...backbone.input.offsets import offsets_of
from ...errors import CodedValueError, Errors
from .instance import Instance

MASKED, REPLACED = 0.8, 0.1  # of the chosen wordpieces; the rest stay as they are


@dataclass(frozen=True)
class MaskSettings:
    """share (float): Of the wordpieces of an instance that are chosen.
    whole_words (bool): Choose all wordpieces of a spaCy token or none.
    max_predictions (int): Most of them in an instance; 0 for no limit.
    """

    share: float
    whole_words: bool
    max_predictions: int


@dataclass(frozen=True)
class Vocabulary:
    """What masking needs of a tokenizer.

    others (ndarray): Wordpieces that may stand for another: all but special tokens.
    """

    cls_id: int
    sep_id: int
    mask_id: int
    n_pieces: int
    others: numpy.ndarray


def vocabulary_of(tokenizer: Any, name: str) -> Vocabulary:
    """name (str): The component, for the error message.
    RAISES (ValueError): If there is no [MASK].
    """
    if tokenizer.mask_token_id is None:
        raise CodedValueError(Errors.B160.format(name=name))
    others = numpy.setdiff1d(numpy.arange(len(tokenizer)), tokenizer.all_special_ids)
    return Vocabulary(
        tokenizer.cls_token_id,
        tokenizer.sep_token_id,
        tokenizer.mask_token_id,
        len(tokenizer),
        others.astype("int64"),
    )


@dataclass(frozen=True)
class MaskedBatch:
    """Model input for several instances, and what is right.

    rows (EncoderInput): Their wordpieces, masked. Kept are the chosen positions of all instances,
        then the [CLS] of those that are pairs.
    gold (ndarray): The right wordpieces at the chosen positions, (n_chosen,).
    labels (ndarray): 0 or 1 for each pair, (n_pairs,).
    """

    rows: EncoderInput
    gold: numpy.ndarray
    labels: numpy.ndarray


def mask_instances(
    instances: Sequence[Instance], settings: MaskSettings, vocabulary: Vocabulary, n_updates: int
) -> MaskedBatch:
    """Draw masks. The same seed of an instance and the same number give the same masks: after a
    resumption, and in whichever process.

    n_updates (int): Steps of the optimizer so far: at each another draw.
    RETURNS (MaskedBatch): What goes into the model.
    """
    ids, types, chosen, gold = [], [], [], []
    for instance in instances:
        rng = numpy.random.Generator(numpy.random.PCG64([instance.seed, n_updates]))
        positions = choose(instance.words, settings, rng)
        inputs = replace(instance.ids.astype("int64"), positions, vocabulary, rng)
        gold.append(instance.ids[positions].astype("int64"))
        row, row_types, places = with_special_tokens(instance, inputs, vocabulary)
        ids.append(row)
        types.append(row_types)
        chosen.append(places[positions])
    starts = offsets_of([len(row) for row in ids])[:-1]
    pairs = [i for i, instance in enumerate(instances) if instance.label is not None]
    kept = [start + places for start, places in zip(starts, chosen)]
    labels = numpy.asarray([instances[i].label for i in pairs], dtype="int64")
    return MaskedBatch(
        EncoderInput(ids, numpy.concatenate([*kept, starts[pairs]]), types if pairs else None),
        numpy.concatenate(gold),
        labels,
    )


def choose(
    words: numpy.ndarray, settings: MaskSettings, rng: numpy.random.Generator
) -> numpy.ndarray:
    """Choose wordpieces, at least one.

    words (ndarray): The token that each wordpiece is of, (n_pieces,), in order.
    RETURNS (ndarray): Positions, in order.
    """
    n_wanted = max(1, round(settings.share * len(words)))
    if settings.max_predictions:
        n_wanted = min(n_wanted, settings.max_predictions)
    if not settings.whole_words:
        return numpy.sort(rng.permutation(len(words))[:n_wanted])
    starts = numpy.flatnonzero(numpy.diff(words, prepend=-1))
    lengths = numpy.diff(starts, append=len(words)).tolist()
    positions: list[int] = []
    for word in rng.permutation(len(starts)).tolist():
        start, length = int(starts[word]), lengths[word]
        if len(positions) + length <= n_wanted:  # else a shorter word may still fit
            positions.extend(range(start, start + length))
            if len(positions) == n_wanted:
                break
    if not positions:  # no word is as short as that: mask a part of one
        return numpy.sort(rng.permutation(len(words))[:n_wanted])
    return numpy.sort(numpy.asarray(positions))


def replace(
    ids: numpy.ndarray,
    positions: numpy.ndarray,
    vocabulary: Vocabulary,
    rng: numpy.random.Generator,
) -> numpy.ndarray:
    """RETURNS (ndarray): The ids, of those at the positions 80 % [MASK], 10 % any wordpiece."""
    lot = rng.random(len(positions))
    any_piece = vocabulary.others[rng.integers(len(vocabulary.others), size=len(positions))]
    instead = numpy.where(lot < MASKED, vocabulary.mask_id, ids[positions])
    instead = numpy.where((lot >= MASKED) & (lot < MASKED + REPLACED), any_piece, instead)
    masked = ids.copy()
    masked[positions] = instead
    return masked


def with_special_tokens(
    instance: Instance, ids: numpy.ndarray, vocabulary: Vocabulary
) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """RETURNS (tuple[ndarray, ndarray, ndarray]): [CLS] A [SEP] B [SEP], its token types, and the
    place in it of each wordpiece.
    """
    cls, sep = [vocabulary.cls_id], [vocabulary.sep_id]
    n = len(ids)
    if instance.label is None:
        row = numpy.concatenate([cls, ids, sep])
        return row, numpy.zeros(n + 2, dtype="int64"), numpy.arange(1, n + 1)
    n_first = instance.n_first
    row = numpy.concatenate([cls, ids[:n_first], sep, ids[n_first:], sep])
    types = numpy.repeat([0, 1], [n_first + 2, n - n_first + 1])
    places = numpy.arange(1, n + 1) + (numpy.arange(n) >= n_first)
    return row, types, places


def check_instances(
    instances: Sequence[Instance | None], window: int, vocabulary: Vocabulary
) -> None:
    """RAISES (ValueError): If one does not fit the backbone: too long, or of another vocabulary."""
    found: dict[str, int] = {"length": 0, "id": -1}
    for instance in instances:
        if instance is not None:
            found["length"] = max(found["length"], instance.length)
            found["id"] = max(found["id"], int(instance.ids.max()))
    if found["length"] > window:
        raise CodedValueError(Errors.B155.format(n_pieces=found["length"], window=window))
    if found["id"] >= vocabulary.n_pieces:
        raise CodedValueError(Errors.B156.format(id=found["id"], n_pieces=vocabulary.n_pieces))
