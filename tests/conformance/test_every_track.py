"""What holds on every built-in track, for discrete and continuous action spaces."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from deepracer_car.action_space import Action, ContinuousActionSpace, DiscreteActionSpace
from deepracer_car.spec import CarSpec
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.env import DeepRacerEnv
from deepracer_sim.episode import STATUSES, TRACE_FIELDS
from deepracer_sim.spaces import answer_space
from deepracer_sim.starts import Starts
from deepracer_sim.task import RacingTask
from deepracer_sim.track import Track
from deepracer_sim.track_library import builtin_names, load_track

ACTION_SPACES = {
    "discrete": DiscreteActionSpace.from_granularity(30.0, 5, 2.0, 2),
    "continuous": ContinuousActionSpace(-0.5, 0.5, 0.5, 3.0),
}
STEPS = 40


@pytest.fixture(params=builtin_names(), scope="module")
def track(request: pytest.FixtureRequest) -> Track:
    return load_track(request.param)


@pytest.fixture(params=ACTION_SPACES)
def action_space(request: pytest.FixtureRequest) -> Any:
    return ACTION_SPACES[request.param]


def reward(params: dict[str, Any]) -> float:
    return float(params["speed"]) if params["all_wheels_on_track"] else 1e-3


def drive(road: Track, action_space: Any, *, cars: int, first_car: int = 0, seed: int = 3) -> list:
    """Drive `cars` of four cars with the same actions each time; return all that came of it."""
    task = RacingTask(
        EmbeddedSimulator(road, cars),
        road,
        [reward] * cars,
        starts=Starts("random", max_speed=1.0, alternate_direction=True),
        seed=seed,
        first_car=first_car,
        total_cars=4,
    )
    space = answer_space(action_space)
    space.seed(11)
    answers = np.array([[space.sample() for _ in range(4)] for _ in range(STEPS)])
    results: list = [task.reset()]
    for answer in answers[:, first_car : first_car + cars]:
        step = task.step(action_space.decode(answer))
        results.append(
            (step.observations, step.rewards, step.terminated, step.truncated, step.episodes)
        )
    return results


def test_environment_keeps_to_its_spaces(track: Track, action_space: Any) -> None:
    env = DeepRacerEnv(track, reward, action_space)
    env.action_space.seed(5)
    observation, info = env.reset(seed=5)
    statuses = set()
    for _ in range(STEPS):
        assert env.observation_space.contains(observation)
        assert -100.0 <= info["progress"] <= 100.0
        assert np.isfinite(info["pose"]).all()
        assert 0.0 <= info["speed"] <= 3.7
        observation, value, terminated, truncated, info = env.step(env.action_space.sample())
        assert np.isfinite(value)
        assert not (terminated and truncated)
        statuses.add(info["episode_status"])
        if terminated or truncated:
            observation, info = env.reset()
    assert statuses <= set(STATUSES)


def test_same_seed_same_bytes(track: Track, action_space: Any) -> None:
    first, second = drive(track, action_space, cars=2), drive(track, action_space, cars=2)
    assert first[0].tobytes() == second[0].tobytes()
    for a, b in zip(first[1:], second[1:], strict=True):
        assert [x.tobytes() for x in a[:4]] == [x.tobytes() for x in b[:4]]
        assert [e.trace.tobytes() for e in a[4]] == [e.trace.tobytes() for e in b[4]]


def test_another_seed_starts_elsewhere(track: Track) -> None:
    space = ACTION_SPACES["discrete"]
    assert (
        drive(track, space, cars=1)[0].tobytes() != drive(track, space, cars=1, seed=4)[0].tobytes()
    )


def test_cars_together_equal_each_car_alone(track: Track, action_space: Any) -> None:
    together = drive(track, action_space, cars=4)
    for car in range(4):
        alone = drive(track, action_space, cars=1, first_car=car)
        assert np.array_equal(together[0][car], alone[0][0])
        for a, b in zip(together[1:], alone[1:], strict=True):
            assert all(np.array_equal(x[car], y[0]) for x, y in zip(a[:4], b[:4], strict=True))
            mine = [e.trace for e in a[4] if e.car == car]
            assert all(np.array_equal(x, y.trace) for x, y in zip(mine, b[4], strict=True))


def test_observations_change_and_share_no_memory(track: Track) -> None:
    results = drive(track, DiscreteActionSpace((Action(0.0, 1.5), Action(0.1, 1.5))), cars=1)
    frames = [results[0], *(r[0] for r in results[1:10])]
    for before, after in itertools.pairwise(frames):
        assert not np.shares_memory(before, after)
        assert not np.array_equal(before, after)
    assert len(np.unique(frames[0])) > 10  # there is something to see


def test_traces_tell_the_whole_episode(track: Track, action_space: Any) -> None:
    episodes = [e for r in drive(track, action_space, cars=4)[1:] for e in r[4]]
    for episode in episodes:
        columns = dict(zip(TRACE_FIELDS, episode.trace.T, strict=True))
        assert len(episode.trace) == episode.steps + 1
        assert np.array_equal(columns["steps"], np.arange(1, episode.steps + 2))
        assert columns["status"][0] == STATUSES.index("prepare")
        assert STATUSES[int(columns["status"][-1])] == episode.status
        assert np.array_equal(columns["done"], np.arange(len(episode.trace)) == episode.steps)
        assert columns["reward"].sum() == episode.reward
        assert np.diff(columns["time"]) == pytest.approx(1 / 15)
        assert columns["time"][-1] - columns["time"][0] == pytest.approx(episode.seconds)


def test_a_car_held_on_the_centre_line_completes_the_lap(track: Track) -> None:
    """A pursuit of the centre line with knowledge of the track: every track can be driven."""
    road = track
    task = RacingTask(EmbeddedSimulator(road), road, [reward], starts=Starts("fixed"))
    task.reset()
    wheelbase = CarSpec().wheelbase
    for _ in range(3000):
        x, y, yaw = task.poses[0]
        along = road.project(np.array([[x, y]]))[0][0]
        goal = road.pose_at(along + 0.45)
        ahead = np.array([goal[0] - x, goal[1] - y])
        angle = np.arctan2(ahead[1], ahead[0]) - yaw
        steering = np.arctan2(2.0 * wheelbase * np.sin(angle), np.hypot(*ahead))
        result = task.step(np.array([[steering, 1.0]]))
        if result.episodes:
            break
    (episode,) = result.episodes
    assert episode.status == "lap_complete"
    assert episode.progress == 100.0
    assert bool(result.truncated[0])
    assert road.length / 1.5 < episode.seconds < road.length / 0.9
    on_road = episode.trace[:, TRACE_FIELDS.index("all_wheels_on_track")]
    assert on_road.mean() == 1.0
