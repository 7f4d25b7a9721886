"""A track written by hand: a polygon whose corners are rounded, each with its own radius.

::

    title: Little Oval
    appearance: modern          # a preset of `appearance.APPEARANCES`, or {preset: modern, ...}
    width: 0.76                 # metres
    start: [2.0, 0.0]           # the nearest point of the centre line is waypoint 0
    waypoints: 81               # their number; the last repeats the first
    corners:                    # x, y, radius in metres, in driving order
      - [5.0, 0.0, 1.0]
      - [5.0, 3.0, 1.2]
      - [0.0, 3.0, 1.2]
      - [0.0, 0.0, 1.0]

Any smooth line of straights and arcs can be written like this, and it always closes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from deepracer_car.errors import TrackError, did_you_mean
from deepracer_sim.appearance import APPEARANCES
from deepracer_sim.rounded_polygon import RoundedPolygon, check_road
from deepracer_sim.track import Floats, Track, track_from_rows

WAYPOINT_SPACING = 0.15
"""Metres between waypoints where a layout does not give their number."""

_KEYS = ("title", "appearance", "width", "start", "waypoints", "corners")


@dataclass(frozen=True)
class TrackLayout:
    """What a layout file holds; the module's docstring shows one.

    Attributes:
        corners: x, y and radius of each corner of the polygon, metres, in driving order.
        width: of the road, m.
        start: x, y in metres on the centre line; None: the middle of the longest straight.
        waypoints: their number with the repeated one; None: one every 0.15 m.
        appearance: a preset's name.
        overrides: fields of `Appearance` that differ from the preset.
    """

    corners: tuple[tuple[float, float, float], ...]
    width: float
    start: tuple[float, float] | None = None
    waypoints: int | None = None
    title: str = ""
    appearance: str = "modern"
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def track(self, name: str) -> Track:
        """Sample the layout: waypoints evenly spaced along the centre line, borders beside them.

        Raises:
            TrackError: the road cannot be built as described.
        """
        try:
            rows = self._rows()
        except TrackError as error:
            raise TrackError(f"Track '{name}': {error}") from None
        look = replace(APPEARANCES[self.appearance], **self.overrides)
        return track_from_rows(rows, name, title=self.title, appearance=look)

    def to_yaml(self) -> str:
        """Text of a layout file that reads back as this layout."""
        look = {"preset": self.appearance, **self.overrides} if self.overrides else self.appearance
        values = {
            "title": self.title or None,
            "appearance": look,
            "width": self.width,
            "start": list(self.start) if self.start else None,
            "waypoints": self.waypoints,
            "corners": [list(corner) for corner in self.corners],
        }
        given = {key: value for key, value in values.items() if value is not None}
        return yaml.safe_dump(given, default_flow_style=None, sort_keys=False, allow_unicode=True)

    def _rows(self) -> Floats:
        line = RoundedPolygon(np.array(self.corners))
        start = self._start_distance(line)
        check_road(line, self.width)
        count = self.waypoints or max(round(line.length / WAYPOINT_SPACING), 12) + 1
        along = np.linspace(0.0, line.length, count)
        points, headings = line.at(start + along)
        left = np.column_stack([-np.sin(headings), np.cos(headings)]) * self.width / 2.0
        inwards = left if line.turning > 0.0 else -left
        rows = np.hstack([points, points + inwards, points - inwards])
        rows[-1] = rows[0]
        return rows

    def _start_distance(self, line: RoundedPolygon) -> float:
        if self.start is None:
            return line.middle_of_longest_straight()
        x, y = self.start
        along, off = line.nearest(x, y)
        if off > 0.5:
            raise TrackError(
                f"the start [{x:g}, {y:g}] lies {off:.2f} m beside the centre line; give one "
                "within 0.5 m of it."
            )
        return along


def read_layout(path: Path) -> TrackLayout:
    """Read a layout file.

    Raises:
        TrackError: the file cannot be read, or a key or value cannot be used.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TrackError(f"Cannot read the track layout {path}: {error}") from error
    try:
        return parse_layout(values)
    except TrackError as error:
        raise TrackError(f"{path}: {error}") from None


