"""What is told about a training while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a training is, at one moment.

    Attributes:
        run: name of the run.
        elapsed_s: time spent training, s, over all resumptions.
        steps, episodes, updates: so far, over all cars.
        steps_per_second: over the last few seconds.
        mean_reward: of the latest episodes; None before the first has ended.
        mean_progress: of the same episodes, percent of a lap.
        mean_speed: in the same episodes, metres of road per second.
        last_evaluation: result of the last greedy laps in words; empty before the first.
        evaluation_progress: mean progress in them, percent of the laps asked for; None before.
        lap_time: the best lap of them, s; None without a whole lap.
        stop: what is still missing to the end of the run, in words.
        fraction_done: the nearest stop condition, 0 to 1; None where that cannot be said.
        trouble: why the training is going back to its last checkpoint; empty if it is not.
    """

    run: str = ""
    elapsed_s: float = 0.0
    steps: int = 0
    steps_per_second: float = 0.0
    episodes: int = 0
    mean_reward: float | None = None
    mean_progress: float | None = None
    mean_speed: float | None = None
    updates: int = 0
    last_evaluation: str = ""
    evaluation_progress: float | None = None
    lap_time: float | None = None
    stop: str = ""
    fraction_done: float | None = None
    trouble: str = ""


Show = Callable[[Progress], None]
"""Told about a training after every update."""
