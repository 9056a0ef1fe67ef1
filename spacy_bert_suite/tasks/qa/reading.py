"""Questions and texts through the model, many at a time: what is found in each text."""

from collections.abc import Sequence

from thinc.api import Model

from ...backbone.passes.pairs import TextPair
from ...core.batching import run_in_batches
from .answers import Asked
from .logits import PairLogits
from .spans import SpanCandidates, extract_candidates, score_spans

# Characters of texts and questions in one pass; four make about one wordpiece.
READ_AT_ONCE = 262_144


def read_candidates(
    model: Model[list[TextPair], PairLogits],
    pairs: Sequence[Asked],
    max_pieces: int,
    n_best: int,
) -> list[SpanCandidates]:
    """Find the best spans for pairs of a Doc and a question. A question and a text that come twice
    are read once.

    max_pieces (int): Most wordpieces in an answer.
    n_best (int): Most candidates for each pair.
    RETURNS (list[SpanCandidates]): One for each pair.
    """
    places: dict[TextPair, list[int]] = {}
    for place, (doc, question) in enumerate(pairs):
        places.setdefault((question, doc.text), []).append(place)

    def read(batch: list[TextPair]) -> list[list[SpanCandidates]]:
        scores = score_spans(model.predict(batch), max_pieces)
        return [
            [extract_candidates(spans, pairs[place][0], n_best) for place in places[texts]]
            for texts, spans in zip(batch, scores)
        ]

    found = run_in_batches(read, list(places), _n_characters, budget=READ_AT_ONCE)
    by_place = {
        place: candidates
        for texts, of_docs in zip(places, found)
        for place, candidates in zip(places[texts], of_docs)
    }
    return [by_place[place] for place in range(len(pairs))]


def _n_characters(texts: TextPair) -> int:
    return len(texts[0]) + len(texts[1]) + 1
