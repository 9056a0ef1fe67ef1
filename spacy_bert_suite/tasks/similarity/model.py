"""SentenceEncoder.v1: Sentence-BERT pooling (Reimers and Gurevych 2019)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from spacy.tokens import Doc
from thinc.api import Model
from torch import nn

from ...backbone.hidden_states import BertStates
from ...backbone.passes.texts import TextEncoder
from ...core.torch_shim import TorchShim
from ...core.validation import check_choice, check_config
from ...heads.glue import forward
from ...heads.pooling import (
    mean_of_ranges,
    pool,
    sentence_rows,
    word_states,
)
from .sentence_bert import ACTIVATIONS, DenseLayer

POOLING = ("mean", "cls", "max", "mean_sqrt_len", "weighted_mean", "pooler")
NORMALIZE = ("auto", True, False)
LONG_DOCUMENTS = ("mean", "first")
N_CLASSIFIED = 3  # u, v and |u - v|


class Embeddings(NamedTuple):
    """Vectors of a batch, float32, on the head's device.

    docs (Tensor): (n_docs, n_out), of length one where the config says so.
    sentences (Tensor): The same of sentences; none where they were not asked for.
    tokens (Tensor): (n_tokens, n_out), of any length; none where they were not asked for.
    """

    docs: torch.Tensor
    sentences: torch.Tensor
    tokens: torch.Tensor


def SentenceEncoder(
    bert: Model[list[Doc], BertStates],
    texts: TextEncoder,
    pooling: str = "auto",
    dense_width: int = 0,
    dense_activation: str = "Tanh",
    normalize: bool | str = "auto",
    truncate_dim: int = 0,
    long_documents: str = "mean",
) -> Model[list[Doc], Embeddings]:
    """Registered as "spacy-bert-suite.SentenceEncoder.v1": one vector for each text.

    bert (Model): The listener, for docs of the pipeline.
    texts (Model): The text encoder, for texts outside of it: training pairs, queries.
    pooling (str): mean | cls | max | mean_sqrt_len | weighted_mean | pooler, or several joined
        by "+"; "auto" does what the backbone's folder says if it is a Sentence-BERT folder,
        dense layers included, and else takes the mean. Means count [CLS] and [SEP] in.
    dense_width (int): Width of a linear layer on the pooled vector; 0 for none.
    dense_activation (str): Tanh | Identity | ReLU | GELU | Sigmoid.
    normalize (bool | str): Bring vectors to length one; "auto" does so unless the backbone's
        folder is a Sentence-BERT folder without that step.
    truncate_dim (int): Keep only the first so many dimensions (Kusupati et al. 2022); 0 for all.
    long_documents (str): Vector of a doc with several windows: the "mean" over all wordpieces,
        or what the "first" window gives.
    RETURNS (Model): The head.
    """
    owner = "SentenceEncoder"
    for name in [] if pooling == "auto" else pooling.split("+"):
        expected = f"auto, or of {', '.join(POOLING)}"
        check_config(owner, "pooling", pooling, name in POOLING, expected)
    check_config(owner, "normalize", normalize, normalize in NORMALIZE, "auto, true or false")
    check_choice(owner, "long_documents", long_documents, LONG_DOCUMENTS)
    check_config(owner, "dense_width", dense_width, dense_width >= 0, "0 or more")
    check_choice(owner, "dense_activation", dense_activation, ACTIVATIONS)
    check_config(owner, "truncate_dim", truncate_dim, truncate_dim >= 0, "0 or more")
    cfg = {
        "pooling": pooling,
        "dense": [[dense_width, True, dense_activation]] if dense_width else [],
        "normalize": normalize,
        "truncate_dim": truncate_dim,
        "long_documents": long_documents,
        "n_labels": 0,
    }
    first = long_documents == "first"
    encoder = TextEncoder(texts.upstream_name, texts.grad_factor, first_window=first)
    shim = TorchShim(SentenceEmbedder, cfg, ("normalize", "truncate_dim", "long_documents"))
    return Model(
        "sentence_encoder", forward, layers=[bert, encoder], dims={"nO": None}, shims=[shim]
    )


class SentenceEmbedder(nn.Module):
    """Pooling, dense layers, and a classifier of pairs for the loss that needs one.

    pooler (Module | None): BERT's own, which belongs to the backbone; set before each use.
    """

    def __init__(self, cfg: dict[str, Any]):
        super().__init__()
        self.cfg = cfg
        width = cfg["width"] * (cfg["pooling"].count("+") + 1)
        self.dense = nn.ModuleList()
        for n_out, bias, activation in cfg["dense"]:
            layers = nn.Linear(width, n_out, bias=bias), getattr(nn, activation)()
            self.dense.append(nn.Sequential(*layers))
            width = n_out
        self.n_out = min(width, cfg["truncate_dim"] or width)
        if cfg["n_labels"]:
            # Starts as in sentence-transformers.
            self.classifier = nn.Linear(N_CLASSIFIED * self.n_out, cfg["n_labels"])
        self.pooler: list[nn.Module | None] = [None]  # in a list: no part of this module

    @property
    def is_plain(self) -> bool:
        """RETURNS (bool): Whether token states can share the space of the docs' vectors."""
        return "+" not in self.cfg["pooling"]

    def forward(
        self,
        states: BertStates,
        docs: Sequence[Doc],
        *,
        sentences: bool = False,
        tokens: bool = False,
    ) -> Embeddings:
        """sentences (bool): Give vectors of sentences.
        tokens (bool): Give vectors of tokens.
        """
        vectors = self.embed(states)
        none = vectors[:0]
        of_sentences = self._sentences(states, docs) if sentences else none
        if not tokens or not self.is_plain:
            return Embeddings(vectors, of_sentences, none)
        return Embeddings(vectors, of_sentences, self.project(word_states(states, "mean")))

    def embed(self, states: BertStates) -> torch.Tensor:
        """RETURNS (Tensor): Vectors of whole texts. *Shape:* ``(n_texts, n_out)``"""
        if self.cfg["long_documents"] == "first":
            states = states.first_windows()
        names = self.cfg["pooling"].split("+")
        return self.finish(torch.cat([pool(states, name, self.pooler[0]) for name in names], dim=1))

    def _sentences(self, states: BertStates, docs: Sequence[Doc]) -> torch.Tensor:
        return self.finish(mean_of_ranges(states.hidden, *sentence_rows(states, docs)))

    def finish(self, vectors: torch.Tensor) -> torch.Tensor:
        vectors = self.project(vectors)
        return nn.functional.normalize(vectors, dim=1) if self.cfg["normalize"] else vectors

    def project(self, vectors: torch.Tensor) -> torch.Tensor:
        for layer in self.dense:
            vectors = layer(vectors)
        return vectors[:, : self.cfg["truncate_dim"] or None]


def load_dense(module: SentenceEmbedder, layers: Sequence[DenseLayer]) -> None:
    """Take over the dense layers of a Sentence-BERT folder."""
    for layer, saved in zip(module.dense, layers):
        layer[0].load_state_dict(saved.weights)  # type: ignore[index]
