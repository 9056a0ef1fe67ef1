"""warmup.v1: learning rates with warm-up and decay, as functions of the step."""

import math
from collections.abc import Callable

from ..core.validation import check_choice, check_config

# Of each decay: the share of the highest rate that is left, by the share of the steps that is done.
DECAYS: dict[str, Callable[[float], float]] = {
    "linear": lambda done: 1 - done,
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
    "constant": lambda done: 1.0,
}


class Schedule:
    """What spaCy asks for one value after each update.

    rate_at (Callable): The value of a step, counted from 0.
    step (int): The step of the next value; may be set.
    """

    def __init__(self, rate_at: Callable[[int], float]):
        self.rate_at = rate_at
        self.step = 0

    def __iter__(self) -> "Schedule":
        return self

    def __next__(self) -> float:
        rate = self.rate_at(self.step)
        self.step += 1
        return rate


def make_warmup(
    initial_rate: float,
    total_steps: int,
    warmup_steps: int = 0,
    decay: str = "linear",
    final_rate: float = 0.0,
) -> Schedule:
    """Registered as "spacy-bert-suite.warmup.v1": from 0 up to a rate in even steps, as in Devlin
    et al. 2019, then down along a line or half a cosine (Loshchilov and Hutter 2017).

    initial_rate (float): The highest rate, at the end of the warm-up.
    total_steps (int): Updates until the lowest rate is reached; it stays there.
    warmup_steps (int): Updates until the highest rate is reached.
    decay (str): linear | cosine | constant.
    final_rate (float): The lowest rate.
    RETURNS (Schedule): One rate for each update.
    RAISES (ValueError): If a value is out of its range.
    """
    owner = "spacy-bert-suite.warmup.v1"
    check_choice(owner, "decay", decay, DECAYS)
    check_config(owner, "warmup_steps", warmup_steps, warmup_steps >= 0, "0 or more")
    expected = f"above warmup_steps = {warmup_steps}"
    check_config(owner, "total_steps", total_steps, total_steps > warmup_steps, expected)
    check_config(owner, "initial_rate", initial_rate, initial_rate > 0, "above 0")
    expected = f"between 0 and initial_rate = {initial_rate}"
    check_config(owner, "final_rate", final_rate, 0 <= final_rate <= initial_rate, expected)

    def rate_at(step: int) -> float:
        if step < warmup_steps:
            return initial_rate * step / warmup_steps
        done = min(1.0, (step - warmup_steps) / (total_steps - warmup_steps))
        return final_rate + (initial_rate - final_rate) * DECAYS[decay](done)

    return Schedule(rate_at)
