"""Names of a checkpoint's outputs, and what they say about entities."""

import re
from typing import List, Mapping, NamedTuple, Optional, Sequence

import torch

from ..biluo import NEVER
from ..errors import Errors
from ..schemes import PART_OF, make_tags
from ..settings import check_choice

NAMELESS = re.compile(r"LABEL_\d+")
PREFIXED = re.compile(r"([BIMELSUW])[-_](.+)", re.IGNORECASE)
OUTSIDE = "O"
REGRESSION = "regression"  # problem_type in config.json


class Tagging(NamedTuple):
    """What the outputs of a token classifier stand for.

    labels (List[str]): Labels of entities, in the order of the outputs.
    scheme (str): See `schemes.py`.
    rows (List[int]): For each tag of the scheme the output that scores it; -1 for none.
    """

    labels: List[str]
    scheme: str
    rows: List[int]


def read_names(
    own: Mapping[int, str], given: Optional[Sequence[str]], n_outputs: int, path: str
) -> List[str]:
    """Names of the outputs in their order.

    own (Mapping[int, str]): Those in the folder's config, by the number of the output.
    given (Optional[Sequence[str]]): Those that the user gives instead.
    RAISES (ValueError): If they are not one for each output, or say nothing (LABEL_0).
    """
    names = names_in_order(own, given, n_outputs, path)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(Errors.B226.format(path=path, reason=f"'{twice}' occurs twice"))
    if given is None and is_nameless(names):
        raise ValueError(Errors.B224.format(path=path, n=n_outputs, found=", ".join(names)))
    return names


def names_in_order(
    own: Mapping[int, str], given: Optional[Sequence[str]], n_outputs: int, path: str
) -> List[str]:
    """As `read_names`, but for names that may say nothing."""
    names = dict(own if given is None else enumerate(given))
    are_texts = all(isinstance(name, str) and name for name in names.values())
    if sorted(names) != list(range(n_outputs)) or not are_texts:
        found = ", ".join(f"{i}: {name}" for i, name in names.items())
        raise ValueError(Errors.B225.format(path=path, n=n_outputs, found=found))
    return [names[i] for i in range(n_outputs)]


def refuse_numbers(problem_type: Optional[str], n_outputs: int, path: str) -> None:
    """RAISES (ValueError): If a checkpoint predicts numbers where classes are needed."""
    if problem_type == REGRESSION:
        raise ValueError(Errors.B233.format(path=path, n=n_outputs))


def is_nameless(names: Sequence[str]) -> bool:
    return all(NAMELESS.fullmatch(name) for name in names)


def read_tagging(names: Sequence[str], scheme: Optional[str], path: str) -> Tagging:
    """Find out how a token classifier writes entities.

    names (Sequence[str]): Of the outputs: "O", and "B-PER" or "PER" and so on, in any order.
    scheme (Optional[str]): Given where the names leave it open.
    RETURNS (Tagging): Labels, scheme and outputs.
    RAISES (ValueError): If these are no tags of entities, or not of that scheme.
    """
    if OUTSIDE not in names:
        raise ValueError(Errors.B227.format(path=path, found=", ".join(names)))
    others = [name for name in names if name != OUTSIDE]
    tags = _split(others, path)
    if not tags:
        raise ValueError(Errors.B227.format(path=path, found=", ".join(names)))
    labels = list(dict.fromkeys(label for _, label in tags))
    possible = _possible_schemes(tags)
    scheme = possible[0] if scheme is None else scheme
    check_choice(path, "scheme", scheme, possible)
    if len(set(tags)) < len(tags):
        raise ValueError(Errors.B226.format(path=path, reason="two labels name the same tag"))
    places = {f"{part}-{label}": names.index(name) for (part, label), name in zip(tags, others)}
    places[OUTSIDE] = names.index(OUTSIDE)
    return Tagging(labels, scheme, [places.get(tag, -1) for tag in make_tags(labels, scheme)])


def _split(names: Sequence[str], path: str) -> List["tuple[str, str]"]:
    """Part and label of each name; names without parts are runs of one label."""
    matches = [PREFIXED.fullmatch(name) for name in names]
    tags = [(PART_OF[match[1].upper()], match[2]) for match in matches if match]
    if len(tags) == len(names) and any(part in "BI" for part, _ in tags):
        return tags
    if any(name.upper().startswith(("B-", "I-")) for name in names):
        plain = next(name for name, match in zip(names, matches) if not match)
        raise ValueError(Errors.B226.format(path=path, reason=f"'{plain}' has no B- or I-"))
    return [("I", name) for name in names]


def _possible_schemes(tags: Sequence["tuple[str, str]"]) -> List[str]:
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
