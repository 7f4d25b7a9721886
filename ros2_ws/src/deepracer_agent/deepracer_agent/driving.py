"""A policy drives without exploring: greedy laps, while training and afterwards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from deepracer_car.action_space import ActionSpace, DiscreteActionSpace
from deepracer_car.policy import Policy
from deepracer_sim.episode import Episode
from deepracer_sim.task import RacingTask


def drive_greedily(
    policy: Policy,
    task: RacingTask,
    action_space: ActionSpace,
    seen: list[npt.NDArray[np.uint8]] | None = None,
) -> list[Episode]:
    """Drive one episode with every car of ``task``; returns them in the order of the cars.

    What the first car saw before each step, (1, 120, 160), is added to ``seen``.
    """
    observations = task.reset()
    drives: dict[int, Episode] = {}
    while len(drives) < task.n_cars:
        if seen is not None:
            seen.append(observations[0])
        raw = policy.predict(observations)
        discrete = isinstance(action_space, DiscreteActionSpace)
        result = task.step(action_space.decode(raw), raw.astype(np.float64) if discrete else None)
        observations = result.observations
        for episode in result.episodes:
            drives.setdefault(episode.car, episode)
    return [drives[car] for car in sorted(drives)]


def mean_progress(drives: Sequence[Episode], laps: int) -> float:
    """Mean percent of the ``laps`` asked for that were driven before the first failure."""
    driven = [
        len(d.lap_times) + (d.progress / 100.0) * (d.status != "lap_complete") for d in drives
    ]
    return 100.0 * float(np.mean(driven)) / laps


def clean_laps(drive: Episode) -> int:
    """Laps completed if the car never left the road, else 0."""
    return len(drive.lap_times) if drive.off_tracks == 0 else 0


def summary(drives: Sequence[Episode], laps: int) -> str:
    """The result of an evaluation in words."""
    clean = sum(clean_laps(d) >= laps for d in drives)
    times = [time for d in drives for time in d.lap_times]
    best = f", best lap {min(times):.2f} s" if times else ""
    return f"{clean} of {len(drives)} starts clean, {mean_progress(drives, laps):.0f} %{best}"
