"""Messages about clustering."""

from .coded import WithCodes


class ClusteringErrors(metaclass=WithCodes):
    B144 = (
        "'{method}' keeps the distances of all pairs: {n} vectors would take {size}. Use 'kmeans' "
        "or 'community', or a sample."
    )
    B145 = "There are {found} {what} for {n} vectors. Give one for every vector, in the same order."
