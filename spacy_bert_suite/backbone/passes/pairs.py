"""PairEncoder.v1: two texts in one window, in a forward pass of their own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy
import torch
from thinc.api import Model

from ...core.text import replace_surrogates
from ...errors import CodedValueError, Errors
from ..encoder.inputs import EncoderInput
from ..input.offsets import offsets_of
from ..input.windows import cut_texts, make_windows
from ..input.wordpieces import Wordpieces, WordpieceTokenizer
from .shared import SharedEncoder

MOST_SHOWN = 60  # characters of a text in an error
TextPair = tuple[str, str]


@dataclass(frozen=True)
class PairStates:
    """Hidden states of pairs. A pair has several windows when its second text is long.

    hidden (Tensor): All states of all windows, end to end, special tokens included.
        *Shape:* ``(n_rows, width)``
    row_offsets (ndarray): Window i has the rows row_offsets[i]:row_offsets[i + 1];
        the first of them is its [CLS].
    window_offsets (ndarray): TextPair i has the windows window_offsets[i]:window_offsets[i + 1].
    seconds (Wordpieces): Pieces of the second texts, with character offsets.
    starts, ends (ndarray): Pieces of `seconds` in each window, (n_windows,).
    """

    hidden: torch.Tensor
    row_offsets: numpy.ndarray
    window_offsets: numpy.ndarray
    seconds: Wordpieces
    starts: numpy.ndarray
    ends: numpy.ndarray

    @property
    def cls(self) -> torch.Tensor:
        rows = torch.from_numpy(self.row_offsets[:-1]).to(self.hidden.device)
        return self.hidden[rows]  # (n_windows, width)


class PairEncoder(SharedEncoder):
    """Encodes pairs with the backbone's weights.

    cuts_first (bool): Cut first texts that would leave less than half of the window to the
        second; else that is an error.
    only_once (bool): Read only the first window of a long second text.
    """

    def __init__(
        self,
        upstream_name: str,
        grad_factor: float = 1.0,
        *,
        cuts_first: bool = False,
        only_once: bool = False,
    ):
        super().__init__("pair-encoder", forward, upstream_name, grad_factor)
        self.cuts_first = cuts_first
        self.only_once = only_once

    @property
    def n_pieces(self) -> int:
        """RETURNS (int): Most wordpieces of two texts in a window; the rest of it are the special
        tokens: [CLS] first [SEP] second [SEP] in BERT, with two in the middle in RoBERTa.
        """
        backbone = self.get_backbone()
        return backbone.window - 2 - backbone.wordpieces.n_between


def make_pair_encoder(
    upstream: str = "bert", grad_factor: float = 1.0
) -> Model[list[TextPair], PairStates]:
    """Registered as "spacy-bert-suite.PairEncoder.v1".

    upstream (str): Name of the backbone component, or "*" for any.
    grad_factor (float): Factor on the gradient of the backbone, as of `BertListener.v1`.
    RETURNS (Model): The encoder.
    """
    return PairEncoder(upstream, grad_factor)


def forward(
    model: PairEncoder, pairs: Sequence[TextPair], is_train: bool
) -> tuple[PairStates, Callable]:
    firsts, seconds, spans = _cut(model, pairs)
    rows, row_offsets = _rows(model.get_backbone().wordpieces, firsts, seconds, spans)
    output, backprop = model.run(rows, is_train)
    states = PairStates(
        output, row_offsets, spans.window_offsets, seconds, spans.starts, spans.ends
    )
    return states, backprop


def have_room(model: PairEncoder, pairs: Sequence[TextPair]) -> numpy.ndarray:
    """RETURNS (ndarray): Whether the first text of each pair leaves the second its room, (n_pairs,)
    bool. Where it does not, there is no window to read them in.
    """
    fits = numpy.ones(len(pairs), dtype=bool)
    doubtful = [i for i, (first, _) in enumerate(pairs) if not _is_surely_short(model, first)]
    if doubtful:
        fits[doubtful] = _is_enough(model, *_pieces(model, [pairs[i] for i in doubtful]))
    return fits


def check_room(model: PairEncoder, pairs: Sequence[TextPair]) -> None:
    """RAISES (ValueError): If a first text is too long; it names the pair."""
    doubtful = [pair for pair in pairs if not _is_surely_short(model, pair[0])]
    if doubtful:
        _check_room(model, doubtful, *_pieces(model, doubtful))


def _is_surely_short(model: PairEncoder, first: str) -> bool:
    """Most questions: no tokenizer makes more pieces of ASCII than it has characters, and a mark at
    the beginning. Pairs are tokenized when they are read; this saves doing it twice.
    """
    return first.isascii() and len(first) < model.n_pieces - model.get_backbone().window // 8


def _cut(model: PairEncoder, pairs: Sequence[TextPair]) -> tuple[Wordpieces, Wordpieces, "_Spans"]:
    """RETURNS (Tuple): Wordpieces of the first and of the second texts, and their windows."""
    firsts, seconds = _pieces(model, pairs)
    _check_room(model, pairs, firsts, seconds)
    return firsts, seconds, _windows(model, firsts, seconds)


def _pieces(model: PairEncoder, pairs: Sequence[TextPair]) -> tuple[Wordpieces, Wordpieces]:
    backbone = model.get_backbone()
    firsts = backbone.wordpieces([replace_surrogates(first) for first, _ in pairs])
    if model.cuts_first:
        firsts = cut_texts(firsts, model.n_pieces // 2)
    return firsts, backbone.wordpieces([replace_surrogates(second) for _, second in pairs])


def _is_enough(model: PairEncoder, firsts: Wordpieces, seconds: Wordpieces) -> numpy.ndarray:
    n_room = model.n_pieces - numpy.diff(firsts.offsets)
    least = model.get_backbone().window // 8
    return n_room >= numpy.minimum(least, numpy.diff(seconds.offsets))


def _check_room(
    model: PairEncoder, pairs: Sequence[TextPair], firsts: Wordpieces, seconds: Wordpieces
) -> None:
    too_long = numpy.flatnonzero(~_is_enough(model, firsts, seconds))
    if len(too_long):
        first, second = (shortened(text) for text in pairs[too_long[0]])
        n_first, window = numpy.diff(firsts.offsets)[too_long[0]], model.get_backbone().window
        n_room = max(0, model.n_pieces - int(n_first))
        raise CodedValueError(
            Errors.B036.format(
                first=first, n_first=n_first, n_room=n_room, second=second, window=window
            )
        )


def shortened(text: str) -> str:
    """RETURNS (str): Enough of a text to know it by, on one line."""
    text = " ".join(text.split())
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


@dataclass(frozen=True)
class _Spans:
    pair: numpy.ndarray  # (n_windows,)
    starts: numpy.ndarray
    ends: numpy.ndarray
    window_offsets: numpy.ndarray


def _windows(model: PairEncoder, firsts: Wordpieces, seconds: Wordpieces) -> _Spans:
    """Windows over each second text, beside the whole of the first."""
    window, stride = model.get_backbone().window, model.get_backbone().stride
    pair: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    n_windows = [0]
    for i, n_first in enumerate(numpy.diff(firsts.offsets)):
        begin, end = seconds.offsets[i : i + 2]
        n_room = model.n_pieces - int(n_first)
        step = max(1, n_room * stride // (window - 2))
        cut = make_windows(numpy.asarray([begin, end]), max(1, n_room), step)
        n_read = 1 if model.only_once else len(cut.starts)
        pair.extend([i] * n_read)
        starts.extend(cut.starts[:n_read])
        ends.extend(cut.ends[:n_read])
        n_windows.append(len(pair))
    as_array = [numpy.asarray(values, dtype="int64") for values in (pair, starts, ends, n_windows)]
    return _Spans(*as_array)


def _rows(
    tokenizer: WordpieceTokenizer, firsts: Wordpieces, seconds: Wordpieces, spans: _Spans
) -> tuple[EncoderInput, numpy.ndarray]:
    cls, sep = [tokenizer.cls_id], [tokenizer.sep_id]
    between = sep * tokenizer.n_between
    ids, types = [], []
    for i, start, end in zip(spans.pair, spans.starts, spans.ends):
        first = firsts.ids[firsts.offsets[i] : firsts.offsets[i + 1]]
        second = seconds.ids[start:end]
        ids.append(numpy.concatenate([cls, first, between, second, sep]))
        types.append(numpy.repeat([0, 1], [1 + len(first) + len(between), len(second) + 1]))
    row_offsets = offsets_of([len(window) for window in ids])
    return EncoderInput(ids, numpy.arange(row_offsets[-1]), types), row_offsets
