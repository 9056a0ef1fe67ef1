"""Reference summaries and gold sentences on the reference doc of an example."""

from typing import Any, Dict, Iterable, List

import numpy
from spacy.training import Example

from .rouge import score_summary
from .sentences import sentences_of

REFERENCES = "spacy_bert_suite.summaries"  # key in user_data; List[str]


def references_of(eg: Example, spans_key: str) -> List[str]:
    """RETURNS (List[str]): The reference summaries or, without any, the gold sentences as one."""
    references = eg.reference.user_data.get(REFERENCES)
    if references:
        return list(references)
    gold = eg.reference.spans.get(spans_key) or ()
    return [" ".join(span.text for span in gold)] if len(gold) else []


def has_summary(eg: Example, spans_key: str) -> bool:
    return bool(references_of(eg, spans_key))


def gold_labels(eg: Example, spans_key: str, *, is_given: bool = True) -> numpy.ndarray:
    """Whether the sentences of the predicted doc are gold. Both docs may be tokenized and cut into
    sentences differently: a sentence is gold if at least half of its characters are.

    is_given (bool): Whether the example has gold for the component.
    RETURNS (ndarray): 1, 0, or NaN where nothing is given, (n_sentences,) float32.
    """
    sentences = sentences_of(eg.predicted)
    if not is_given:
        return numpy.full(len(sentences), numpy.nan, dtype="float32")
    is_gold = numpy.zeros(len(eg.predicted.text) + 1, dtype=bool)
    for span in eg.reference.spans[spans_key]:
        is_gold[span.start_char : span.end_char] = True
    shares = [is_gold[sent.start_char : sent.end_char].mean() for sent in sentences]
    return (numpy.asarray(shares) >= 0.5).astype("float32")


def score_summaries(
    examples: Iterable[Example], *, spans_key: str = "summary", **cfg: Any
) -> Dict[str, Any]:
    """F1 of ROUGE-1, ROUGE-2 and ROUGE-L against the reference that fits best, the mean over the
    docs (`summary_rouge1`, `summary_rouge2`, `summary_rougeL`); nothing without references.
    """
    scores = []
    for eg in examples:
        references = references_of(eg, spans_key)
        if references:
            scores.append(score_summary(eg.predicted._.summary or "", references))
    if not scores:
        return {}
    return {
        f"summary_{key}": float(numpy.mean([score[key] for score in scores])) for key in scores[0]
    }
