"""Sentence selection by centrality and maximal marginal relevance."""

import numpy


def measure_centrality(vectors: numpy.ndarray) -> numpy.ndarray:
    """Degree centrality (Erkan and Radev 2004) without a threshold: the mean cosine of each
    sentence with all others. Time and memory grow with the number of sentences, not its square.

    vectors (ndarray): (n, width) of length one.
    RETURNS (ndarray): (n,) float32; 1 for a single sentence.
    """
    if len(vectors) < 2:
        return numpy.ones(len(vectors), dtype="float32")
    own = (vectors**2).sum(axis=1)
    return ((vectors @ vectors.sum(axis=0) - own) / (len(vectors) - 1)).astype("float32")


def choose_by_mmr(
    vectors: numpy.ndarray, relevance: numpy.ndarray, k: int, diversity: float
) -> list[int]:
    """Maximal marginal relevance (Carbonell and Goldstein 1998): choose the sentence with the
    highest relevance, less its likeness to the most similar one that is chosen already.

    vectors (ndarray): (n, width) of length one.
    relevance (ndarray): (n,); scaled here so that it goes from 0 to 1.
    k (int): Sentences to choose, at most n.
    diversity (float): Weight of the likeness, from 0 (only relevance) to 1.
    RETURNS (list[int]): Indices in the order of choice.
    """
    spread = float(numpy.ptp(relevance)) or 1.0
    gains = (1 - diversity) * (relevance - relevance.min()) / spread
    closest = numpy.zeros(len(vectors), dtype="float32")
    is_left = numpy.ones(len(vectors), dtype=bool)
    chosen: list[int] = []
    for _ in range(k):
        values = numpy.where(is_left, gains - diversity * closest, -numpy.inf)
        chosen.append(int(values.argmax()))
        is_left[chosen[-1]] = False
        closest = numpy.maximum(closest, vectors @ vectors[chosen[-1]])
    return chosen
