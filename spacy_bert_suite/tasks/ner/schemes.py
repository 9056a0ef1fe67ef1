"""Tagging schemes (BIO, IOB1, IO, BILOU, BIOES) and their translation into BILUO.

A scheme with fewer parts than BILUO leaves nothing out: where an entity ends is seen from the next
word. So each of its sequences is one valid BILUO sequence with the same score:

    bio     B-PER I-PER O     B-LOC B-LOC        every entity begins with B
    iob1    I-PER I-PER O     I-LOC B-LOC        B only where two of a label would run together
    io      PER   PER   O     LOC   LOC          a run of one label is one entity
    biluo   B-PER L-PER O     U-LOC U-LOC        (of io: B-LOC L-LOC)
"""

from collections.abc import Sequence

import numpy

from .biluo import NEVER
from .decoding import Entity, find_entities

PARTS = {"biluo": "BILU", "bio": "BI", "iob1": "BI", "io": "I"}
# BIOES, BILOU and BMEWO are BILUO with other letters.
PART_OF = {**dict(zip("BILU", "BILU")), "M": "I", "E": "L", "S": "U", "W": "U"}

# For each way to begin an entity: whose scores B, I, L and U take. What begins by I may not follow
# an entity of its own label: it would be a part of that.
WAYS: dict[str, list[str]] = {"bio": ["BIIB"], "io": ["IIII"], "iob1": ["IIII", "BIIB"]}


def make_tags(labels: Sequence[str], scheme: str = "biluo") -> list[str]:
    """RETURNS (list[str]): "O", then the parts of the scheme for every label."""
    return ["O"] + [f"{part}-{label}" for label in labels for part in PARTS[scheme]]


def from_biluo(tags: Sequence[str | None], scheme: str) -> list[str | None]:
    """Write BILUO tags of words (None: not known) in another scheme."""
    found: list[str | None] = []
    for i, tag in enumerate(tags):
        part, _, label = (tag or "O").partition("-")
        if scheme == "biluo" or not label:
            found.append(tag)
        elif scheme == "io" or part in "IL":
            found.append(f"I-{label}")
        else:
            follows = i > 0 and tags[i - 1] in (f"L-{label}", f"U-{label}")
            found.append(f"B-{label}" if scheme == "bio" or follows else f"I-{label}")
    return found


def decode(
    emissions: numpy.ndarray,
    transitions: numpy.ndarray,
    offsets: numpy.ndarray,
    is_blank: numpy.ndarray,
    labels: Sequence[str],
    scheme: str,
) -> list[list[Entity]]:
    """Find the entities of the best valid sequence of each doc; see `find_entities`. In the scheme
    "bio", I is only valid after B or I of its label; in "iob1" and "io" every sequence is valid,
    and the best is that of the best tag of each word.

    emissions (ndarray): Scores of the tags of the scheme, (n_words, n_tags).
    RETURNS (list[list[Entity]]): The entities of each doc.
    """
    if scheme == "biluo":
        return find_entities(emissions, transitions, offsets, is_blank, labels)
    # Without white space, which would come between the parts of a run.
    words = numpy.flatnonzero(~is_blank)
    starts = numpy.searchsorted(words, offsets)
    biluo, steps = to_biluo(emissions[words], len(labels), scheme)
    every = [label for label in labels for _ in WAYS[scheme]]
    found = find_entities(biluo, steps, starts, is_blank[words], every)
    return [
        [_on_tokens(entity, words[start:] - offset) for entity in entities]
        for entities, start, offset in zip(found, starts, offsets)
    ]


def _on_tokens(entity: Entity, tokens: numpy.ndarray) -> Entity:
    start, end = int(tokens[entity.start]), int(tokens[entity.end - 1]) + 1
    return entity._replace(start=start, end=end)


def to_biluo(
    emissions: numpy.ndarray, n_labels: int, scheme: str
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (tuple[ndarray, ndarray]): Scores of B, I, L and U for each label and each way to
    begin, (n_words, 1 + 4 * n_labels * n_ways), and of the steps between them.
    """
    parts, ways = PARTS[scheme], WAYS[scheme]
    places = numpy.asarray([parts.index(part) for way in ways for part in way])
    firsts = 1 + len(parts) * numpy.arange(n_labels)
    columns = (firsts[:, None] + places).ravel()
    return emissions[:, [0, *columns]], _steps(n_labels, ways)


def _steps(n_labels: int, ways: Sequence[str]) -> numpy.ndarray:
    tags = numpy.arange(4 * n_labels * len(ways))
    part, label = tags % 4, tags // (4 * len(ways))
    by_inside = numpy.asarray([way[0] == "I" for way in ways])[tags // 4 % len(ways)]
    ends = numpy.isin(part, [2, 3])[:, None]
    begins = numpy.isin(part, [0, 3]) & by_inside
    steps = numpy.zeros((len(tags) + 1, len(tags) + 1))
    steps[1:, 1:][ends & begins & (label[:, None] == label)] = NEVER
    return steps
