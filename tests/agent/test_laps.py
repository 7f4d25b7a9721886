"""Laps of a drive, told apart by its trace."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from deepracer_agent.laps import all_laps, laps_of
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.episode import Episode
from deepracer_sim.rules import RaceRules
from deepracer_sim.task import RacingTask
from deepracer_sim.track_library import load_track

MakeEpisode = Callable[..., Episode]


def test_three_laps(three_laps: Episode) -> None:
    laps = laps_of(three_laps)
    assert [lap.seconds for lap in laps] == pytest.approx([2.0, 3.0, 1.0])
    assert [lap.start_time for lap in laps] == pytest.approx([100.0, 102.0, 105.0])
    assert [lap.progress for lap in laps] == [100.0, 100.0, 33.9]
    assert [lap.status for lap in laps] == ["lap_complete", "lap_complete", "time_up"]
    assert [lap.is_clean for lap in laps] == [True, True, False]
    assert laps[2].failures == {"crashed": 0, "immobilized": 0, "off_track": 1, "reversed": 0}
    assert sum(lap.reward for lap in laps) == pytest.approx(three_laps.reward)


def test_one_lap_or_less_is_the_drive_itself(episode: MakeEpisode) -> None:
    for status in ("lap_complete", "off_track", "time_up"):
        drive = episode(1, status=status, start=7.0)
        (lap,) = laps_of(drive)
        assert (lap.status, lap.progress, lap.start_time) == (status, drive.progress, 7.0)
        assert lap.seconds == pytest.approx(drive.seconds)
        assert lap.reward == pytest.approx(drive.reward)
        assert lap.is_clean == (status == "lap_complete")


def test_laps_of_real_drives_add_up() -> None:
    """Three cars follow the centre line of a real track for two laps."""
    track = load_track("reinvent_base")
    simulator = EmbeddedSimulator(track, 3)
    task = RacingTask(simulator, track, [lambda _: 0.1] * 3, rules=RaceRules(laps=2, max_steps=400))
    task.reset()
    drives: list[Episode] = []
    while len(drives) < 3:
        along, _, _ = track.project(simulator.poses[:, :2])
        ahead = np.array([track.pose_at(distance + 0.8)[:2] for distance in along])
        offset = ahead - simulator.poses[:, :2]
        angle = np.arctan2(offset[:, 1], offset[:, 0]) - simulator.poses[:, 2]
        angle = (angle + np.pi) % (2.0 * np.pi) - np.pi
        steering = np.clip(1.2 * angle, -0.5, 0.5)
        drives += task.step(np.column_stack([steering, np.full(3, 1.5)])).episodes
    for drive in drives:
        first, second = laps_of(drive)
        assert first.is_clean
        assert second.is_clean
        assert (first.seconds, second.seconds) == drive.lap_times
        assert first.start_time + first.seconds == pytest.approx(second.start_time)
        assert first.reward == pytest.approx(1.5 * first.seconds)
        assert first.reward + second.reward == pytest.approx(drive.reward)
    assert len(all_laps(drives)) == 6
