"""BILUO tag sequences: allowed transitions, and sums over allowed paths."""

import numpy

BEGIN, INSIDE, LAST, UNIT = "BILU"
MISSING = -1
NEVER = -1e4  # a score that no other can make up for, and still a finite number


def valid_transitions(n_labels: int) -> numpy.ndarray:
    """RETURNS (ndarray): Whether the row's tag may stand before the column's. After the tags
    comes one more, the end, which follows every complete entity and itself; it also fills
    up shorter docs in a batch. (n_tags + 1, n_tags + 1)
    """
    part = numpy.concatenate([["O"], numpy.tile(list("BILU"), n_labels), ["O"]])
    label = numpy.concatenate([[-1], numpy.repeat(numpy.arange(n_labels), 4), [-1]])
    is_open = numpy.isin(part, [BEGIN, INSIDE])[:, None]
    continues = numpy.isin(part, [INSIDE, LAST])
    valid = numpy.where(is_open, continues & (label[:, None] == label), ~continues)
    valid[-1] = False
    valid[-1, -1] = True
    return valid


def valid_first(n_labels: int) -> numpy.ndarray:
    """RETURNS (ndarray): Whether a tag may be first, (n_tags + 1,)."""
    return numpy.concatenate([[True], numpy.tile([True, False, False, True], n_labels), [False]])


def blank_scores(n_labels: int) -> numpy.ndarray:
    """RETURNS (ndarray): Scores of tags for blanks, which say nothing about entities: they
    are inside one or out, never at an edge. (n_tags,)
    """
    return numpy.concatenate([[0.0], numpy.tile([NEVER, 0.0, NEVER, NEVER], n_labels)])


def free_best_before(best: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (tuple[ndarray, ndarray]): For each tag the highest value among the tags that may
    stand before it, and the first tag that has it.
    """
    index = numpy.arange(best.shape[1])
    closed = numpy.concatenate([[0], _by_label(index[None])[0, :, 2:].ravel()])  # O, L, U
    tags = closed[best[:, closed].argmax(axis=1)]
    values = best[numpy.arange(len(best)), tags]
    begin, inside = best[:, 1:-1:4], best[:, 2:-1:4]
    tags_inside = numpy.where(begin >= inside, index[1:-1:4], index[2:-1:4])
    tags_at_end = numpy.where(values >= best[:, -1], tags, index[-1])
    return (
        _by_tag(values, numpy.maximum(begin, inside), numpy.maximum(values, best[:, -1]), 2),
        _by_tag(tags, tags_inside, tags_at_end, 2),
    )


def free_sum_before(x: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (ndarray): For each tag the sum over the tags that may stand before it."""
    parts = _by_label(x)
    closed = x[:, 0] + parts[:, :, 2:].sum(axis=(1, 2))
    return _by_tag(closed, parts[:, :, :2].sum(axis=2), closed + x[:, -1], 2)


def free_sum_after(x: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (ndarray): For each tag the sum over the tags that may stand after it."""
    parts = _by_label(x)
    starting = x[:, 0] + parts[:, :, 0].sum(axis=1) + parts[:, :, 3].sum(axis=1) + x[:, -1]
    return _by_tag(starting, parts[:, :, 1:3].sum(axis=2), x[:, -1], 1)


def _by_label(x: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (ndarray): The values of B, I, L, U, (n_docs, n_labels, 4)."""
    return x[:, 1:-1].reshape(len(x), -1, 4)


def _by_tag(
    common: numpy.ndarray, of_label: numpy.ndarray, at_end: numpy.ndarray, first: int
) -> numpy.ndarray:
    """RETURNS (ndarray): `of_label` for two parts of each label, from the tag `first` on (1 for
    B and I, 2 for I and L), `at_end` for the end, and `common` for the rest.
    """
    values = numpy.repeat(common[:, None], 4 * of_label.shape[1] + 2, axis=1)
    values[:, first:-1:4] = of_label
    values[:, first + 1 : -1 : 4] = of_label
    values[:, -1] = at_end
    return values
