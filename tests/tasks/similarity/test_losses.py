"""Losses of pairs, against values worked out by hand."""

import math

import pytest
import torch

from spacy_bert_suite.tasks.similarity import losses

A = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
B = torch.tensor([[0.6, 0.8], [0.0, 1.0]])  # cosines with A: 0.6 and 1
C = torch.tensor([[0.0, 1.0], [1.0, 0.0]])  # cosines with A: 0 and 0


def batch(others, scores=(0.0, 0.0), labels=(0, 0)):
    vectors = [row for texts in zip(A, *others) for row in texts]
    return losses.make_batch(torch.stack(vectors), [1 + len(others)] * 2, scores, labels)


def value(loss, *args):
    return float(loss(*args).detach())


def test_cosine_similarity():
    found = value(losses.CosineSimilarityLoss(), batch([B], scores=[0.5, 0.8]))
    assert found == pytest.approx((0.1**2 + 0.2**2) / 2)


def test_cosent():
    loss = losses.CoSENTLoss(scale=2.0)
    wrong = value(loss, batch([B], scores=[0.9, 0.1]))  # the first ought to be nearer
    assert wrong == pytest.approx(math.log(1 + math.exp(2 * (1.0 - 0.6))))
    right = value(loss, batch([B], scores=[0.1, 0.9]))
    assert right == pytest.approx(math.log(1 + math.exp(2 * (0.6 - 1.0))))
    assert value(loss, batch([B], scores=[0.5, 0.5])) == 0.0


def cross_entropy(logits, own):
    return math.log(sum(map(math.exp, logits))) - logits[own]


def test_multiple_negatives_ranking():
    rows = [[0.6, 0.0], [0.8, 1.0]]  # cosines of each anchor with the two positives
    forth = (cross_entropy(rows[0], 0) + cross_entropy(rows[1], 1)) / 2
    loss = losses.MultipleNegativesRankingLoss(scale=1.0)
    assert value(loss, batch([B])) == pytest.approx(forth, abs=1e-6)
    columns = [[0.6, 0.8], [0.0, 1.0]]
    back = (cross_entropy(columns[0], 0) + cross_entropy(columns[1], 1)) / 2
    loss = losses.MultipleNegativesRankingLoss(scale=1.0, symmetric=True)
    assert value(loss, batch([B])) == pytest.approx((forth + back) / 2, abs=1e-6)


def test_multiple_negatives_ranking_with_negatives():
    rows = [[0.6, 0.0, 0.0, 1.0], [0.8, 1.0, 1.0, 0.0]]
    expected = (cross_entropy(rows[0], 0) + cross_entropy(rows[1], 1)) / 2
    loss = losses.MultipleNegativesRankingLoss(scale=1.0)
    assert value(loss, batch([B, C])) == pytest.approx(expected, abs=1e-6)


def test_softmax():
    classifier = torch.nn.Linear(6, 2)
    found = value(losses.SoftmaxLoss(), batch([B], labels=[0, 1]), classifier)
    features = torch.cat([A, B, (A - B).abs()], dim=1)
    expected = torch.nn.functional.cross_entropy(classifier(features), torch.tensor([0, 1]))
    assert found == pytest.approx(float(expected.detach()))
    with pytest.raises(ValueError, match="B062"):
        losses.SoftmaxLoss()(batch([B]))


def test_triplet():
    cosine = losses.TripletLoss(margin=0.5, distance="cosine")
    # 1 - 0.6 against 1 - 0, and 1 - 1 against 1 - 0
    assert value(cosine, batch([B, C])) == 0.0
    assert value(cosine, batch([C, B])) == pytest.approx(((1 - 0.4 + 0.5) + (1 - 0 + 0.5)) / 2)
    euclidean = losses.TripletLoss(margin=1.0)
    near, far = math.hypot(0.4, 0.8), math.sqrt(2)
    expected = (max(0, near - far + 1) + max(0, 0 - far + 1)) / 2
    assert value(euclidean, batch([B, C])) == pytest.approx(expected, abs=1e-5)


def test_matryoshka():
    inner = losses.CosineSimilarityLoss()
    loss = losses.MatryoshkaLoss(inner, [2, 1], weights=[1.0, 0.5])
    pairs = batch([torch.tensor([[-0.6, 0.8], [1.0, 0.0]])], scores=[0.0, 0.0])
    whole = (0.6**2 + 0.0**2) / 2
    first = (1.0 + 0.0) / 2  # cosines of the first dimension alone are -1 and, of zero, 0
    assert value(loss, pairs) == pytest.approx(whole + 0.5 * first)


def test_matryoshka_over_a_classifier():
    """It reads the columns that belong to the first dimensions of u, v and |u - v|."""
    classifier = torch.nn.Linear(6, 3)
    short = torch.nn.Linear(3, 3)
    short.load_state_dict({"weight": classifier.weight[:, [0, 2, 4]], "bias": classifier.bias})
    pairs = batch([B], labels=[2, 0])
    u, v = torch.tensor([[1.0], [0.0]]), torch.tensor([[1.0], [0.0]])  # 1 and 0.6 at length one
    logits = short(torch.cat([u, v, (u - v).abs()], dim=1))
    first = torch.nn.functional.cross_entropy(logits, torch.tensor([2, 0]))
    whole = losses.SoftmaxLoss()(pairs, classifier)
    found = losses.MatryoshkaLoss(losses.SoftmaxLoss(), [2, 1], [1.0, 0.5])(pairs, classifier)
    assert value(lambda: found) == pytest.approx(float((whole + 0.5 * first).detach()), abs=1e-6)


INNER = [
    losses.CosineSimilarityLoss(),
    losses.CoSENTLoss(),
    losses.MultipleNegativesRankingLoss(),
    losses.TripletLoss(),
]


@pytest.mark.parametrize("inner", INNER, ids=["cosine", "cosent", "ranking", "triplet"])
def test_matryoshka_equals_the_loss_of_cut_vectors(inner):
    torch.manual_seed(0)
    vectors = torch.randn(6, 5)
    cut = torch.nn.functional.normalize(vectors[:, :3], dim=1)
    gold = ([3, 3], [0.2, 0.9], [0, 0])
    loss = losses.MatryoshkaLoss(inner, [3])
    expected = value(inner, losses.make_batch(cut, *gold))
    assert value(loss, losses.make_batch(vectors, *gold)) == pytest.approx(expected, abs=1e-6)


def test_matryoshka_of_more_dimensions_than_there_are():
    loss = losses.MatryoshkaLoss(losses.CosineSimilarityLoss(), [2, 3])
    with pytest.raises(ValueError, match="B076.*first 3.*have 2"):
        loss(batch([B]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: losses.CoSENTLoss(scale=0),
        lambda: losses.MultipleNegativesRankingLoss(scale=-1),
        lambda: losses.TripletLoss(distance="manhattan"),
        lambda: losses.TripletLoss(margin=0),
        lambda: losses.MatryoshkaLoss(losses.CoSENTLoss(), []),
        lambda: losses.MatryoshkaLoss(losses.CoSENTLoss(), [4, 2], [1.0]),
    ],
)
def test_wrong_values(make):
    with pytest.raises(ValueError, match="B022"):
        make()
