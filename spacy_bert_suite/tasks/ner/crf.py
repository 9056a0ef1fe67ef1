"""The loss of a linear-chain CRF over BILUO tags (Lafferty et al. 2001)."""

from collections.abc import Sequence

import numpy
import torch
from torch.nn.functional import one_hot, pad

from .biluo import MISSING, NEVER, blank_scores, valid_first, valid_transitions


def crf_loss(
    emissions: torch.Tensor,
    transitions: torch.Tensor,
    gold: Sequence[numpy.ndarray],
    is_blank: numpy.ndarray,
) -> torch.Tensor:
    """Negative log-likelihood of the gold tags, averaged over words (Lafferty et al. 2001).

    emissions (Tensor): (n_words, n_tags), the docs of `gold` one after the other.
    transitions (Tensor): Scores of pairs of tags, (n_tags, n_tags).
    gold (Sequence[ndarray]): Tags of each doc; MISSING leaves a word open, so that the loss
        is that of all sequences which agree with the rest. At least one tag is given.
    is_blank (ndarray): Words that are blank, scored as when decoding, (n_words,).
    RETURNS (Tensor): A scalar.
    """
    n_labels = (emissions.shape[1] - 1) // 4
    device = emissions.device
    valid = torch.from_numpy(valid_transitions(n_labels)).to(device)
    first = torch.from_numpy(valid_first(n_labels)).to(device)
    of_blank = torch.from_numpy(blank_scores(n_labels)).to(emissions)
    emissions = torch.where(torch.from_numpy(is_blank).to(device)[:, None], of_blank, emissions)
    steps = torch.where(valid, pad(transitions, (0, 1, 0, 1)), NEVER)
    parts = pad(emissions, (0, 1), value=NEVER).split([len(tags) for tags in gold])
    given = [(part, tags) for part, tags in zip(parts, gold) if (tags != MISSING).any()]
    free, tags = _pad_docs(given)
    agrees = one_hot(tags.clamp(min=0), free.shape[2]).bool()
    forced = torch.where(agrees | (tags == MISSING)[..., None], free, NEVER)
    likelihood = _log_partition(forced, steps, first) - _log_partition(free, steps, first)
    return -likelihood.sum() / sum(len(part) for part, _ in given)


def _pad_docs(
    docs: list[tuple[torch.Tensor, numpy.ndarray]],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Bring docs to one length, at least one longer than theirs: behind each comes the end tag.

    docs (list[tuple[Tensor, ndarray]]): Scores, (n_words, n_tags + 1), and gold tags, (n_words,).
    RETURNS (tuple[Tensor, Tensor]): Scores, (n_docs, n_steps, n_tags + 1), and gold tags, MISSING
        behind each doc, (n_docs, n_steps).
    """
    scores = docs[0][0]
    end = scores.new_full((1, scores.shape[1]), NEVER)
    end[0, -1] = 0.0
    n_steps = 1 + max(len(part) for part, _ in docs)
    padded = [torch.cat([part, end.expand(n_steps - len(part), -1)]) for part, _ in docs]
    tags = torch.full((len(docs), n_steps), MISSING)
    for row, (_, gold) in zip(tags, docs):
        row[: len(gold)] = torch.from_numpy(gold)
    return torch.stack(padded), tags.to(scores.device)


def _log_partition(scores: torch.Tensor, steps: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """RETURNS (Tensor): Log of the summed potentials of all valid sequences, (n_docs,)."""
    alpha = scores[:, 0] + torch.where(first, 0.0, NEVER)
    for t in range(1, scores.shape[1]):
        alpha = torch.logsumexp(alpha[:, :, None] + steps, dim=1) + scores[:, t]
    return torch.logsumexp(alpha, dim=1)