def parse_layout(values: object) -> TrackLayout:
    """Check ``values``, as read from a layout file.

    Raises:
        TrackError: a key is unknown or missing, or a value has the wrong type or range.
    """
    if not isinstance(values, dict):
        raise TrackError(f"a track layout is a mapping with the keys {', '.join(_KEYS)}.")
    for key in values:
        if key not in _KEYS:
            raise TrackError(
                f"unknown key '{key}'; a track layout has {', '.join(_KEYS)}."
                + did_you_mean(str(key), _KEYS)
            )
    for key in ("width", "corners"):
        if key not in values:
            raise TrackError(f"the key '{key}' is missing; 'width' and 'corners' are needed.")
    (width,) = _numbers("width", [values["width"]], 1)
    if not 0.3 <= width <= 5.0:
        raise TrackError(f"the width {width:g} m is out of range; a road is 0.3 to 5 m wide.")
    preset, overrides = _appearance(values.get("appearance", "modern"))
    waypoints = values.get("waypoints")
    if waypoints is not None and (type(waypoints) is not int or not 12 <= waypoints <= 5000):
        raise TrackError(f"waypoints is {waypoints!r}; it must be a whole number of 12 to 5000.")
    start = None
    if values.get("start") is not None:
        x, y = _numbers("start", values["start"], 2)
        start = (x, y)
    return TrackLayout(
        corners=_corners(values["corners"]),
        width=width,
        start=start,
        waypoints=waypoints,
        title=str(values.get("title", "")),
        appearance=preset,
        overrides=overrides,
    )


def _corners(value: object) -> tuple[tuple[float, float, float], ...]:
    if not isinstance(value, list) or len(value) < 3:
        raise TrackError(f"corners is {value!r}; it must be a list of at least 3 [x, y, radius].")
    corners = []
    for i, entry in enumerate(value):
        x, y, radius = _numbers(f"corner {i}", entry, 3)
        if radius <= 0.0:
            raise TrackError(f"corner {i} has the radius {radius:g}; it must be more than 0 m.")
        corners.append((x, y, radius))
    return tuple(corners)


def _appearance(value: object) -> tuple[str, dict[str, Any]]:
    overrides = dict(value) if isinstance(value, dict) else {"preset": value}
    preset = overrides.pop("preset", "modern")
    if preset not in APPEARANCES:
        raise TrackError(
            f"unknown appearance '{preset}'; there are {', '.join(APPEARANCES)}."
            + did_you_mean(str(preset), APPEARANCES)
        )
    examples = asdict(APPEARANCES[preset])
    for key, given in overrides.items():
        if key not in examples:
            raise TrackError(
                f"an appearance has no '{key}'; it has {', '.join(examples)}."
                + did_you_mean(str(key), examples)
            )
        overrides[key] = _like(key, given, examples[key])
    return preset, overrides


def _like(key: str, given: object, example: object) -> object:
    """``given`` as the kind of value that ``example`` is: colour, switch, measure or side."""
    if isinstance(example, tuple):
        color = tuple(int(part) for part in _numbers(key, given, 3))
        if all(0 <= part <= 255 for part in color):
            return color
    elif isinstance(example, bool):
        if isinstance(given, bool):
            return given
    elif isinstance(example, float):
        (measure,) = _numbers(key, [given], 1)
        if measure >= 0.0:
            return measure
    elif given in ("inside", "outside"):
        return given
    raise TrackError(f"{key} is {given!r}, which cannot be used; an example is {example!r}.")


def _numbers(key: str, value: object, count: int) -> tuple[float, ...]:
    numbers = value if isinstance(value, (list, tuple)) else ()
    plain = all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in numbers)
    if len(numbers) != count or not plain or not np.isfinite(numbers).all():
        raise TrackError(f"{key} is {value!r}; it must be {count} finite number(s), in metres.")
    return tuple(float(n) for n in numbers)
