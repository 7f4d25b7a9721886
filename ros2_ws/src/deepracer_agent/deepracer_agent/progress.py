"""How a training stands: what whoever watches it is told after every update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """A training in numbers.

    Attributes:
        elapsed_s: seconds of training, over all resumptions.
        steps: environment steps of all cars.
        steps_per_second: since this process began.
        episodes: that have ended.
        updates: of the policy.
        mean_reward, mean_progress: of the latest episodes; progress in percent of a lap.
        last_evaluation: result of the latest greedy laps, in words; empty before the first.
        stop: what the training waits for, in words.
        fraction_done: how much of the nearest limit (time, steps, episodes) is used up; None
            where only a result ends the training.
    """

    elapsed_s: float
    steps: int
    steps_per_second: float
    episodes: int
    updates: int
    mean_reward: float
    mean_progress: float
    last_evaluation: str
    stop: str
    fraction_done: float | None


Show = Callable[[Progress], None]
