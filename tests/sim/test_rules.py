"""Progress, laps and what ends an episode, on a square of 4 m driven by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from deepracer_sim.episode import (
    IMMOBILIZED,
    IN_PROGRESS,
    LAP_COMPLETE,
    OFF_TRACK,
    REVERSED,
    TIME_UP,
)
from deepracer_sim.location import Location
from deepracer_sim.rules import PATIENCE, RaceRules, Referee
from deepracer_sim.track import Track

ONE = np.array([0])


def square() -> Track:
    line = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], dtype=float)
    return Track("square", line, line, line)


def at(along: float, wheels: int = 4) -> Location:
    """A car that moved somewhere else than where it was, `along` metres on the track."""
    place = np.array([along])
    return Location(place, place, place % 4.0, ONE * 0.0, ONE, ONE, ONE + 1.0, ONE + wheels)


def started(rules: RaceRules | None = None, along: float = 0.14) -> Referee:
    referee = Referee(rules or RaceRules(), square(), 1)
    referee.begin(ONE, np.array([along - 0.14]), at(along))
    return referee


def judge(referee: Referee, along: float, *, wheels: int = 4, steps: int = 1) -> int:
    return int(referee.judge(at(along, wheels), np.array([steps]))[0])


def test_the_judged_point_is_ahead_of_the_start() -> None:
    assert started().progress[0] == pytest.approx(100 * 0.14 / 4)


@pytest.mark.parametrize("start", [0.14, 1.5, 3.9])
def test_a_lap_is_complete_where_it_began(start: float) -> None:
    referee = started(along=start)
    for along in np.arange(start + 0.1, start + 3.8, 0.1):
        before = referee.progress[0]
        assert judge(referee, along) == IN_PROGRESS
        assert referee.progress[0] > before
    assert judge(referee, start + 4.0 - 0.139) == LAP_COMPLETE
    assert referee.progress[0] == 100.0
    assert referee.laps[0] == 1


def test_the_next_lap_begins_at_zero() -> None:
    referee = started(RaceRules(laps=2))
    for along in np.arange(0.2, 4.3, 0.1):
        judge(referee, along)
    assert referee.laps[0] == 1
    assert 0.0 < referee.progress[0] < 10.0


def test_going_back_over_the_start_gives_no_lap() -> None:
    referee = started()
    assert judge(referee, -0.2) == IN_PROGRESS
    assert referee.progress[0] == pytest.approx(-5.0)
    assert judge(referee, 0.3) == IN_PROGRESS
    assert referee.laps[0] == 0


def test_reversed_after_fifteen_steps_backwards_in_a_row() -> None:
    referee = started(along=2.0)
    results = [judge(referee, 2.0 - 0.05 * k) for k in range(1, PATIENCE + 1)]
    assert results == [IN_PROGRESS] * (PATIENCE - 1) + [REVERSED]
    referee = started(along=2.0)
    backwards = [judge(referee, 2.0 - 0.05 * k) for k in range(1, PATIENCE)]
    assert [*backwards, judge(referee, 2.0)] == [IN_PROGRESS] * PATIENCE


def test_immobilized_after_fifteen_steps_at_a_standstill() -> None:
    referee = started()
    results = [judge(referee, 0.14 + 0.0001 * k) for k in range(1, PATIENCE + 1)]
    assert results == [IN_PROGRESS] * (PATIENCE - 1) + [IMMOBILIZED]


def test_off_track_only_when_no_wheel_is_on_the_road() -> None:
    assert judge(started(), 0.2, wheels=1) == IN_PROGRESS
    assert judge(started(), 0.2, wheels=0) == OFF_TRACK


def test_step_limit() -> None:
    rules = RaceRules(max_steps=7)
    assert judge(started(rules), 0.2, steps=6) == IN_PROGRESS
    assert judge(started(rules), 0.2, steps=7) == TIME_UP


def test_a_completed_lap_goes_before_everything_else() -> None:
    referee = started(RaceRules(max_steps=2), along=3.0)
    judge(referee, 4.5)
    judge(referee, 5.9)
    assert judge(referee, 6.9, wheels=0, steps=2) == LAP_COMPLETE


def test_an_open_road_is_complete_at_its_end() -> None:
    line = np.array([[0, 0], [1, 0], [2, 0], [3, 0], [4, 0]], dtype=float)
    road = Track("road", line, [*line, 0, 0.4], line - [0, 0.4], closed=False)
    referee = Referee(RaceRules(), road, 1)
    here = replace(at(0.14), along=np.array([0.14]))
    referee.begin(ONE, np.array([0.0]), here)
    assert int(referee.judge(replace(here, along=np.array([3.5])), ONE + 1)[0]) == IN_PROGRESS
    assert int(referee.judge(replace(here, along=np.array([4.0])), ONE + 2)[0]) == LAP_COMPLETE
