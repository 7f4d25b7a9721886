"""The laps of a drive, told apart by its trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepracer_sim.episode import (
    CRASHED,
    IMMOBILIZED,
    OFF_TRACK,
    REVERSED,
    STATUSES,
    TRACE_FIELDS,
    Episode,
)

REWARD, TIME, STATUS = (TRACE_FIELDS.index(name) for name in ("reward", "time", "status"))
FAILURES = (CRASHED, IMMOBILIZED, OFF_TRACK, REVERSED)


@dataclass(frozen=True)
class Lap:
    """One lap, or what was driven of it.

    Attributes:
        reward: sum of the rewards.
        start_time: the car's simulated clock when it began, s.
        seconds: simulated time, penalties included.
        progress: percent, 0 to 100.
        status: how it ended, one of `deepracer_sim.episode.STATUSES`.
        failures: how often each of ``crashed``, ``immobilized``, ``off_track`` and ``reversed``
            stands in its rows.
    """

    reward: float
    start_time: float
    seconds: float
    progress: float
    status: str
    failures: dict[str, int]

    @property
    def is_clean(self) -> bool:
        """Complete, and without a failure."""
        return self.status == "lap_complete" and not any(self.failures.values())


def laps_of(drive: Episode) -> list[Lap]:
    """The completed laps of ``drive``, and the unfinished one at its end if there is one."""
    ends = drive.start_time + np.cumsum(drive.lap_times)
    rows = np.searchsorted(drive.trace[:, TIME], ends + 1e-6, side="right").tolist()
    durations = list(drive.lap_times)
    if not rows or rows[-1] < len(drive.trace):
        rows.append(len(drive.trace))
        durations.append(drive.seconds - sum(drive.lap_times))
    spans = zip([0, *rows[:-1]], rows, durations, strict=True)
    return [_lap(drive, first, end, seconds) for first, end, seconds in spans]


def all_laps(drives: Sequence[Episode]) -> list[Lap]:
    """The laps of all ``drives``, in order."""
    return [lap for drive in drives for lap in laps_of(drive)]


def _lap(drive: Episode, first: int, end: int, seconds: float) -> Lap:
    """The lap in the rows ``first`` to ``end`` (exclusive) of the trace."""
    rows = drive.trace[first:end]
    is_last = end == len(drive.trace)
    return Lap(
        reward=float(rows[:, REWARD].sum()),
        start_time=float(drive.trace[max(first - 1, 0), TIME]),
        seconds=seconds,
        progress=drive.progress if is_last else 100.0,
        status=drive.status if is_last else "lap_complete",
        failures={STATUSES[s]: int((rows[:, STATUS] == s).sum()) for s in FAILURES},
    )
