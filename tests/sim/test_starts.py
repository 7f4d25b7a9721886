"""Where episodes begin."""

from __future__ import annotations

from math import degrees, remainder, tau

import numpy as np
import pytest

from deepracer_sim.starts import Starts
from deepracer_sim.track_library import load_track

TRACK = load_track("reinvent_base")


def rng(turn: int) -> np.random.Generator:
    return np.random.default_rng([5, turn])


def test_round_robin_advances_by_a_fraction_of_the_lap() -> None:
    starts = Starts(advance=0.05, offset=0.5)
    fractions = [starts.pose(TRACK, turn, rng(turn))[2] / TRACK.length for turn in range(25)]
    assert fractions == pytest.approx([(0.5 + 0.05 * turn) % 1.0 for turn in range(25)])


def test_fixed_starts_do_not_move() -> None:
    poses = {Starts("fixed", offset=0.3).pose(TRACK, turn, rng(turn)) for turn in range(5)}
    assert len(poses) == 1
    pose, speed, along = poses.pop()
    assert along == pytest.approx(0.3 * TRACK.length)
    assert pose == TRACK.pose_at(along)
    assert speed == 0.0


def test_random_starts_spread_over_track_and_jitter_as_told() -> None:
    starts = Starts("random", lateral_jitter=0.5, heading_jitter=8.0, max_speed=1.5)
    found = [starts.pose(TRACK, 0, rng(turn)) for turn in range(400)]
    along = np.array([f[2] for f in found])
    assert np.histogram(along, 8, (0, TRACK.length))[0].min() > 25
    lateral = np.array([TRACK.project(np.array([f[0][:2]]))[1][0] for f in found])
    assert 0.15 < np.abs(lateral).max() <= 0.5 * TRACK.width / 2 + 0.01
    yaws = np.array([f[0][2] for f in found])
    assert np.abs(yaws).max() <= np.pi
    turned = [degrees(remainder(f[0][2] - TRACK.pose_at(f[2])[2], tau)) for f in found]
    assert np.std(turned) == pytest.approx(8.0, rel=0.15)
    speeds = np.array([f[1] for f in found])
    assert 0.0 <= speeds.min() < 0.1
    assert 1.4 < speeds.max() <= 1.5


def test_every_other_episode_the_other_way_round() -> None:
    assert [Starts(alternate_direction=True).is_reversed(t) for t in range(4)] == [0, 1, 0, 1]
    assert not any(Starts().is_reversed(t) for t in range(4))
