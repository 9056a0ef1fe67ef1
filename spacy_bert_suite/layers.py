"""Pooling, and the layers of the heads: small torch modules inside thinc models."""

from dataclasses import replace
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy
import torch
from spacy.tokens import Doc
from thinc.api import Model
from torch import nn

from .backbone.shim import TorchShim, get_shim
from .backbone.states import BertStates
from .backbone.wordpieces import ranges
from .errors import Errors

POOLING = ("cls", "mean", "max", "attention")
LONG_DOCUMENTS = ("first", "mean", "max")
TOKEN_POOLING = ("first", "mean")


class TagScores(NamedTuple):
    """Scores of a batch of words for the tagger.

    emissions (Tensor): (n_words, n_tags) float32, on the head's device.
    transitions (Tensor): (n_tags, n_tags) from the row's tag to the column's; zero without CRF.
    """

    emissions: torch.Tensor
    transitions: torch.Tensor


class TextScores(NamedTuple):
    """Logits of docs, and of sentences where they were asked for: (n, n_labels) float32."""

    docs: torch.Tensor
    sentences: torch.Tensor


# Registered architectures


def TokenClassifier(
    bert: Model[List[Doc], BertStates],
    pooling: str = "first",
    dropout: float = 0.1,
    crf: bool = False,
    nO: Optional[int] = None,
) -> Model[List[Doc], TagScores]:
    """Registered as "spacy-bert-suite.TokenClassifier.v1": one linear layer over the state of
    each word, as in Devlin et al. 2019, section 5.3.

    bert (Model): The listener.
    pooling (str): State of a word: its "first" wordpiece, or the "mean" of all.
    dropout (float): Dropout on that state in training.
    crf (bool): Learn transition scores between tags too (Lafferty et al. 2001).
    nO (Optional[int]): Number of tags; set when labels are known.
    RETURNS (Model): The head.
    """
    _check(
        "TokenClassifier", "pooling", pooling, pooling in TOKEN_POOLING, " or ".join(TOKEN_POOLING)
    )
    _check("TokenClassifier", "dropout", dropout, 0 <= dropout < 1, "at least 0 and below 1")
    cfg = {"pooling": pooling, "dropout": dropout, "crf": crf}
    return make_head("token_classifier", bert, WordTagger, cfg, nO)


def TextClassifier(
    bert: Model[List[Doc], BertStates],
    pooling: str = "mean",
    long_documents: str = "mean",
    dropout: float = 0.1,
    sentences: bool = False,
    nO: Optional[int] = None,
) -> Model[List[Doc], TextScores]:
    """Registered as "spacy-bert-suite.TextClassifier.v1": a pooled state of each window, a
    linear layer, and one row of logits per doc.

    bert (Model): The listener.
    pooling (str): State of a window: its [CLS] ("cls"), or the "mean", "max" or "attention"
        (a learned weighting) of all its wordpieces, [CLS] and [SEP] included.
    long_documents (str): Logits of a doc with several windows: of the "first" one, or their
        "mean" or "max".
    dropout (float): Dropout on the pooled state in training.
    sentences (bool): Score each sentence too, from the mean of its wordpieces.
    nO (Optional[int]): Number of labels; set when labels are known.
    RETURNS (Model): The head.
    """
    _check("TextClassifier", "pooling", pooling, pooling in POOLING, " or ".join(POOLING))
    expected = " or ".join(LONG_DOCUMENTS)
    _check(
        "TextClassifier",
        "long_documents",
        long_documents,
        long_documents in LONG_DOCUMENTS,
        expected,
    )
    _check("TextClassifier", "dropout", dropout, 0 <= dropout < 1, "at least 0 and below 1")
    cfg = {
        "pooling": pooling,
        "long_documents": long_documents,
        "dropout": dropout,
        "sentences": sentences,
    }
    return make_head("text_classifier", bert, WindowClassifier, cfg, nO)


# thinc


def make_head(
    name: str,
    bert: Model[List[Doc], BertStates],
    build: Callable[[Dict[str, Any]], nn.Module],
    cfg: Dict[str, Any],
    nO: Optional[int],
) -> Model:
    """Put a torch module behind a listener.

    build (Callable): Makes the module from `cfg`, "width" and "n_out". The module is called
        with `BertStates` and the docs and returns a NamedTuple of tensors.
    """
    shim = TorchShim(build, cfg)
    return Model(name, forward, init=init, layers=[bert], dims={"nO": nO, "nI": None}, shims=[shim])


def forward(model: Model, docs: Sequence[Doc], is_train: bool) -> Tuple[Any, Callable]:
    """The backprop callback takes a tuple of gradients, one per output (None for no gradient)."""
    states, accumulate = model.layers[0](docs, is_train)
    module = get_shim(model).module
    if module is None:
        raise ValueError(
            Errors.B050.format(name=getattr(model.layers[0], "component_name", model.name))
        )
    module.to(states.rows.device).train(is_train)
    if not is_train:
        with torch.no_grad():
            return module(states, docs), _no_backprop
    # A leaf, so that the gradient stops here: the backbone's own backward pass comes later.
    rows = states.rows.detach().requires_grad_()
    with torch.enable_grad():
        outputs = module(replace(states, rows=rows), docs)

    def backprop(dOutputs: Sequence[Optional[torch.Tensor]]) -> List[Doc]:
        pairs = [(y, dY) for y, dY in zip(outputs, dOutputs) if dY is not None]
        torch.autograd.backward([y for y, _ in pairs], [dY for _, dY in pairs])
        if rows.grad is not None:
            accumulate(rows.grad)
        return []

    return type(outputs)(*(y.detach() for y in outputs)), backprop


