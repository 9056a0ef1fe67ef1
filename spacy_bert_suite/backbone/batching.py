"""Windows to batches: sorted by length, cut at a budget of padded wordpieces."""

from typing import List

import numpy

BEST_PIECES_ON_CPU = 1024  # what stays in a CPU's cache; a GPU takes all that the budget allows
LEAST_PIECES_ON_CPU = 256  # a smaller batch costs more in calls than it saves in padding
LEAST_FILLED = 0.85  # shortest over longest window, before a batch on the CPU is cut


def make_batches(lengths: numpy.ndarray, max_pieces: int, *, on_cpu: bool) -> List[numpy.ndarray]:
    """Group windows of about the same length.

    lengths (ndarray): Wordpieces of each window, special tokens included, (n_windows,).
    max_pieces (int): Most padded wordpieces in a batch; a longer window is a batch by itself.
    on_cpu (bool): Keep batches small, and cut where padding sets in.
    RETURNS (List[ndarray]): Indices of the windows of each batch, longest first.
    """
    limit = min(max_pieces, BEST_PIECES_ON_CPU) if on_cpu else max_pieces
    order = numpy.argsort(-lengths, kind="stable")
    batches = []
    start = 0
    for end in range(1, len(order) + 1):
        if end < len(order):
            longest = lengths[order[start]]
            too_big = longest * (end + 1 - start) > limit
            enough = on_cpu and longest * (end - start) >= LEAST_PIECES_ON_CPU
            if not too_big and not (enough and lengths[order[end]] < LEAST_FILLED * longest):
                continue
        batches.append(order[start:end])
        start = end
    return batches
