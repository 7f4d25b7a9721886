"""One finished episode and its trace, row by row as racers analyse it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

STATUSES = (
    "prepare",
    "in_progress",
    "lap_complete",
    "off_track",
    "crashed",
    "immobilized",
    "reversed",
    "time_up",
    "pause",
    "park",
)
"""Words for the state of an episode, as they stand in traces; elsewhere the index stands for it."""

PREPARE, IN_PROGRESS, LAP_COMPLETE, OFF_TRACK, CRASHED, IMMOBILIZED, REVERSED, TIME_UP = range(8)

TRACE_FIELDS = (
    "steps",
    "x",
    "y",
    "yaw",
    "steering_angle",
    "speed",
    "action",
    "reward",
    "done",
    "all_wheels_on_track",
    "progress",
    "closest_waypoint",
    "track_length",
    "time",
    "status",
)
"""Columns of a trace: metres, degrees, m/s, percent, seconds; ``action`` is -1 when continuous."""


@dataclass(frozen=True)
class Episode:
    """From start to end of one car's drive.

    Attributes:
        car: number of the car.
        status: one of `STATUSES`: why it ended.
        steps: control steps driven.
        reward: sum of the rewards.
        progress: percent of the lap at the end, 0 to 100.
        seconds: simulated time, penalties included.
        start_time: the car's simulated clock when the episode began, s.
        lap_times: seconds of each completed lap.
        off_tracks: times the car left the road.
        trace: (steps + 1, len(TRACE_FIELDS)); the first row is the car standing at the start.
    """

    car: int
    status: str
    steps: int
    reward: float
    progress: float
    seconds: float
    start_time: float
    lap_times: tuple[float, ...]
    off_tracks: int
    trace: npt.NDArray[np.float64]
