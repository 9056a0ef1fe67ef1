"""Fingerprints of pipelines, to compare the vectors that they make."""

import numpy
from spacy.language import Language

from ..vectors.norms import unit
from .record import vector_of

PROBE = "On 7 May the quick brown fox jumped over a lazy dog, by the frozen harbour of Oslo."
N_VALUES = 32
SAME = 0.995  # cosine; that of one pipeline in bfloat16 and float32 is nearer to 1


def fingerprint_of(nlp: Language) -> str:
    """RETURNS (str): The first values of the vector of a sentence; "" if there is none."""
    doc = nlp(PROBE)
    try:
        vector = vector_of(doc)
    except ValueError:
        return ""
    return " ".join(f"{value:.4f}" for value in unit(vector)[:N_VALUES])


def likeness(first: str, second: str) -> float | None:
    """RETURNS (float | None): Cosine of two fingerprints; None if one of them is not known."""
    if not first or not second:
        return None
    values = [numpy.array(text.split(), dtype="float32") for text in (first, second)]
    if len(values[0]) != len(values[1]):
        return 0.0
    one, other = unit(numpy.stack(values))
    return float(one @ other)
