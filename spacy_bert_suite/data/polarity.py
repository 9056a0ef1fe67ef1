"""Polarity of labels: from -1 to 1."""

import re
from collections.abc import Sequence

# Names that data sets give to the classes, on a scale from -1 to 1.
POLARITY = {
    **dict.fromkeys(["very_negative", "strongly_negative"], -1.0),
    **dict.fromkeys(["negative", "neg"], -1.0),
    **dict.fromkeys(["neutral", "neu", "mixed"], 0.0),
    **dict.fromkeys(["positive", "pos"], 1.0),
    **dict.fromkeys(["very_positive", "strongly_positive"], 1.0),
}
STARS = re.compile(r"([1-5])([ _-]?stars?)?")


def known_polarities(labels: Sequence[str]) -> dict[str, float]:
    """RETURNS (dict[str, float]): The labels whose names tell a polarity. Bare numbers are stars
    only where 1 and 5 occur and nothing beyond: classes 0 and 1, or 1 and 2, are none.
    """
    numbers = {label.strip() for label in labels if label.strip().isdecimal()}
    are_stars = {"1", "5"} <= numbers <= {"1", "2", "3", "4", "5"}
    polarities = {label: polarity_of(label) for label in labels}
    return {
        label: value
        for label, value in polarities.items()
        if value is not None and (are_stars or label.strip() not in numbers)
    }


def polarity_of(label: str) -> float | None:
    """RETURNS (float | None): The polarity that a label's name tells, from -1 to 1; stars
    are spread evenly from one (-1) to five (1). None if the name tells nothing.
    """
    name = label.strip().lower().replace(" ", "_")
    stars = STARS.fullmatch(name)
    return (int(stars.group(1)) - 3) / 2 if stars else POLARITY.get(name)
