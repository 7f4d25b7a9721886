"""Our tracks against the community files of the same name.

The tolerances: centre lines 3 cm apart on average (RMS) and 8 cm at worst, seen from either line;
length within 1 %; start within 10 cm and 5 degrees; width within 1 cm; borders within 10 cm.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deepracer_sim.track import Track
from deepracer_sim.track_library import builtin_names, load_track, read_track

OWN = {"clockwise_chicane", "easy_loop", "three_hairpins"}
RECREATIONS = sorted(set(builtin_names()) - OWN)


def along_line(line: np.ndarray) -> np.ndarray:
    """Points every 2 cm along a polyline (N, 2)."""
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.arange(0.0, arc[-1], 0.02)
    return np.column_stack([np.interp(at, arc, column) for column in line.T])


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance of each point of line a (sampled) to line b."""
    line = Track("line", center=b, inner=b, outer=b)
    return np.abs(line.project(along_line(a))[1])


def first_heading(track: Track) -> float:
    x, y = track.center[1] - track.center[0]
    return float(np.arctan2(y, x))


def test_the_classic_layouts_are_among_them() -> None:
    assert {
        "reinvent_base",
        "Oval_track",
        "Bowtie_track",
        "reInvent2019_track",
        "reInvent2019_wide",
        "2022_reinvent_champ",
        "2022_summit_speedway",
    } <= set(RECREATIONS)


@pytest.mark.parametrize("name", RECREATIONS)
def test_a_recreation_is_the_community_track(name: str, community_tracks: Path) -> None:
    ours, theirs = load_track(name), read_track(community_tracks / f"{name}.npy")
    for a, b in ((ours, theirs), (theirs, ours)):
        distance = apart(a.center, b.center)
        assert np.sqrt((distance**2).mean()) < 0.03
        assert distance.max() < 0.08
        assert apart(a.inner, b.inner).max() < 0.10
        assert apart(a.outer, b.outer).max() < 0.10
    assert ours.length == pytest.approx(theirs.length, rel=0.01)
    assert ours.width == pytest.approx(theirs.width, abs=0.01)
    assert ours.direction == theirs.direction
    assert np.hypot(*(ours.center[0] - theirs.center[0])) < 0.10
    turn = first_heading(ours) - first_heading(theirs)
    assert abs(np.degrees((turn + np.pi) % (2 * np.pi) - np.pi)) < 5.0


@pytest.mark.parametrize("name", RECREATIONS)
def test_a_waypoint_index_means_the_same_place(name: str, community_tracks: Path) -> None:
    ours, theirs = load_track(name), read_track(community_tracks / f"{name}.npy")
    assert len(ours.center) == len(theirs.center)
    shift = np.hypot(*(ours.center - theirs.center).T)
    spacing = np.hypot(*np.diff(theirs.center, axis=0).T).max()
    assert shift.max() < max(1.5 * spacing, 0.2)
