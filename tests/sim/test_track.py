"""The geometry of a road: projection, poses, borders, directions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepracer_car.errors import TrackError
from deepracer_sim.track import Track, track_from_rows
from deepracer_sim.track_generator import generate_track

TRACKS = [generate_track(seed) for seed in range(4)]
tracks = st.sampled_from(TRACKS)
fractions = st.floats(0.0, 1.0, exclude_max=True)


def rows_of(track: Track) -> np.ndarray:
    return np.hstack([track.center, track.inner, track.outer])


def ring(points: int = 40, radius: float = 3.0, width: float = 1.0) -> np.ndarray:
    """Rows of a counter-clockwise circle around the origin, the last like the first."""
    angle = np.linspace(0.0, 2.0 * np.pi, points + 1)
    unit = np.column_stack([np.cos(angle), np.sin(angle)])
    rows = np.hstack([unit * r for r in (radius, radius - width / 2, radius + width / 2)])
    rows[-1] = rows[0]
    return rows


def test_a_circle_has_the_measures_of_a_circle() -> None:
    track = track_from_rows(ring(points=400), "ring")
    assert track.length == pytest.approx(2 * np.pi * 3.0, rel=1e-3)
    assert track.width == pytest.approx(1.0, abs=1e-3)
    assert track.direction == "ccw"
    assert track.reverse().direction == "cw"


def test_width_is_measured_across_the_road_even_where_the_rows_of_the_borders_are_shifted() -> None:
    rows = ring(points=400)
    rows[:, 2:4] = np.roll(rows[:, 2:4], 12, axis=0)
    assert track_from_rows(rows, "skewed").width == pytest.approx(1.0, abs=0.01)


@given(track=tracks, data=st.data())
def test_projecting_a_waypoint_returns_it(track: Track, data: st.DataObject) -> None:
    i = data.draw(st.integers(0, len(track.center) - 2))
    along, lateral, segment = track.project(track.center[i : i + 1])
    distance = abs(along[0] - track.arc_length[i])
    assert min(distance, track.length - distance) < 1e-9
    assert abs(lateral[0]) < 1e-9
    assert segment[0] in {i, (i - 1) % (len(track.center) - 1)}


@given(track=tracks, at=fractions, side=st.floats(-0.35, 0.35))
def test_a_pose_projects_back_to_where_it_was_made(track: Track, at: float, side: float) -> None:
    x, y, _ = track.pose_at(at * track.length, side)
    along, lateral, _ = track.project(np.array([[x, y]]))
    # At the inside of a bend a point can be equally near to two segments.
    slack = 0.02 + abs(side) * 0.3
    distance = abs(along[0] - at * track.length)
    assert min(distance, track.length - distance) < slack
    assert lateral[0] == pytest.approx(side, abs=0.01)


@given(track=tracks, at=fractions, lane=st.floats(-0.9, 0.9))
def test_progress_never_falls_moving_forward(track: Track, at: float, lane: float) -> None:
    path = track.center + lane * (track.inner - track.center)
    distances = (at * track.length + np.arange(0.0, 4.0, 0.05)) % track.length
    points = [np.interp(distances, track.arc_length, column) for column in path.T]
    along = track.project(np.column_stack(points))[0]
    steps = (np.diff(along) + track.length / 2) % track.length - track.length / 2
    assert (steps >= -1e-9).all()


@given(track=tracks, at=fractions, side=st.floats(0.01, 0.3))
def test_reversing_mirrors_sides_and_counts_from_the_other_end(
    track: Track, at: float, side: float
) -> None:
    point = np.array([track.pose_at(at * track.length, side)[:2]])
    along, lateral, _ = track.project(point)
    back_along, back_lateral, _ = track.reverse().project(point)
    assert back_lateral[0] == pytest.approx(-lateral[0], abs=1e-9)
    left_over = (along[0] + back_along[0]) % track.length
    # At the inside of a bend a point can be equally near to two segments.
    assert min(left_over, track.length - left_over) < 0.1


@given(track=tracks, at=fractions)
def test_the_road_is_there_between_the_borders_and_nowhere_else(track: Track, at: float) -> None:
    half = track.width / 2.0
    points = [track.pose_at(at * track.length, side)[:2] for side in (0.0, 0.9 * half, -0.9 * half)]
    assert track.on_road(np.array(points)).all()
    beside = [track.pose_at(at * track.length, side)[:2] for side in (half + 0.05, -half - 0.05)]
    assert not track.on_road(np.array(beside)).any()


@given(track=tracks)
def test_reversing_twice_changes_nothing(track: Track) -> None:
    twice = track.reverse().reverse()
    assert np.array_equal(rows_of(twice), rows_of(track))
    assert not twice.is_reversed
    assert twice.direction == track.direction
    assert track.reverse().direction != track.direction


@pytest.mark.parametrize("direction", ["cw", "ccw"])
def test_driven_gives_the_asked_direction(direction: str) -> None:
    for track in TRACKS:
        assert track.driven(direction).direction == direction  # type: ignore[arg-type]
        assert track.driven(None) is track


def test_heading_is_that_of_the_segment_and_left_is_positive() -> None:
    track = track_from_rows(ring(points=400), "ring")
    x, y, yaw = track.pose_at(0.0, 0.25)
    assert (x, y) == pytest.approx((2.75, 0.0), abs=0.01)
    assert yaw == pytest.approx(np.pi / 2, abs=0.02)


@settings(max_examples=20)
@given(track=tracks, at=st.integers(1, 60), count=st.integers(1, 3))
def test_repeated_waypoints_keep_their_index_and_hurt_nobody(
    track: Track, at: int, count: int
) -> None:
    rows = np.repeat(rows_of(track), [1 + count * (i == at) for i in range(len(track.center))], 0)
    doubled = track_from_rows(rows, "doubled")
    assert len(doubled.center) == len(track.center) + count
    assert doubled.length == pytest.approx(track.length)
    distances = np.arange(0.0, track.length, 0.37)
    for d in distances:
        assert doubled.pose_at(d, 0.1) == pytest.approx(track.pose_at(d, 0.1))
    points = np.array([track.pose_at(d, 0.1)[:2] for d in distances])
    along, lateral, segment = doubled.project(points)
    assert np.allclose(along, track.project(points)[0])
    assert np.allclose(lateral, track.project(points)[1])
    assert not np.isin(segment, range(at, at + count)).any()
    assert np.array_equal(doubled.on_road(points), track.on_road(points))


def test_a_loop_that_stops_just_short_is_closed() -> None:
    track = track_from_rows(ring()[:-1], "short")
    assert track.closed
    assert np.array_equal(track.center[0], track.center[-1])
    assert len(track.center) == 41


def test_a_road_that_ends_elsewhere_stays_open() -> None:
    rows = np.array([[x, 0.0, x, 0.5, x, -0.5] for x in np.arange(0.0, 5.0, 0.25)])
    track = track_from_rows(rows, "straight")
    assert not track.closed
    assert track.on_road(np.array([[2.0, 0.4], [2.0, -0.4]])).all()
    assert not track.on_road(np.array([[2.0, 0.6], [5.2, 0.0], [-0.2, 0.0]])).any()
    assert track.pose_at(99.0) == pytest.approx((4.75, 0.0, 0.0))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.zeros((10, 5)), "6 columns"),
        (np.zeros((3, 6)), "at least 4 rows"),
        (np.zeros(10), "6 columns"),
        (np.full((10, 6), np.nan), "not finite"),
        (ring().astype(str), "not finite numbers"),
        (ring().astype(complex), "not finite numbers"),
        (ring(width=0.1), "narrower than 0.2 m"),
    ],
)
def test_rows_that_are_no_track_are_refused(rows: np.ndarray, words: str) -> None:
    with pytest.raises(TrackError, match=words):
        track_from_rows(rows, "bad")


def test_every_community_track_can_be_driven_on(community_tracks: Path) -> None:
    for file in sorted(community_tracks.glob("*.npy")):
        track = track_from_rows(np.load(file), file.stem)
        assert track.closed == (file.stem != "Straight_track"), file.stem
        assert 5.0 < track.length < 120.0, file.stem
        assert 0.55 < track.widths.min() <= track.widths.max() < 1.6, file.stem
        middles = (track.center[:-1] + track.center[1:]) / 2
        assert track.on_road(middles).all(), file.stem
        along, lateral, _ = track.project(middles)
        assert (np.diff(along) >= 0.0).all(), file.stem
        assert np.abs(lateral).max() < 1e-9, file.stem
        beside = 0.5 * track.widths.max() + 0.05
        for side in (beside, -beside):
            points = [track.pose_at(d, side)[:2] for d in np.arange(0.0, track.length, 0.5)]
            # Coarse waypoints cut the corners of a few tight bends.
            assert track.on_road(np.array(points)).mean() < 0.06, file.stem
