"""The racing task: simulator, track, rules and reward as one, for N cars.

`RacingTask.step` is the story of the product: the cars move, are located and judged, the racer's
reward function is asked, the cameras look, and whoever has finished starts again. The Gymnasium
environment and the vectorised one are thin adapters over it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from deepracer_car.spec import CONTROL_DT
from deepracer_sim.episode import (
    IN_PROGRESS,
    LAP_COMPLETE,
    PREPARE,
    STATUSES,
    TIME_UP,
    Episode,
)
from deepracer_sim.location import Location, Locator
from deepracer_sim.reward_params import RewardParams
from deepracer_sim.rules import RaceRules, Referee
from deepracer_sim.simulator import Floats, Frames, Simulator
from deepracer_sim.starts import Starts
from deepracer_sim.trace import Trace
from deepracer_sim.track import Track

Reward = Callable[[dict[str, Any]], float]
"""A reward function; each car has its own, so that one may remember what it saw."""


@dataclass
class StepResult:
    """What one control step brought, for N cars.

    Attributes:
        observations: (N, 1, 120, 160) uint8; of a car that was restarted, the first of its new
            episode.
        rewards: (N,).
        terminated: (N,) the rules ended the episode: off track, crashed, standing or reversed.
        truncated: (N,) cut off from outside the driving: laps done or step limit. What the car
            could still have earned is lost, not worthless, so learners bootstrap here.
        final_observations: what the cars in ``episodes`` saw last, in the same order.
        episodes: the episodes that ended, one per car at most.
    """

    observations: Frames
    rewards: npt.NDArray[np.float64]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]
    final_observations: Frames
    episodes: list[Episode] = field(default_factory=list)


class RacingTask:
    """N cars driving episodes on one track."""

    def __init__(
        self,
        simulator: Simulator,
        track: Track,
        rewards: Sequence[Reward] | None,
        *,
        rules: RaceRules | None = None,
        starts: Starts | None = None,
        seed: int = 0,
        first_car: int = 0,
        total_cars: int | None = None,
        restart: bool = True,
    ) -> None:
        """Set up; call `reset` before `step`.

        Args:
            simulator: moves and shows the cars.
            track: the road, as it is driven.
            rewards: one reward function per car; None: every reward is 0.
            rules: when an episode ends; default: after one lap, or off the road.
            starts: where episodes begin; default: round robin, as the original.
            seed: of the random starts.
            first_car: number of the first of these cars among all cars of a training.
            total_cars: number of all cars; round-robin starts are dealt out among them.
            restart: begin the next episode of a car at once when one ends; otherwise the car stays
                where it is until `reset`.
        """
        n_cars = simulator.n_cars
        self.track = track
        self.n_cars = n_cars
        self.rules = rules or RaceRules()
        self.starts = starts or Starts()
        self.simulator = simulator
        self._rewards = None if rewards is None else list(rewards)
        self._locator = Locator(track)
        self._referee = Referee(self.rules, track, n_cars)
        self._params = {False: RewardParams(track), True: RewardParams(track.reverse())}
        self._tracks = {False: track, True: track.reverse()}
        self._seed, self._first_car = seed, first_car
        self._total_cars = total_cars or n_cars
        self._restart = restart
        self._trace = Trace(n_cars)
        self._steps: npt.NDArray[np.int64] = np.zeros(n_cars, dtype=np.int64)
        self._clock: Floats = np.zeros(n_cars)
        self._start_time: Floats = np.zeros(n_cars)
        self._lap_start: Floats = np.zeros(n_cars)
        self._reversed = np.zeros(n_cars, dtype=bool)
        self._turn: npt.NDArray[np.int64] = np.zeros(n_cars, dtype=np.int64)
        self._lap_times: list[list[float]] = [[] for _ in range(n_cars)]
        self._off_tracks: npt.NDArray[np.int64] = np.zeros(n_cars, dtype=np.int64)

    @property
    def progress(self) -> Floats:
        """(N,) percent of the lap of each car."""
        return self._referee.progress

    @property
    def poses(self) -> Floats:
        """(N, 3) x, y in metres and yaw in radians of each car."""
        return self.simulator.poses

    @property
    def clock(self) -> Floats:
        """(N,) s that each car has driven since it was first put on the road."""
        return self._clock

    def reset(self, seed: int | None = None) -> Frames:
        """Put every car at its first start (``seed``: of a new sequence); return what they see."""
        if seed is not None:
            self._seed = seed
            self._turn[:] = 0
            self._clock[:] = 0.0
        self._begin(np.arange(self.n_cars))
        return self.simulator.frames()

    def step(self, commands: Floats, actions: npt.NDArray[np.float64] | None = None) -> StepResult:
        """Hold ``commands`` for one control step.

        Args:
            commands: (N, 2) steering angle, rad, and speed, m/s.
            actions: (N,) index of the chosen action for the trace; default -1, continuous.
        """
        self.simulator.step(commands)
        self._steps += 1
        self._clock += CONTROL_DT
        location = self._locator.locate(self.simulator.poses, self._reversed)
        status = self._referee.judge(location, self._steps)
        rewards = self._reward(location, commands)
        self._note_laps(status)
        put_back = self._put_back_cars(status)
        ended = (status != IN_PROGRESS) & ~put_back
        self._record(location, commands, actions, rewards, status, ended)
        if put_back.any():
            self._put_back(np.flatnonzero(put_back), location)
        observations = self.simulator.frames()
        truncated = ended & ((status == LAP_COMPLETE) | (status == TIME_UP))
        cars = np.flatnonzero(ended)
        result = StepResult(
            observations, rewards, ended & ~truncated, truncated, observations[cars]
        )
        if cars.size:
            result.episodes = [self._finish(int(car), int(status[car])) for car in cars]
            if self._restart:
                self._begin(cars)
                observations[cars] = self.simulator.frames(cars)
        return result

    def _reward(self, location: Location, commands: Floats) -> npt.NDArray[np.float64]:
        if self._rewards is None:
            return np.zeros(self.n_cars)
        headings = np.degrees(self.simulator.poses[:, 2])
        steering_angles = np.degrees(commands[:, 0])
        columns = (
            location.x,
            location.y,
            headings,
            location.along,
            location.lateral,
            self._referee.progress,
            self._steps + 1,
            commands[:, 1],
            steering_angles,
            location.width,
            location.waypoint,
            location.wheels_on_road,
            self._clock,
        )
        # Plain Python numbers, which racers' functions were written for.
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return np.array(
            [
                reward(self._params[is_reversed].build(*row))
                for reward, is_reversed, row in zip(
                    self._rewards, self._reversed.tolist(), rows, strict=True
                )
            ]
        )

    def _note_laps(self, status: npt.NDArray[np.int64]) -> None:
        """Keep the times of completed laps; only the last lap ends the episode."""
        for car in np.flatnonzero(status == LAP_COMPLETE):
            self._lap_times[car].append(float(self._clock[car] - self._lap_start[car]))
            self._lap_start[car] = self._clock[car]
            if self._referee.laps[car] < self.rules.laps:
                status[car] = TIME_UP if self._steps[car] >= self.rules.max_steps else IN_PROGRESS

    def _put_back_cars(self, status: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """(N,) cars that failed but may go on; failures are counted."""
        failed = (status != IN_PROGRESS) & (status != LAP_COMPLETE) & (status != TIME_UP)
        self._off_tracks += failed
        return np.asarray(failed & (self._off_tracks <= self.rules.resets))

    def _put_back(self, cars: npt.NDArray[np.int64], location: Location) -> None:
        poses = [
            self._tracks[bool(self._reversed[car])].pose_at(float(location.along[car]))
            for car in cars
        ]
        self.simulator.place(cars, np.array(poses), np.zeros(len(cars)))
        self._clock[cars] += self.rules.off_track_penalty
        self._referee.put_back(cars, self._locate(cars))

    def _begin(self, cars: npt.NDArray[np.int64]) -> None:
        poses, speeds, along = np.empty((len(cars), 3)), np.empty(len(cars)), np.empty(len(cars))
        for row, car in enumerate(cars):
            number = self._first_car + int(car)
            turn = number + int(self._turn[car]) * self._total_cars
            rng = np.random.default_rng([self._seed, number, int(self._turn[car])])
            self._reversed[car] = self.starts.is_reversed(number + int(self._turn[car]))
            track = self._tracks[bool(self._reversed[car])]
            poses[row], speeds[row], along[row] = self.starts.pose(track, turn, rng)
        self._turn[cars] += 1
        self.simulator.place(cars, poses, speeds)
        location = self._locate(cars)
        self._referee.begin(cars, along, location)
        self._steps[cars] = 0
        self._off_tracks[cars] = 0
        self._start_time[cars] = self._lap_start[cars] = self._clock[cars]
        for car in cars:
            self._lap_times[car] = []
        nothing = np.zeros(len(cars))
        rows = self._rows(cars, location, np.zeros((len(cars), 2)), nothing, nothing)
        rows[:, -1] = PREPARE
        self._trace.begin(cars, rows)

    def _locate(self, cars: npt.NDArray[np.int64]) -> Location:
        return self._locator.locate(self.simulator.poses[cars], self._reversed[cars])

    def _record(
        self,
        location: Location,
        commands: Floats,
        actions: npt.NDArray[np.float64] | None,
        rewards: Floats,
        status: npt.NDArray[np.int64],
        ended: npt.NDArray[np.bool_],
    ) -> None:
        labels = np.full(self.n_cars, -1.0) if actions is None else actions
        rows = self._rows(slice(None), location, commands, labels, rewards)
        rows[:, 8], rows[:, -1] = ended, status
        self._trace.append(rows)

    def _rows(
        self,
        cars: npt.NDArray[np.int64] | slice,
        location: Location,
        commands: Floats,
        actions: npt.NDArray[np.float64],
        rewards: Floats,
    ) -> Floats:
        """(M, len(TRACE_FIELDS)) what the trace keeps of ``cars``; done and status are still 0."""
        columns = (
            self._steps[cars] + 1,
            location.x,
            location.y,
            np.degrees(self.simulator.poses[cars, 2]),
            np.degrees(commands[:, 0]),
            commands[:, 1],
            actions,
            rewards,
            0.0,
            location.wheels_on_road == 4,
            self._referee.progress[cars],
            location.nearest_waypoint,
            self.track.length,
            self._clock[cars],
            0.0,
        )
        rows = np.empty((len(location.x), len(columns)))
        for k, column in enumerate(columns):
            rows[:, k] = column
        return rows

    def _finish(self, car: int, status: int) -> Episode:
        trace = self._trace.take(car)
        return Episode(
            car=self._first_car + int(car),
            status=STATUSES[status],
            steps=int(self._steps[car]),
            reward=float(trace[:, 7].sum()),
            progress=float(np.clip(self._referee.progress[car], 0.0, 100.0)),
            seconds=float(self._clock[car] - self._start_time[car]),
            start_time=float(self._start_time[car]),
            lap_times=tuple(self._lap_times[car]),
            off_tracks=int(self._off_tracks[car]),
            trace=trace,
        )
