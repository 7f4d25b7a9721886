"""What is told about a training while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a training is, at one moment.

    Attributes:
        elapsed_s: time spent training, s, over all resumptions.
        steps, episodes, updates: so far, over all cars.
        steps_per_second: over the last few seconds.
        mean_reward: of the latest episodes; None before the first has ended.
        mean_progress: of the same episodes, percent of a lap.
        last_evaluation: result of the last greedy laps in words; empty before the first.
        stop: what is still missing to the end of the run, in words.
        fraction_done: the nearest stop condition, 0 to 1; None where that cannot be said.
    """

    elapsed_s: float = 0.0
    steps: int = 0
    steps_per_second: float = 0.0
    episodes: int = 0
    mean_reward: float | None = None
    mean_progress: float | None = None
    updates: int = 0
    last_evaluation: str = ""
    stop: str = ""
    fraction_done: float | None = None


Show = Callable[[Progress], None]
"""Told about a training after every update."""
