"""Pooling, and the layers of the heads: small torch modules inside thinc models."""

from dataclasses import replace
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import torch
from spacy.tokens import Doc
from thinc.api import Model
from torch import nn

from .backbone.bound import BoundEncoder
from .backbone.shim import TorchShim, get_shim
from .backbone.states import BertStates
from .errors import Errors
from .pooling import join_windows, mean_of_ranges, pool_windows, sentence_rows, word_states
from .schemes import PARTS
from .settings import check_choice, check_config, check_dropout

POOLING = ("cls", "pooler", "mean", "max", "attention")
ACTIVATIONS = ("Tanh", "ReLU", "GELU")
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
    scheme: str = "biluo",
    nO: Optional[int] = None,
) -> Model[List[Doc], TagScores]:
    """Registered as "spacy-bert-suite.TokenClassifier.v1": one linear layer over the state of
    each word, as in Devlin et al. 2019, section 5.3.

    bert (Model): The listener.
    pooling (str): State of a word: its "first" wordpiece, or the "mean" of all.
    dropout (float): Dropout on that state in training.
    crf (bool): Learn transition scores between tags too (Lafferty et al. 2001); for BILUO only.
    scheme (str): Tags that are scored: "biluo", or "bio", "iob1" or "io", as in checkpoints that
        were trained on these; see `schemes.py`.
    nO (Optional[int]): Number of tags; set when labels are known.
    RETURNS (Model): The head.
    """
    owner = "TokenClassifier"
    check_choice(owner, "pooling", pooling, TOKEN_POOLING)
    check_dropout(owner, dropout)
    check_choice(owner, "scheme", scheme, PARTS)
    check_config(owner, "crf", crf, not crf or scheme == "biluo", "false for this scheme")
    cfg = {"pooling": pooling, "dropout": dropout, "crf": crf, "scheme": scheme}
    return make_head("token_classifier", bert, WordTagger, cfg, nO, ["dropout"])


def TextClassifier(
    bert: Model[List[Doc], BertStates],
    pooling: str = "mean",
    long_documents: str = "mean",
    dropout: float = 0.1,
    sentences: bool = False,
    activation: str = "Tanh",
    nO: Optional[int] = None,
) -> Model[List[Doc], TextScores]:
    """Registered as "spacy-bert-suite.TextClassifier.v1": a pooled state of each window, a
    linear layer, and one row of logits per doc.

    bert (Model): The listener.
    pooling (str): State of a window: its [CLS] ("cls"), that through a dense layer of the head
        ("pooler", which begins as a copy of BERT's own), or the "mean", "max" or "attention" (a
        learned weighting) of all its wordpieces, [CLS] and [SEP] included.
    long_documents (str): Logits of a doc with several windows: of the "first" one, or their
        "mean" or "max".
    dropout (float): Dropout on the pooled state in training.
    sentences (bool): Score each sentence too, from the mean of its wordpieces.
    activation (str): Tanh | ReLU | GELU; what follows the dense layer of "pooler".
    nO (Optional[int]): Number of labels; set when labels are known.
    RETURNS (Model): The head.
    """
    owner = "TextClassifier"
    check_choice(owner, "pooling", pooling, POOLING)
    check_choice(owner, "long_documents", long_documents, LONG_DOCUMENTS)
    check_dropout(owner, dropout)
    check_choice(owner, "activation", activation, ACTIVATIONS)
    cfg = {
        "pooling": pooling,
        "long_documents": long_documents,
        "dropout": dropout,
        "sentences": sentences,
        "activation": activation,
    }
    free = ("long_documents", "dropout", "sentences")
    model = make_head("text_classifier", bert, WindowClassifier, cfg, nO, free)
    if pooling == "pooler":
        upstream = getattr(bert, "upstream_name", "*")
        model.layers.append(BoundEncoder("pooler-source", _no_forward, upstream))
    return model


# thinc


def make_head(
    name: str,
    bert: Model[List[Doc], BertStates],
    build: Callable[[Dict[str, Any]], nn.Module],
    cfg: Dict[str, Any],
    nO: Optional[int],
    free: Sequence[str] = (),
) -> Model:
    """Put a torch module behind a listener.

    build (Callable): Makes the module from `cfg`, "width" and "n_out". The module is called
        with `BertStates` and the docs and returns a NamedTuple of tensors.
    free (Sequence[str]): Keys of `cfg` that may be changed when a saved head is loaded.
    """
    shim = TorchShim(build, cfg, free)
    return Model(name, forward, init=init, layers=[bert], dims={"nO": nO, "nI": None}, shims=[shim])


