"""Random tracks: the same for the same seed, drivable, never touching themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deepracer_car.errors import TrackError
from deepracer_sim.rounded_polygon import RoundedPolygon
from deepracer_sim.track import Track
from deepracer_sim.track_generator import (
    CLEARANCE,
    MIN_RADIUS,
    generate_layout,
    generate_track,
)
from deepracer_sim.track_layout import read_layout

SIZES = [(10.0, 0.5), (20.0, 0.76), (25.0, 1.067), (60.0, 1.067), (90.0, 0.76), (40.0, 2.0)]


def rows_of(track: Track) -> np.ndarray:
    return np.hstack([track.center, track.inner, track.outer])


def field_between(track: Track) -> float:
    """Least field between parts of the road more than a hairpin apart, m, measured anew."""
    center, along = track.center[:-1], track.arc_length[:-1]
    apart = np.hypot(*(center[:, None] - center[None]).transpose(2, 0, 1))
    between = np.abs(along[:, None] - along[None])
    between = np.minimum(between, track.length - between)
    far = between > 0.55 * np.pi * (track.width + CLEARANCE)
    return float(apart[far].min() - track.width)


@pytest.mark.parametrize(("length", "width"), SIZES)
def test_generated_tracks_are_drivable(length: float, width: float) -> None:
    for seed in range(12):
        layout = generate_layout(seed, length, width)
        track = layout.track("generated")
        line = RoundedPolygon(np.array(layout.corners))
        curvature = np.abs(line.curvature_at(np.arange(0.0, line.length, 0.01)))
        assert 1.0 / curvature.max() >= max(MIN_RADIUS, width / 2 + 0.15) - 1e-9
        assert line.length == pytest.approx(length, rel=0.02)
        assert track.width == pytest.approx(width, rel=0.02)
        assert field_between(track) > 0.9 * CLEARANCE, seed
        assert track.closed
        x = [track.pose_at(d, 0.45 * width)[:2] for d in np.arange(0.0, track.length, 0.3)]
        assert track.on_road(np.array(x)).all()


def test_the_same_seed_gives_the_same_track_and_others_differ() -> None:
    first, again = generate_track(3), generate_track(3)
    assert np.array_equal(rows_of(first), rows_of(again))
    corners = {generate_layout(seed).corners for seed in range(30)}
    assert len(corners) == 30
    directions = {generate_track(seed).direction for seed in range(30)}
    assert directions == {"cw", "ccw"}


def test_tracks_have_straights_and_bends_to_both_sides() -> None:
    with_both = 0
    for seed in range(30):
        line = RoundedPolygon(np.array(generate_layout(seed).corners))
        curvature = line.curvature_at(np.arange(0.0, line.length, 0.02))
        assert 0.1 < (curvature == 0.0).mean() < 0.8, seed
        with_both += bool((curvature > 0.2).any() and (curvature < -0.2).any())
    assert with_both >= 20


def test_a_generated_layout_is_a_compact_file(tmp_path: Path) -> None:
    layout = generate_layout(11, length=30.0, width=1.067, appearance="reinvent_2018")
    file = tmp_path / "generated.yaml"
    file.write_text(layout.to_yaml(), encoding="utf-8")
    assert np.array_equal(rows_of(read_layout(file).track("g")), rows_of(layout.track("g")))
    assert len(file.read_text(encoding="utf-8")) < 1500


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"seed": -1}, "seed -1 is negative"),
        ({"seed": 0, "width": 0.2}, "width 0.2 m is out of range; use 0.5 to 2"),
        ({"seed": 0, "length": 5.0}, "10.64 to 200 m"),
        ({"seed": 0, "length": 20.0, "width": 2.0}, "28 to 200 m"),
        ({"seed": 0, "length": float("nan")}, "nan m is out of range"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, float], words: str) -> None:
    with pytest.raises(TrackError, match=words):
        generate_track(**arguments)  # type: ignore[arg-type]


def test_an_unknown_appearance_is_refused() -> None:
    with pytest.raises(TrackError, match="Did you mean 'modern'"):
        generate_layout(0, appearance="moder")
