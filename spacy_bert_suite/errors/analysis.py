"""Messages about analysis."""

from .coded import WithCodes


class AnalysisErrors(metaclass=WithCodes):
    B169 = "The input embeddings of '{name}' cannot be shown: {reason}."
