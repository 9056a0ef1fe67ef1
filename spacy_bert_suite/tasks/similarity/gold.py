"""Which pairs a loss learns from."""

import warnings
from collections.abc import Sequence

from spacy.training import Example

from ...data.pairs import PairAnnotation, belongs_together, get_pair
from ...data.questions import get_question
from ...errors import CodedValueError, Errors, Warnings

NEEDS = {
    "score": "pairs with a score",
    "label": "pairs with a label",
    "positive": "pairs of texts that belong together",
    "negative": "triplets: an anchor, a positive and a negative",
}


def check_gold(
    pairs: Sequence[PairAnnotation], is_gold: Sequence[bool], needs: str, name: str
) -> None:
    """is_gold (Sequence[bool]): Whether the loss learns from each pair.
    needs (str): A key of `NEEDS`.
    name (str): The component.
    RAISES (ValueError): If there are pairs, but none that the loss learns from. If some of those
        that are to belong together do not, there is a warning.
    """
    if pairs and not any(is_gold):
        raise CodedValueError(Errors.B067.format(name=name, needs=NEEDS[needs]))
    if needs in ("positive", "negative"):
        n = sum(not belongs_together(pair) for pair in pairs)
        if n:
            message = Warnings.B905.format(name=name, n=n, n_all=len(pairs))
            warnings.warn(message, stacklevel=3)


def is_for_two_texts(eg: Example) -> bool:
    """RETURNS (bool): Whether some component reads it in a pass of its own, with another text."""
    return get_pair(eg) is not None or get_question(eg) is not None
