"""A threshold for each label, tuned on the dev corpus."""

from collections.abc import Callable, Iterable

import numpy
from spacy.language import Language
from spacy.training import Corpus, Example

from ...heads.tuning import before_saving


def best_threshold(predicted: numpy.ndarray, is_gold: numpy.ndarray) -> float:
    """RETURNS (float): The cut with the best F1, half-way between two predictions."""
    order = numpy.argsort(-predicted, kind="stable")
    predicted, is_gold = predicted[order], is_gold[order]
    n_chosen = numpy.arange(1, len(order) + 1)
    f1 = 2 * numpy.cumsum(is_gold) / (n_chosen + is_gold.sum())
    below = numpy.append(predicted[1:], 0.0)
    f1[predicted == below] = -1.0  # no cut lies between equal predictions
    best = int(f1.argmax())
    return float((predicted[best] + below[best]) / 2)


def make_tune_thresholds(path: str) -> Callable[[Language], Language]:
    """Registered as the callback "spacy-bert-suite.tune_thresholds.v1", for
    `training.before_to_disk`: tunes the thresholds of every `bert_textcat_multilabel` before
    the pipeline is saved.

    path (str): Development texts, as for `spacy.Corpus.v1`.
    """
    return before_saving("tune_thresholds", lambda nlp: annotated(Corpus(path)(nlp), nlp))


def annotated(examples: Iterable[Example], nlp: Language) -> list[Example]:
    """RETURNS (list[Example]): The same, with docs that the pipeline has annotated."""
    examples = list(examples)
    docs = nlp.pipe(eg.predicted.copy() for eg in examples)
    return [Example(doc, eg.reference) for doc, eg in zip(docs, examples)]
