"""Oracle labels: the sentences that maximize ROUGE against a reference summary."""

from collections import Counter
from collections.abc import Sequence

from ...core.words import words_of
from .rouge import count_ngrams, f1


def choose_oracle(
    sentences: Sequence[str], references: Sequence[str], max_sentences: int = 0
) -> list[int]:
    """Choose sentences greedily, each time the one that adds most to ROUGE-1 + ROUGE-2 F1, until
    none adds anything (Nallapati et al. 2017; Liu and Lapata 2019).

    sentences (Sequence[str]): The sentences of the text.
    references (Sequence[str]): Its summaries; the one that can be met best counts.
    max_sentences (int): Most sentences to choose, 0 for no limit.
    RETURNS (list[int]): Indices in the order of the text; none where no word is shared.
    """
    words = [words_of(sentence) for sentence in sentences]
    found = [_choose(words, words_of(reference), max_sentences) for reference in references]
    return max(found, key=lambda result: result[0], default=(0.0, []))[1]


def _choose(
    sentences: Sequence[Sequence[str]], reference: Sequence[str], max_sentences: int
) -> tuple[float, list[int]]:
    chosen: list[int] = []
    summary = _Overlap(reference)
    counts = [[count_ngrams(sentence, n) for n in (1, 2)] for sentence in sentences]
    # A sentence without a word of the reference only costs.
    useful = [i for i, (words, _) in enumerate(counts) if words & summary.targets[0]]
    best = 0.0
    while useful and not (max_sentences and len(chosen) >= max_sentences):
        scores = [summary.score_with(counts[i]) for i in useful]
        highest = max(scores)
        if highest <= best:
            break
        best = highest
        chosen.append(useful.pop(scores.index(highest)))
        summary.add(counts[chosen[-1]])
    return best, sorted(chosen)


class _Overlap:
    """N-grams of a growing summary, against those of a reference. Pairs do not cross sentences."""

    def __init__(self, reference: Sequence[str]):
        self.targets = [count_ngrams(reference, n) for n in (1, 2)]
        self.sizes = [target.total() for target in self.targets]
        self.hits: list[Counter] = [Counter(), Counter()]
        self.n_own = [0, 0]

    def score_with(self, counts: Sequence[Counter]) -> float:
        total = 0.0
        for i, target in enumerate(self.targets):
            hits, new = self.hits[i], counts[i]
            # Only n-grams of the new sentence can change the overlap.
            more = sum(min(n, target[g] - hits[g]) for g, n in new.items() if target[g] > hits[g])
            total += f1(hits.total() + more, self.n_own[i] + new.total(), self.sizes[i])
        return total

    def add(self, counts: Sequence[Counter]) -> None:
        for i, target in enumerate(self.targets):
            for gram, n in counts[i].items():
                room = target[gram] - self.hits[i][gram]
                if room > 0:
                    self.hits[i][gram] += min(n, room)
            self.n_own[i] += counts[i].total()