def forward(model: Model, docs: Sequence[Doc], is_train: bool) -> Tuple[Any, Callable]:
    """The backprop callback takes a tuple of gradients, one per output (None for no gradient)."""
    states, accumulate = model.layers[0](docs, is_train)
    module = built_module(model, states.width)
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


def built_module(model: Model, width: int) -> Any:
    """width (int): Of the states that it is to work on.
    RETURNS (Module): The torch module of a head.
    RAISES (ValueError): If it is not built yet, or on states of another width.
    """
    shim = get_shim(model)
    name = getattr(model.layers[0], "component_name", model.name)
    if shim.module is None:
        raise ValueError(Errors.B050.format(name=name))
    if shim.cfg["width"] != width:
        raise ValueError(Errors.B040.format(name=name, expected=shim.cfg["width"], width=width))
    return shim.module


def init(model: Model, X=None, Y=None) -> None:
    """Build the module anew; `nO` is the number of labels, the width comes from the backbone."""
    shim, bert = get_shim(model), model.layers[0]
    if not bert.has_dim("nO"):  # a backbone of its own, in a listener's place
        bert.initialize()
    if not bert.has_dim("nO"):
        name = getattr(bert, "component_name", model.name)
        raise ValueError(Errors.B038.format(name=name))
    width = X.width if isinstance(X, BertStates) else bert.get_dim("nO")
    model.set_dim("nI", width, force=True)
    shim.cfg.update(width=width, n_out=model.get_dim("nO"))
    shim.module = shim.build(shim.cfg)
    for source in model.layers[1:]:
        copy_pooler(source, shim.module)


def copy_pooler(source: Any, head: nn.Module) -> None:
    """Begin with the pooler of the backbone, if it has one of this width."""
    backbone = source.get_backbone().module.transformer
    theirs = getattr(getattr(backbone, "pooler", None), "dense", None)
    mine: Any = head.get_submodule("pooler.0")
    if isinstance(theirs, nn.Linear) and theirs.weight.shape == mine.weight.shape:
        mine.load_state_dict(theirs.state_dict())


def _no_backprop(dOutputs: Any) -> List[Doc]:
    return []


def _no_forward(model: Model, X: Any, is_train: bool) -> Tuple[Any, Callable]:
    return X, _no_backprop


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
        parts = parts_of_tags(cfg["n_out"], len(PARTS[cfg.get("scheme", "biluo")]))
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
        self.pooler: nn.Module = nn.Identity()
        if self.pooling == "pooler":
            self.pooler = make_pooler(cfg["width"], cfg["activation"])
        self.output = make_output(cfg["width"], cfg["n_out"])

    def forward(self, states: BertStates, docs: Sequence[Doc]) -> TextScores:
        query = self.query if self.pooling == "attention" else None
        windows = self.pooler(pool_windows(states, self.pooling, query))
        logits = self.output(self.dropout(windows))  # (n_windows, n_labels)
        by_doc = join_windows(logits, states.layout.window_offsets, self.long_documents)
        if not self.sentences or self.training:
            return TextScores(by_doc, by_doc[:0])
        starts, ends = sentence_rows(states, docs)
        sentences = self.pooler(mean_of_ranges(states.rows, starts, ends))
        return TextScores(by_doc, self.output(sentences))


def parts_of_tags(n_tags: int, n_places: int = 4) -> torch.Tensor:
    """n_places (int): Places that a word can have in an entity: 4 in BILUO.
    RETURNS (Tensor): Which parts make up a tag: O, the places, then the labels.
        *Shape:* ``(1 + n_places + n_labels, n_tags)``
    """
    n_labels = (n_tags - 1) // n_places
    parts = torch.zeros(1 + n_places + n_labels, n_tags)
    parts[0, 0] = 1.0
    tags = torch.arange(1, n_tags)
    parts[1 + (tags - 1) % n_places, tags] = 1.0
    parts[1 + n_places + (tags - 1) // n_places, tags] = 1.0
    return parts


def make_pooler(width: int, activation: str) -> nn.Sequential:
    """What stands between [CLS] and the output: in BERT its pooler."""
    return nn.Sequential(make_output(width, width), getattr(nn, activation)())


def make_output(width: int, n_out: int) -> nn.Linear:
    """The linear layer of Devlin et al. 2019: weights from a normal of deviation 0.02."""
    output = nn.Linear(width, n_out)
    nn.init.normal_(output.weight, std=0.02)
    nn.init.zeros_(output.bias)
    return output
