"""The situations a reward function is tried in."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from deepracer_sim.reward_params import RewardParams
from deepracer_sim.reward_states import sample_params
from deepracer_sim.track import Track, track_from_rows


def ring(radius: float = 2.4, width: float = 0.8) -> Track:
    angles = np.linspace(0.0, 2.0 * math.pi, 120)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    lines = [circle * (radius + offset) for offset in (0.0, -0.5 * width, 0.5 * width)]
    return track_from_rows(np.hstack(lines), "ring")


@pytest.fixture(scope="module", params=["ccw", "cw"])
def track(request: pytest.FixtureRequest) -> Track:
    return ring().driven(request.param)


@pytest.fixture(scope="module")
def states(track: Track) -> list[dict]:
    return sample_params(track, np.random.default_rng(3), 700)


def test_every_parameter_has_its_type(track: Track, states: list[dict]) -> None:
    real = RewardParams(track).build(
        x=0.0, y=0.0, heading=0.0, along=0.0, lateral=0.0, progress=0.0, steps=2, speed=1.0,
        steering_angle=0.0, track_width=0.8, waypoint=0, wheels_on_road=4,
    )  # fmt: skip
    assert len(states) == 700
    for params in states:
        assert {key: type(value) for key, value in params.items()} == {
            key: type(value) for key, value in real.items()
        }


def test_geometry_is_true(track: Track, states: list[dict]) -> None:
    for params in states:
        lateral = params["distance_from_center"] * (1 if params["is_left_of_center"] else -1)
        outwards = -1.0 if track.turns_left else 1.0
        radius = math.hypot(params["x"], params["y"])
        assert radius == pytest.approx(2.4 + outwards * lateral, abs=0.01)
        assert params["is_reversed"] is track.is_reversed
        before, after = params["closest_waypoints"]
        assert 0 <= before < after < len(params["waypoints"])
        x, y = params["waypoints"][before]
        assert math.hypot(x - params["x"], y - params["y"]) < 0.3 + abs(lateral)


def test_states_come_in_the_order_of_driving(states: list[dict]) -> None:
    starts = [i for i, params in enumerate(states) if params["steps"] == 2]
    assert len(starts) > 7
    for before, after in pairwise(states):
        assert after["steps"] > before["steps"] or after["steps"] == 2


def test_good_bad_and_extreme_drives_occur(states: list[dict]) -> None:
    for flag in ("all_wheels_on_track", "is_offtrack", "is_crashed", "is_left_of_center"):
        assert {params[flag] for params in states} == {True, False}
    for name, low, high in (
        ("progress", -1.0, 100.0),
        ("speed", 0.1, 4.0),
        ("steering_angle", -30.0, 30.0),
        ("distance_from_center", 0.001, 0.5),
        ("heading", -170.0, 170.0),
        ("steps", 2, 1000),
    ):
        values = [params[name] for params in states]
        assert min(values) <= low, name
        assert max(values) >= high, name
    assert {len(params["objects_location"]) for params in states} == {0, 3}


def test_seed_decides() -> None:
    first, again, other = (
        sample_params(ring(), np.random.default_rng(seed), 150) for seed in (1, 1, 2)
    )
    assert first == again != other
