"""Losses on the vectors of text pairs.

Each registered function returns a loss: called with a `PairBatch` and, where it needs one, a
classifier of pairs, it gives the mean loss of the batch. `needs` says which gold it learns from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch.nn.functional import cosine_similarity, cross_entropy, normalize, pad, relu

from ...core.validation import check_choice, check_config
from ...errors import CodedValueError, Errors

DISTANCES = ("euclidean", "cosine")
Classifier = torch.nn.Module | None


@dataclass(frozen=True)
class PairBatch:
    """Vectors and gold of a batch.

    anchors (Tensor): (n, width).
    others (list[Tensor]): Of each anchor its other texts, (n_others, width): the second text of
        a pair, or the positive and then the negatives.
    scores (Tensor): (n,) similarity of pairs from 0 to 1; not used by losses without scores.
    labels (Tensor): (n,) class of pairs, int64; the same.
    """

    anchors: torch.Tensor
    others: list[torch.Tensor]
    scores: torch.Tensor
    labels: torch.Tensor

    @property
    def seconds(self) -> torch.Tensor:
        return torch.stack([others[0] for others in self.others])  # (n, width)


@dataclass(frozen=True)
class PairLoss:
    """needs (str): "score", "label", "positive" (two texts that belong together) or "negative"
    (a third one that does not).
    n_dims (int): Dimensions that the vectors must have at least.
    """

    needs: str
    function: Callable[..., torch.Tensor]
    n_dims: int = 0

    def __call__(self, batch: PairBatch, classifier: Classifier = None) -> torch.Tensor:
        self.check_width(batch.anchors.shape[1])
        return self.function(batch, classifier)

    def check_width(self, width: int) -> None:
        """RAISES (ValueError): If vectors of this width have too few dimensions."""
        if self.n_dims > width:
            raise CodedValueError(Errors.B076.format(n_dims=self.n_dims, width=width))


def CosineSimilarityLoss() -> PairLoss:
    """Registered as "spacy-bert-suite.CosineSimilarity.v1": squared difference between the
    cosine and the score (Reimers and Gurevych 2019, "regression objective").
    """

    return PairLoss("score", cosine_loss)


def cosine_loss(batch: PairBatch, classifier: Classifier) -> torch.Tensor:
    return (cosine_similarity(batch.anchors, batch.seconds) - batch.scores).square().mean()


def CoSENTLoss(scale: float = 20.0) -> PairLoss:
    """Registered as "spacy-bert-suite.CoSENT.v1": log(1 + sum exp(scale * (cos_j - cos_i))) over
    all i, j of the batch where pair i has the higher score (Su 2022).

    scale (float): Inverse temperature.
    """
    check_config("CoSENT", "scale", scale, scale > 0, "above 0")
    return PairLoss("score", partial(cosent_loss, scale=scale))


def cosent_loss(batch: PairBatch, classifier: Classifier, *, scale: float) -> torch.Tensor:
    cosines = cosine_similarity(batch.anchors, batch.seconds) * scale
    differences = cosines[None, :] - cosines[:, None]  # (i, j)
    is_higher = batch.scores[:, None] > batch.scores[None, :]
    return torch.cat([cosines.new_zeros(1), differences[is_higher]]).logsumexp(dim=0)


def MultipleNegativesRankingLoss(scale: float = 20.0, symmetric: bool = False) -> PairLoss:
    """Registered as "spacy-bert-suite.MultipleNegativesRanking.v1": every other text of the batch
    is a negative for an anchor, its own negatives included (Henderson et al. 2017).

    scale (float): Inverse temperature on the cosine.
    symmetric (bool): Also find the anchor of each positive among all anchors, and take the mean.
    """
    check_config("MultipleNegativesRanking", "scale", scale, scale > 0, "above 0")
    return PairLoss("positive", partial(ranking_loss, scale=scale, symmetric=symmetric))


def ranking_loss(
    batch: PairBatch, classifier: Classifier, *, scale: float, symmetric: bool
) -> torch.Tensor:
    positives = batch.seconds
    negatives = [others[1:] for others in batch.others]
    candidates = normalize(torch.cat([positives, *negatives]), dim=1)
    logits = normalize(batch.anchors, dim=1) @ candidates.T * scale
    n = len(positives)
    own = torch.arange(n, device=logits.device)
    loss = cross_entropy(logits, own)
    return (loss + cross_entropy(logits[:, :n].T, own)) / 2 if symmetric else loss


def SoftmaxLoss() -> PairLoss:
    """Registered as "spacy-bert-suite.Softmax.v1": cross-entropy of a linear layer over u, v and
    |u - v| for the class of a pair (Reimers and Gurevych 2019, "classification objective").
    """
    return PairLoss("label", softmax_loss)


def softmax_loss(batch: PairBatch, classifier: Classifier) -> torch.Tensor:
    if classifier is None:
        raise CodedValueError(Errors.B062)
    return cross_entropy(classifier(pair_features(batch)), batch.labels)


def pair_features(batch: PairBatch) -> torch.Tensor:
    """RETURNS (Tensor): u, v and |u - v|. *Shape:* ``(n, 3 * width)``"""
    u, v = batch.anchors, batch.seconds
    return torch.cat([u, v, (u - v).abs()], dim=1)


def TripletLoss(margin: float = 1.0, distance: str = "euclidean") -> PairLoss:
    """Registered as "spacy-bert-suite.Triplet.v1": an anchor shall be nearer to its positive than
    to each of its negatives by a margin (Reimers and Gurevych 2019, "triplet objective").

    margin (float): In units of the distance.
    distance (str): "euclidean", or "cosine" for 1 - cosine.
    """
    check_choice("Triplet", "distance", distance, DISTANCES)
    check_config("Triplet", "margin", margin, margin > 0, "above 0")
    return PairLoss("negative", partial(triplet_loss, margin=margin, distance=distance))


def triplet_loss(
    batch: PairBatch, classifier: Classifier, *, margin: float, distance: str
) -> torch.Tensor:
    n_negatives = torch.tensor([len(others) - 1 for others in batch.others])
    rows = torch.arange(len(batch.others)).repeat_interleave(n_negatives)
    rows = rows.to(batch.anchors.device)
    negatives = torch.cat([others[1:] for others in batch.others])
    near = distances(batch.anchors, batch.seconds, distance)[rows]
    return relu(near - distances(batch.anchors[rows], negatives, distance) + margin).mean()


def distances(first: torch.Tensor, second: torch.Tensor, kind: str) -> torch.Tensor:
    if kind == "cosine":
        return 1 - cosine_similarity(first, second)
    return (first - second).square().sum(dim=1).clamp(min=1e-12).sqrt()


def MatryoshkaLoss(loss: PairLoss, dims: list[int], weights: list[float] | None = None) -> PairLoss:
    """Registered as "spacy-bert-suite.Matryoshka.v1": the sum of another loss over the first so
    many dimensions of the vectors (Kusupati et al. 2022). It then pays to set `truncate_dim`.

    loss (PairLoss): Any other one. A classifier of pairs is the same for all numbers of dimensions.
    dims (list[int]): Numbers of dimensions, such as [384, 192, 96], of which none is above the
        width of the vectors.
    weights (list[float] | None): Weight of each; all 1 by default.
    """
    factors = weights or [1.0] * len(dims)
    owner = "Matryoshka"
    check_config(owner, "dims", dims, len(dims) > 0 and min(dims) > 0, "above 0")
    check_config(owner, "weights", weights, len(factors) == len(dims), "one for each of dims")
    function = partial(matryoshka_loss, loss=loss, dims=dims, weights=factors)
    return PairLoss(loss.needs, function, max(dims))


def matryoshka_loss(
    batch: PairBatch,
    classifier: Classifier,
    *,
    loss: PairLoss,
    dims: list[int],
    weights: list[float],
) -> torch.Tensor:
    parts = [w * loss(shortened(batch, dim), classifier) for w, dim in zip(weights, dims)]
    return torch.stack(parts).sum()


def shortened(batch: PairBatch, dim: int) -> PairBatch:
    """RETURNS (PairBatch): The batch with the first `dim` dimensions, at length one again, and
    zeros for the others: these change no distance, and a classifier reads the width that it has.
    """

    def shorten(vectors: torch.Tensor) -> torch.Tensor:
        return pad(normalize(vectors[:, :dim], dim=1), (0, vectors.shape[1] - dim))

    others = [shorten(vectors) for vectors in batch.others]
    return replace(batch, anchors=shorten(batch.anchors), others=others)


def make_batch(
    vectors: torch.Tensor,
    n_texts: Sequence[int],
    scores: Sequence[float],
    labels: Sequence[int],
) -> PairBatch:
    """vectors (Tensor): Of all texts, example by example, the anchor first. (n_texts, width)
    n_texts (Sequence[int]): Texts of each example.
    """
    parts = vectors.split(list(n_texts))
    return PairBatch(
        torch.stack([part[0] for part in parts]),
        [part[1:] for part in parts],
        torch.tensor(scores, dtype=vectors.dtype, device=vectors.device),
        torch.tensor(labels, device=vectors.device),
    )
