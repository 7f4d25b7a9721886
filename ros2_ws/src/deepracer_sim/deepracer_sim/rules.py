"""The rules of racing: progress, laps, and what ends or interrupts a drive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deepracer_sim.episode import (
    IMMOBILIZED,
    IN_PROGRESS,
    LAP_COMPLETE,
    OFF_TRACK,
    REVERSED,
    TIME_UP,
)
from deepracer_sim.location import Location
from deepracer_sim.simulator import Floats
from deepracer_sim.track import Track

PATIENCE = 15
"""Control steps in a row (1 s) of standing still or going backwards before a rule applies."""
STANDSTILL = 0.0003
"""A car that moved no further than this in a step stands still, m."""


@dataclass(frozen=True)
class RaceRules:
    """What an episode consists of.

    Attributes:
        laps: laps to drive; each starts with progress 0 again.
        max_steps: control steps after which the episode is cut off.
        resets: how often a car that leaves the road, stands still or goes backwards is put back on
            the road; 0 ends the episode.
        off_track_penalty: seconds added for each time it is put back.
    """

    laps: int = 1
    max_steps: int = 3000
    resets: int = 0
    off_track_penalty: float = 2.0


class Referee:
    """Follows N cars and says, after each control step, how each stands.

    Attributes:
        progress: (N,) percent of the current lap, at most 100; negative behind the start.
        laps: (N,) laps completed.
    """

    def __init__(self, rules: RaceRules, track: Track, n_cars: int) -> None:
        """Judge ``n_cars`` cars by ``rules`` on ``track``."""
        self.rules = rules
        self._closed = track.closed
        self.progress: Floats = np.zeros(n_cars)
        self.laps: npt.NDArray[np.int64] = np.zeros(n_cars, dtype=np.int64)
        self._track_length = track.length
        self._travelled: Floats = np.zeros(n_cars)
        self._along: Floats = np.zeros(n_cars)
        self._position: Floats = np.zeros((n_cars, 2))
        self._backwards = np.zeros(n_cars, dtype=np.int64)
        self._still = np.zeros(n_cars, dtype=np.int64)

    def begin(self, cars: npt.NDArray[np.int64], start: Floats, location: Location) -> None:
        """Start ``cars`` (M,), put at ``start`` (M,) metres along the track.

        The judged point is ahead of the start already: progress begins a little above zero.
        ``location`` is that of ``cars``.
        """
        self.laps[cars] = 0
        self._travelled[cars] = self._around(location.along - start)
        self.progress[cars] = 100.0 * self._travelled[cars] / self._track_length
        self.put_back(cars, location)

    def put_back(self, cars: npt.NDArray[np.int64], location: Location) -> None:
        """Forget what led to putting ``cars`` (M,) at ``location``; their progress stands."""
        self._along[cars] = location.along
        self._position[cars, 0], self._position[cars, 1] = location.x, location.y
        self._backwards[cars] = 0
        self._still[cars] = 0

    def judge(self, location: Location, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Follow all cars to ``location``; return the status (N,) of each, see `episode.STATUSES`.

        Args:
            location: of all cars, after the step.
            steps: (N,) control steps driven in this episode.
        """
        advance = self._around(location.along - self._along)
        moved = np.hypot(location.x - self._position[:, 0], location.y - self._position[:, 1])
        self._backwards = np.where(advance < 0.0, self._backwards + 1, 0)
        self._still = np.where(moved <= STANDSTILL, self._still + 1, 0)
        self._travelled += advance
        self._along = location.along
        self._position = np.stack([location.x, location.y], axis=1)

        full = self._travelled >= self._track_length - 1e-6
        self.laps += full
        self.progress = np.minimum(100.0 * self._travelled / self._track_length, 100.0)
        self._travelled[full] -= self._track_length

        status = np.full(len(steps), IN_PROGRESS)
        status[steps >= self.rules.max_steps] = TIME_UP
        status[self._backwards >= PATIENCE] = REVERSED
        status[self._still >= PATIENCE] = IMMOBILIZED
        status[location.wheels_on_road == 0] = OFF_TRACK
        status[full] = LAP_COMPLETE
        return status

    def _around(self, distance: Floats) -> Floats:
        """Shortest way round for a difference of two distances along the track, m."""
        if not self._closed:
            return distance
        half = 0.5 * self._track_length
        return (distance + half) % self._track_length - half
