"""Windows to batches: sorted by length, cut where it costs least, within a budget."""

from typing import NamedTuple

import numpy


class Costs(NamedTuple):
    """What a forward pass costs, in padded wordpieces, and what training keeps of it.

    call (int): What a batch costs before its first wordpiece: the calls of its layers.
    most (int): Wordpieces from which a larger batch is not faster any more.
    kept (int): Budgets of wordpieces whose activations training keeps; what is beyond runs through
        the layers twice.
    """

    call: int
    most: int
    kept: int = 1  # on a CPU the attention of each window is among them


# Measured with the embedded model on two cores: a batch should stay in the CPU's cache, and a
# training step has three times the calls. A GPU takes all that the budget allows.
CPU_PREDICT = Costs(call=64, most=2048)
CPU_TRAIN = Costs(call=400, most=1024)
GPU = Costs(call=4096, most=1 << 30, kept=2)


def make_batches(lengths: numpy.ndarray, max_pieces: int, costs: Costs) -> list[numpy.ndarray]:
    """Group windows of about the same length, so that calls and padding cost least together:
    the shortest path over all ways to cut the sorted lengths.

    lengths (ndarray): Wordpieces of each window, special tokens included, (n_windows,).
    max_pieces (int): Most padded wordpieces in a batch; a longer window is a batch by itself.
    costs (Costs): What a batch costs.
    RETURNS (list[ndarray]): Indices of the windows of each batch, longest first.
    """
    limit = min(max_pieces, costs.most)
    order = numpy.argsort(-lengths, kind="stable")
    longest_first = lengths[order]
    n = len(order)
    best = numpy.zeros(n + 1)  # cost of the first i windows
    cut = numpy.zeros(n + 1, dtype="int64")  # where the last batch of those begins
    for end in range(1, n + 1):
        # No batch that ends here begins earlier: it would not fit.
        earliest = max(0, end - max(1, limit // int(longest_first[end - 1])))
        padded = longest_first[earliest:end] * numpy.arange(end - earliest, 0, -1)
        total = best[earliest:end] + costs.call + padded
        total[:-1][padded[:-1] > limit] = numpy.inf
        start = int(total.argmin())
        best[end], cut[end] = total[start], earliest + start
    batches = []
    end = n
    while end > 0:
        batches.append(order[cut[end] : end])
        end = cut[end]
    return batches[::-1]
