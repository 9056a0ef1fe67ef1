"""The temperature of probabilities, tuned on the dev corpus."""

from collections.abc import Callable

import numpy
from spacy.language import Language

from ...data.pairs import read_examples
from ...heads.tuning import before_saving


def best_temperature(loss_of: Callable[[float], float]) -> float:
    """RETURNS (float): The temperature from 0.05 to 20 with the least loss, by golden section."""
    from scipy.optimize import minimize_scalar

    bounds = numpy.log([0.05, 20.0])
    found = minimize_scalar(lambda x: loss_of(float(numpy.exp(x))), bounds=bounds, method="bounded")
    return float(numpy.exp(found.x))


def make_calibrate(path: str, max_score: float = 1.0) -> Callable[[Language], Language]:
    """Registered as the callback "spacy-bert-suite.calibrate.v1", for `training.before_to_disk`:
    fits the temperature of every `bert_paraphrase` before the pipeline is saved.

    path (str): Development pairs: a `.spacy` corpus, or a file as for `PairCorpus.v1`.
    max_score (float): What the highest score is in such a file, as for `PairCorpus.v1`.
    """
    return before_saving("calibrate", lambda nlp: read_examples(path, nlp, max_score))
