"""Layout files: rounded polygons, and what is wrong with those that cannot be built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deepracer_car.errors import TrackError
from deepracer_sim.appearance import APPEARANCES
from deepracer_sim.rounded_polygon import RoundedPolygon
from deepracer_sim.track_layout import TrackLayout, parse_layout, read_layout

OVAL: dict[str, Any] = {
    "title": "Little Oval",
    "width": 0.76,
    "start": [2.0, 0.0],
    "waypoints": 81,
    "corners": [[5.0, 0.0, 1.0], [5.0, 3.0, 1.2], [0.0, 3.0, 1.2], [0.0, 0.0, 1.0]],
}


def oval(**changes: Any) -> dict[str, Any]:
    return {**OVAL, **changes}


def test_an_oval_has_straights_and_quarter_circles() -> None:
    track = parse_layout(OVAL).track("oval")
    straights = (5 - 2.0) + (3 - 2.2) * 2 + (5 - 2.4)
    assert track.length == pytest.approx(straights + np.pi * 2.2, abs=0.01)
    assert len(track.center) == 81
    assert np.array_equal(track.center[0], track.center[-1])
    assert track.center[0] == pytest.approx((2.0, 0.0), abs=1e-3)
    assert track.direction == "ccw"
    assert np.hypot(*(track.inner - track.outer).T) == pytest.approx(np.full(81, 0.76))
    assert track.title == "Little Oval"
    spacing = np.hypot(*np.diff(track.center, axis=0).T)
    assert spacing.max() - spacing.min() < 0.003


def test_driving_order_gives_the_direction_and_the_inner_border_stays_inside() -> None:
    track = parse_layout(oval(corners=OVAL["corners"][::-1])).track("oval")
    assert track.direction == "cw"
    assert np.hypot(*np.diff(track.inner, axis=0).T).sum() < track.length


def test_without_a_start_the_longest_straight_has_it() -> None:
    values = {key: OVAL[key] for key in ("width", "corners")}
    track = parse_layout(values).track("oval")
    assert track.center[0] == pytest.approx((2.5, 0.0), abs=1e-6)
    assert np.hypot(*np.diff(track.center, axis=0).T).mean() == pytest.approx(0.15, abs=0.005)


@given(
    sides=st.integers(3, 12),
    radius=st.floats(0.6, 1.5),
    turn=st.floats(0.0, 6.2),
    clockwise=st.booleans(),
)
def test_the_tangent_never_jumps(sides: int, radius: float, turn: float, clockwise: bool) -> None:
    angles = turn + np.arange(sides) * 2 * np.pi / sides
    if clockwise:
        angles = angles[::-1]
    corners = np.column_stack([6 * np.cos(angles), 6 * np.sin(angles), np.full(sides, radius)])
    line = RoundedPolygon(corners)
    along = np.linspace(0.0, line.length, 4001)
    points, headings = line.at(along)
    step = line.length / 4000
    gaps = np.hypot(*np.diff(points, axis=0).T)
    assert gaps.max() <= step + 1e-9
    assert gaps.min() > 0.99 * step
    bend = (np.diff(headings) + np.pi) % (2 * np.pi) - np.pi
    assert np.abs(bend).max() <= step / radius + 1e-6
    assert line.turning == pytest.approx(-2 * np.pi if clockwise else 2 * np.pi)


def test_appearance_is_a_preset_with_optional_changes() -> None:
    assert parse_layout(OVAL).track("a").appearance == APPEARANCES["modern"]
    look = {"preset": "training_2018", "road": [10, 20, 30], "start_bar": True, "center_gap": 0.2}
    changed = parse_layout(oval(appearance=look)).track("a").appearance
    assert (changed.road, changed.start_bar, changed.center_gap) == ((10, 20, 30), True, 0.2)
    assert changed.border_line == APPEARANCES["training_2018"].border_line


@pytest.mark.parametrize(
    "values",
    [
        OVAL,
        {"width": 1, "corners": OVAL["corners"]},
        oval(appearance={"preset": "training_2018", "road": [1, 2, 3], "border_line": "inside"}),
        oval(title="Ring: \"nord\" # 1 'ü'"),
    ],
)
def test_a_written_layout_reads_back_the_same(values: dict[str, Any], tmp_path: Path) -> None:
    layout = parse_layout(values)
    file = tmp_path / "oval.yaml"
    file.write_text(layout.to_yaml(), encoding="utf-8")
    assert read_layout(file) == layout


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (None, "mapping with the keys"),
        ([1, 2], "mapping with the keys"),
        (oval(widht=1.0), "unknown key 'widht'.*Did you mean 'width'"),
        ({"width": 1.0}, "'corners' is missing"),
        ({"corners": OVAL["corners"]}, "'width' is missing"),
        (oval(width="wide"), "width is .*number"),
        (oval(width=0.1), "0.3 to 5 m"),
        (oval(width=True), "width"),
        (oval(width=float("nan")), "finite"),
        (oval(waypoints=5), "12 to 5000"),
        (oval(waypoints=80.5), "12 to 5000"),
        (oval(start=[1.0]), "start is .* 2 finite"),
        (oval(corners=[[0, 0, 1], [1, 1, 1]]), "at least 3"),
        (oval(corners="none"), "at least 3"),
        (oval(corners=[[0, 0, 1], [9, 0, 1], [9, 9]]), "corner 2 is .* 3 finite"),
        (oval(corners=[[0, 0, 1], [9, 0, 1], [9, 9, 0]]), "corner 2 has the radius 0"),
        (oval(corners=[[0, 0, 1], [9, 0, "x"], [9, 9, 1]]), "corner 1"),
        (oval(appearance="moden"), "unknown appearance 'moden'.*Did you mean 'modern'"),
        (oval(appearance={"rod": [1, 2, 3]}), "no 'rod'.*Did you mean 'road'"),
        (oval(appearance={"road": [1, 2, 300]}), "road is .*cannot be used"),
        (oval(appearance={"start_bar": 1}), "start_bar is 1"),
        (oval(appearance={"border_line": "middle"}), "border_line is 'middle'"),
        (oval(appearance={"center_gap": -1}), "center_gap"),
    ],
)
def test_a_wrong_layout_is_refused_by_name(values: object, words: str) -> None:
    with pytest.raises(TrackError, match=words):
        parse_layout(values)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start": [2.0, 1.5]}, "start .* beside the centre line"),
        ({"corners": [[0, 0, 1], [5, 0, 3], [5, 5, 3], [0, 5, 1]]}, "corners 1 and 2, radius 3"),
        ({"corners": [[0, 0, 1], [5, 0, 1], [5, 0, 1], [0, 5, 1]]}, "same point"),
        ({"corners": [[0, 0, 0.1], [9, 0.2, 0.1], [0, 0.4, 0.1]]}, "more than 170"),
        ({"corners": [[0, 0, 0.3], [5, 0, 1], [5, 5, 1], [0, 5, 1]]}, "radius 0.30 m .* half the"),
        ({"corners": [[0, 0, 1], [9, 9, 1], [9, 0, 1], [0, 9, 1]]}, "does not cross itself"),
        (
            {"corners": [[0, 0, 0.5], [9, 0, 0.5], [9, 1, 0.4], [5, 0.7, 2], [0, 1, 0.4]]},
            "runs into itself",
        ),
    ],
)
def test_a_road_that_cannot_be_is_refused(changes: dict[str, Any], words: str) -> None:
    values = oval(**changes)
    if "start" not in changes:
        values.pop("start")
    with pytest.raises(TrackError, match=f"Track 'bad': .*{words}"):
        parse_layout(values).track("bad")


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("corners: [", encoding="utf-8")
    with pytest.raises(TrackError, match=r"broken\.yaml"):
        read_layout(file)
    file.write_text("corners: 3\nwidth: 1\n", encoding="utf-8")
    with pytest.raises(TrackError, match=r"broken\.yaml: corners"):
        read_layout(file)
    with pytest.raises(TrackError, match=r"missing\.yaml"):
        read_layout(tmp_path / "missing.yaml")
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TrackError, match=r"broken\.yaml"):
        read_layout(file)


def test_the_example_in_the_documentation_is_a_track() -> None:
    import deepracer_sim.track_layout as module

    example = (module.__doc__ or "").split("::\n")[1].split("\n\nAny")[0]
    layout = parse_layout(yaml.safe_load(example.replace(", ...}", "}")))
    assert isinstance(layout, TrackLayout)
    assert layout.track("example").length > 10.0
