"""The progress of a training run: step, epoch, best score."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy

Result = tuple[float, int]


@dataclass
class RunState:
    """How far a training run is, in the terms of spaCy's training loop.

    step (int): The last update, counted from 0; -1 before the first.
    results (list[tuple[float, int]]): Score and step of every evaluation.
    losses (dict[str, float]): Sum of each component's losses since the last evaluation.
    words (int): Tokens trained on.
    seconds (float): Time spent, over all the processes that have worked on the run.
    performance (dict[str, Any]): The scores in the pipeline's meta.json.
    """

    step: int = -1
    results: list[Result] = field(default_factory=list)
    losses: dict[str, Any] = field(default_factory=dict)
    words: int = 0
    seconds: float = 0.0
    performance: dict[str, Any] = field(default_factory=dict)

    @property
    def n_steps(self) -> int:
        """RETURNS (int): Updates so far."""
        return self.step + 1

    def is_over(self, *, max_steps: int, patience: int) -> bool:
        """RETURNS (bool): Whether spaCy's training loop would end after the last update."""
        if not self.results:
            return False
        _, best_step = max(((score, -step) for score, step in self.results))
        is_waiting = bool(patience) and self.step + best_step >= patience
        return is_waiting or bool(max_steps and self.step >= max_steps)

    def to_dict(self) -> dict[str, Any]:
        values = asdict(self)
        values["losses"] = {name: to_number(loss) for name, loss in self.losses.items()}
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RunState":
        results = [(score, step) for score, step in values["results"]]
        return cls(**{**values, "results": results})


def to_number(value: Any) -> Any:
    """RETURNS: A number that can be saved as it is: what is summed up later in float32 must not
    come back as a float64.
    """
    if isinstance(value, (int, float, numpy.generic)):
        return value
    return value.item() if hasattr(value, "item") else float(value)
