"""Which labels of pairs say yes, and whether they can be told."""

from collections.abc import Collection, Sequence

from ...core.validation import check_config
from ...data.pairs import POSITIVE, is_positive
from ...errors import CodedValueError, Errors


def positive_columns(labels: Sequence[str], label: str | None, name: str) -> list[int]:
    """Find the classes by which search results are ranked.

    labels (Sequence[str]): All classes; none where there is one probability.
    label (str | None): The one that counts; None for those whose names say yes.
    name (str): The component, for errors.
    RETURNS (list[int]): Places in `labels`.
    RAISES (ValueError): If there is no such class, or no name tells which says yes.
    """
    if label is not None:
        expected = f"one of its classes ({', '.join(labels)})" if labels else "None"
        check_config(name, "label", label, label in labels, expected)
        return [labels.index(label)]
    columns = [i for i, each in enumerate(labels) if is_positive(each)]
    is_clear = 0 < len(columns) < len(labels) and not are_numbered(labels)
    if labels and not is_clear:
        raise CodedValueError(Errors.B249.format(name=name, labels=", ".join(labels)))
    return columns


def check_both(name: str, labels: set[str]) -> None:
    """RAISES (ValueError): If all labels mean yes or all mean no, or they are numbers of classes:
    what would be learnt is a constant, or something else than was meant.
    """
    n_sides = len({is_positive(label) for label in labels})
    if labels and (n_sides < 2 or are_numbered(labels)):
        found, positive = ", ".join(sorted(labels)), ", ".join(POSITIVE)
        raise CodedValueError(Errors.B073.format(name=name, found=found, positive=positive))


def are_numbered(labels: Collection[str]) -> bool:
    """RETURNS (bool): Whether there are three labels or more, all numbers: then 1 is not "yes",
    but the second class.
    """
    return len(labels) > 2 and all(label.removesuffix(".0").isdigit() for label in labels)
