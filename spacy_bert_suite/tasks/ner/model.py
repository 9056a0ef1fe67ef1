"""TokenClassifier.v1: tag scores of words."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from spacy.tokens import Doc
from thinc.api import Model
from torch import nn

from ...backbone.hidden_states import BertStates
from ...core.validation import check_choice, check_config, check_dropout
from ...heads.glue import make_head
from ...heads.layers import make_output
from ...heads.pooling import word_states
from .schemes import PARTS

TOKEN_POOLING = ("first", "mean")


class TagScores(NamedTuple):
    """Scores of a batch of words for the tagger.

    emissions (Tensor): (n_words, n_tags) float32, on the head's device.
    transitions (Tensor): (n_tags, n_tags) from the row's tag to the column's; zero without CRF.
    """

    emissions: torch.Tensor
    transitions: torch.Tensor


def TokenClassifier(
    bert: Model[list[Doc], BertStates],
    pooling: str = "first",
    dropout: float = 0.1,
    crf: bool = False,
    scheme: str = "biluo",
    nO: int | None = None,
) -> Model[list[Doc], TagScores]:
    """Registered as "spacy-bert-suite.TokenClassifier.v1": one linear layer over the state of
    each word, as in Devlin et al. 2019, section 5.3.

    bert (Model): The listener.
    pooling (str): State of a word: its "first" wordpiece, or the "mean" of all.
    dropout (float): Dropout on that state in training.
    crf (bool): Learn transition scores between tags too (Lafferty et al. 2001); for BILUO only.
    scheme (str): Tags that are scored: "biluo", or "bio", "iob1" or "io", as in checkpoints that
        were trained on these; see `schemes.py`.
    nO (int | None): Number of tags; set when labels are known.
    RETURNS (Model): The head.
    """
    owner = "TokenClassifier"
    check_choice(owner, "pooling", pooling, TOKEN_POOLING)
    check_dropout(owner, dropout)
    check_choice(owner, "scheme", scheme, PARTS)
    check_config(owner, "crf", crf, not crf or scheme == "biluo", "false for this scheme")
    cfg = {"pooling": pooling, "dropout": dropout, "crf": crf, "scheme": scheme}
    return make_head("token_classifier", [bert], WordTagger, cfg, nO, ["dropout"])


class WordTagger(nn.Module):
    """Scores of every tag for every word, white space included.

    The score of B-LOC is a sum: of the tag itself, of its place in an entity (B, whatever the
    label) and of its label (LOC, whatever the place). What is learnt from one tag so serves its
    relatives, which counts where a label is rare.
    """

    def __init__(self, cfg: dict[str, Any]):
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
