"""Labels of a checkpoint's outputs; the tags and schemes of token classifiers."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch

from ..core.validation import check_choice
from ..errors import CodedValueError, Errors
from ..tasks.ner.biluo import NEVER
from ..tasks.ner.schemes import PART_OF, make_tags

NAMELESS = re.compile(r"LABEL_\d+")
# A part before a label, B-PER, or behind it, PER-B.
PREFIXED = re.compile(r"(?P<part>[BIMELSUW])[-_.:](?P<label>.+)", re.IGNORECASE)
SUFFIXED = re.compile(r"(?P<label>.+)[-_.:](?P<part>[BIMELSUW])", re.IGNORECASE)
OUTSIDE = "O"
Tag = tuple[str, str]  # part and label
# problem_type in config.json
REGRESSION = "regression"
MULTILABEL = "multi_label_classification"


class Tagging(NamedTuple):
    """What the outputs of a token classifier stand for.

    labels (list[str]): Labels of entities, in the order of the outputs.
    scheme (str): See `schemes.py`.
    rows (list[int]): For each tag of the scheme the output that scores it; -1 for none.
    """

    labels: list[str]
    scheme: str
    rows: list[int]


def read_names(
    own: Mapping[int, str], given: Sequence[str] | None, n_outputs: int, path: str
) -> list[str]:
    """Names of the outputs in their order.

    own (Mapping[int, str]): Those in the folder's config, by the number of the output.
    given (Sequence[str] | None): Those that the user gives instead.
    RAISES (ValueError): If they are not one for each output, or say nothing (LABEL_0).
    """
    names = names_in_order(own, given, n_outputs, path)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise CodedValueError(Errors.B226.format(path=path, reason=f"'{twice}' occurs twice"))
    if given is None and is_nameless(names):
        raise CodedValueError(Errors.B224.format(path=path, n=n_outputs, found=", ".join(names)))
    return names


def names_in_order(
    own: Mapping[int, str], given: Sequence[str] | None, n_outputs: int, path: str
) -> list[str]:
    """As `read_names`, but for names that may say nothing."""
    names = dict(own if given is None else enumerate(given))
    are_texts = all(isinstance(name, str) and name for name in names.values())
    if sorted(names) != list(range(n_outputs)) or not are_texts:
        found = ", ".join(f"{i}: {name}" for i, name in names.items())
        raise CodedValueError(Errors.B225.format(path=path, n=n_outputs, found=found))
    return [names[i] for i in range(n_outputs)]


def refuse_numbers(problem_type: str | None, n_outputs: int, path: str) -> None:
    """RAISES (ValueError): If a checkpoint predicts numbers where classes are needed."""
    if problem_type == REGRESSION:
        raise CodedValueError(Errors.B233.format(path=path, n=n_outputs))


def is_nameless(names: Sequence[str]) -> bool:
    return all(NAMELESS.fullmatch(name) for name in names)


def read_tagging(names: Sequence[str], scheme: str | None, path: str) -> Tagging:
    """Find out how a token classifier writes entities.

    names (Sequence[str]): Of the outputs: "O", and "B-PER" or "PER" and so on, in any order.
    scheme (str | None): Given where the names leave it open.
    RETURNS (Tagging): Labels, scheme and outputs.
    RAISES (ValueError): If these are no tags of entities, or not of that scheme.
    """
    outside = next((name for name in (OUTSIDE, OUTSIDE.lower()) if name in names), None)
    others = [name for name in names if name != outside]
    tags = _split(others, path)
    if outside is None or not tags:
        raise CodedValueError(Errors.B227.format(path=path, found=", ".join(names)))
    labels = list(dict.fromkeys(label for _, label in tags))
    possible = _possible_schemes(tags)
    scheme = possible[0] if scheme is None else scheme
    check_choice(path, "scheme", scheme, possible)
    if len(set(tags)) < len(tags):
        raise CodedValueError(Errors.B226.format(path=path, reason="two labels name the same tag"))
    places = {f"{part}-{label}": names.index(name) for (part, label), name in zip(tags, others)}
    places[OUTSIDE] = names.index(outside)
    return Tagging(labels, scheme, [places.get(tag, -1) for tag in make_tags(labels, scheme)])


def _split(names: Sequence[str], path: str) -> list[Tag]:
    """Part and label of each name; names without parts are runs of one label.

    RAISES (ValueError): If some look like tags and others do not, or no label is named.
    """
    for pattern in (PREFIXED, SUFFIXED):
        tags = _matching(pattern, names)
        begins = any(part in "BI" for part, _ in tags)
        if len(tags) == len(names) and begins and (pattern is PREFIXED or _have_parts(tags)):
            return tags
        is_hyphened = any(name.upper().startswith(("B-", "I-")) for name in names)
        if begins and (_have_parts(tags) or (pattern is PREFIXED and is_hyphened)):
            plain = next(name for name in names if not pattern.fullmatch(name))
            raise CodedValueError(
                Errors.B226.format(path=path, reason=f"'{plain}' has no B- or I-")
            )
    if len(names) > 1 and {name.upper() for name in names} <= PART_OF.keys():
        reason = f"'{names[0]}' names no label, as B-PERSON would"
        raise CodedValueError(Errors.B226.format(path=path, reason=reason))
    return [("I", name) for name in names]


def _matching(pattern: "re.Pattern[str]", names: Sequence[str]) -> list[Tag]:
    matches = filter(None, map(pattern.fullmatch, names))
    return [(PART_OF[match["part"].upper()], match["label"]) for match in matches]


def _have_parts(tags: Sequence[Tag]) -> bool:
    """RETURNS (bool): Whether a label has several parts. VITAMIN-B and B_CELL are no tags."""
    return max(Counter(label for _, label in set(tags)).values(), default=0) > 1


def _possible_schemes(tags: Sequence[Tag]) -> list[str]:
    """The likeliest first. B for every label that has I is "bio", though "iob1" has it too."""
    parts = {part for part, _ in tags}
    if parts & {"L", "U"}:
        return ["biluo"]
    if parts == {"I"}:
        return ["io"]
    begun = {label for part, label in tags if part == "B"}
    return ["bio", "iob1"] if begun >= {label for _, label in tags} else ["iob1", "bio"]


def take_rows(tensor: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
    """RETURNS (Tensor): Rows of a weight or a bias. What has no output of its own, -1, is never
    predicted: its weights are zero and its bias is far below all others.
    """
    index = torch.tensor([max(row, 0) for row in rows])
    missing = torch.tensor([row < 0 for row in rows])
    fill = NEVER if tensor.ndim == 1 else 0.0
    mask = missing.reshape(-1, *[1] * (tensor.ndim - 1))
    return tensor[index].masked_fill(mask, fill)