def init(model: Model, X=None, Y=None) -> None:
    """Build the module; `nO` is the number of labels, the width comes from the backbone."""
    shim = get_shim(model)
    if shim.module is None:
        bert = model.layers[0]
        if not bert.has_dim("nO"):  # a backbone of its own, in a listener's place
            bert.initialize()
        if not bert.has_dim("nO"):
            name = getattr(bert, "component_name", model.name)
            raise ValueError(Errors.B038.format(name=name))
        width = X.width if isinstance(X, BertStates) else model.layers[0].get_dim("nO")
        model.set_dim("nI", width)
        shim.cfg.update(width=width, n_out=model.get_dim("nO"))
        shim.module = shim.build(shim.cfg)


def _no_backprop(dOutputs: Any) -> List[Doc]:
    return []


# torch


class WordTagger(nn.Module):
    """Scores of every tag for every word, white space included.

    The score of B-LOC is a sum: of the tag itself, of its place in an entity (B, whatever the
    label) and of its label (LOC, whatever the place). What is learnt from one tag so serves its
    relatives, which counts where a label is rare.
    """

    def __init__(self, cfg: Dict[str, Any]):
        super().__init__()
        self.pooling = cfg["pooling"]
        self.dropout = nn.Dropout(cfg["dropout"])
        self.output = make_output(cfg["width"], cfg["n_out"])
        parts = parts_of_tags(cfg["n_out"])
        self.register_buffer("parts", parts, persistent=False)
        self.shared = make_output(cfg["width"], len(parts))
        self.transitions = nn.Parameter(torch.zeros(cfg["n_out"], cfg["n_out"]))
        self.transitions.requires_grad_(cfg["crf"])

    def forward(self, states: BertStates, docs: Sequence[Doc]) -> TagScores:
        words = word_states(states, self.pooling)
        words = self.dropout(words)
        emissions = self.output(words) + self.shared(words) @ self.parts
        return TagScores(emissions, self.transitions * 1.0)


class WindowClassifier(nn.Module):
    """Logits of docs from pooled windows, and of sentences."""

    def __init__(self, cfg: Dict[str, Any]):
        super().__init__()
        self.pooling = cfg["pooling"]
        self.long_documents = cfg["long_documents"]
        self.sentences = cfg["sentences"]
        self.dropout = nn.Dropout(cfg["dropout"])
        if self.pooling == "attention":
            self.query = nn.Linear(cfg["width"], 1, bias=False)
        self.output = make_output(cfg["width"], cfg["n_out"])

    def forward(self, states: BertStates, docs: Sequence[Doc]) -> TextScores:
        query = self.query if self.pooling == "attention" else None
        windows = pool_windows(states, self.pooling, query)
        logits = self.output(self.dropout(windows))  # (n_windows, n_labels)
        by_doc = join_windows(logits, states.layout.window_offsets, self.long_documents)
        if not self.sentences or self.training:
            return TextScores(by_doc, by_doc[:0])
        starts, ends = sentence_rows(states, docs)
        return TextScores(by_doc, self.output(mean_of_ranges(states.rows, starts, ends)))


def parts_of_tags(n_tags: int) -> torch.Tensor:
    """RETURNS (Tensor): Which parts make up a tag: O, B, I, L, U, then the labels.
    *Shape:* ``(5 + n_labels, n_tags)``
    """
    n_labels = (n_tags - 1) // 4
    parts = torch.zeros(5 + n_labels, n_tags)
    parts[0, 0] = 1.0
    tags = torch.arange(1, n_tags)
    parts[1 + (tags - 1) % 4, tags] = 1.0
    parts[5 + (tags - 1) // 4, tags] = 1.0
    return parts


def make_output(width: int, n_out: int) -> nn.Linear:
    """The linear layer of Devlin et al. 2019: weights from a normal of deviation 0.02."""
    output = nn.Linear(width, n_out)
    nn.init.normal_(output.weight, std=0.02)
    nn.init.zeros_(output.bias)
    return output


def word_states(states: BertStates, pooling: str) -> torch.Tensor:
    """RETURNS (Tensor): A state of each token. *Shape:* ``(n_tokens, width)``, float32"""
    layout = states.layout
    if pooling == "first":
        return states.rows[_on(states, layout.token_starts)].float()
    return mean_of_ranges(states.rows, layout.token_starts, layout.token_ends)


def mean_of_ranges(rows: torch.Tensor, starts: numpy.ndarray, ends: numpy.ndarray) -> torch.Tensor:
    """RETURNS (Tensor): Mean of rows[starts[i]:ends[i]] for each i; ranges may overlap.
    *Shape:* ``(n_ranges, width)``, float32
    """
    lengths = ends - starts
    index = torch.from_numpy(ranges(starts, lengths)).to(rows.device)
    segments = torch.from_numpy(numpy.repeat(numpy.arange(len(lengths)), lengths)).to(rows.device)
    return mean_of_segments(rows[index].float(), segments, len(lengths))


def pool_windows(
    states: BertStates, pooling: str, query: Optional[nn.Module] = None
) -> torch.Tensor:
    """RETURNS (Tensor): A state of each window, from the pieces kept from it and its special
    tokens. *Shape:* ``(n_windows, width)``, float32
    """
    if pooling == "cls":
        return states.cls.float()
    layout = states.layout
    windows = numpy.arange(layout.n_windows)
    of_pieces = numpy.repeat(windows, layout.kept_ends - layout.kept_starts)
    segments = _on(states, numpy.concatenate([of_pieces, windows, windows]))
    rows = states.rows.float()
    if pooling == "mean":
        return mean_of_segments(rows, segments, layout.n_windows)
    if pooling == "max":
        return max_of_segments(rows, segments, layout.n_windows)
    if query is None:
        raise ValueError(
            Errors.B022.format(key="query", value=None, name="attention pooling", expected="set")
        )
    scores = query(rows)[:, 0]
    highest = max_of_segments(scores[:, None].detach(), segments, layout.n_windows)[:, 0]
    weights = (scores - highest[segments]).exp()
    totals = weights.new_zeros(layout.n_windows).index_add(0, segments, weights)
    weighted = rows * (weights / totals[segments])[:, None]
    return rows.new_zeros(layout.n_windows, rows.shape[1]).index_add(0, segments, weighted)


def mean_of_segments(rows: torch.Tensor, segments: torch.Tensor, n: int) -> torch.Tensor:
    sums = rows.new_zeros(n, rows.shape[1]).index_add(0, segments, rows)
    counts = torch.bincount(segments, minlength=n).clamp(min=1)
    return sums / counts[:, None]


def max_of_segments(rows: torch.Tensor, segments: torch.Tensor, n: int) -> torch.Tensor:
    index = segments[:, None].expand_as(rows)
    lowest = rows.new_full((n, rows.shape[1]), -torch.inf)
    return lowest.scatter_reduce(0, index, rows, "amax")


def join_windows(logits: torch.Tensor, offsets: numpy.ndarray, policy: str) -> torch.Tensor:
    """RETURNS (Tensor): Logits of docs from those of their windows. (n_docs, n_labels)"""
    n_windows = numpy.diff(offsets)
    if policy == "first" or (n_windows == 1).all():
        return logits[torch.from_numpy(offsets[:-1]).to(logits.device)]
    docs = torch.from_numpy(numpy.repeat(numpy.arange(len(n_windows)), n_windows))
    pool = mean_of_segments if policy == "mean" else max_of_segments
    return pool(logits, docs.to(logits.device), len(n_windows))


def sentence_rows(states: BertStates, docs: Sequence[Doc]) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (Tuple[ndarray, ndarray]): First row and end of each sentence's wordpieces, for
    the docs that have sentence boundaries.
    """
    layout = states.layout
    firsts, lasts = [], []
    for doc, offset in zip(docs, layout.token_offsets):
        if len(doc) and doc.has_annotation("SENT_START"):
            bounds = sentence_starts(doc)
            firsts.extend(bounds[:-1] + offset)
            lasts.extend(bounds[1:] - 1 + offset)
    first = numpy.asarray(firsts, dtype="int64")
    starts = layout.token_starts[first]
    ends = layout.token_ends[numpy.asarray(lasts, dtype="int64")]
    # White space at the edge of a sentence has the [CLS] row, which is behind all pieces.
    for i in numpy.flatnonzero((starts >= layout.n_pieces) | (ends > layout.n_pieces)):
        starts[i], ends[i] = _pieces_of(layout, firsts[i], lasts[i] + 1)
    return starts, ends


def _pieces_of(layout, first: int, last: int) -> Tuple[int, int]:
    """First row and end of the pieces of tokens first:last; their [CLS] if they have none."""
    inside = layout.token_starts[first:last] < layout.n_pieces
    if not inside.any():
        return int(layout.token_starts[first]), int(layout.token_ends[first])
    tokens = first + numpy.flatnonzero(inside)
    return int(layout.token_starts[tokens[0]]), int(layout.token_ends[tokens[-1]])


def sentence_starts(doc: Doc) -> numpy.ndarray:
    """RETURNS (ndarray): Token indices where sentences start, and the doc's length."""
    is_start = doc.to_array("SENT_START").astype("int64") == 1
    is_start[0] = True
    return numpy.append(numpy.flatnonzero(is_start), len(doc))


def _on(states: BertStates, index: numpy.ndarray) -> torch.Tensor:
    return torch.from_numpy(index).to(states.rows.device)


def _check(name: str, key: str, value: Any, holds: bool, expected: str) -> None:
    if not holds:
        raise ValueError(Errors.B022.format(key=key, value=value, name=name, expected=expected))
