"""Random closed tracks: the outline of a random patch of grid cells, bent and rounded."""

from __future__ import annotations

import contextlib
from typing import TypeAlias

import numpy as np

from deepracer_car.errors import TrackError, did_you_mean
from deepracer_sim.appearance import APPEARANCES
from deepracer_sim.rounded_polygon import RoundedPolygon, check_road
from deepracer_sim.track import Floats, Track
from deepracer_sim.track_layout import TrackLayout

MIN_RADIUS = 0.55
"""Tightest bend of the centre line, m; the car's own limit is below 0.3."""
CLEARANCE = 0.3
"""Least field between two parts of the road, m."""
ATTEMPTS = 3000

Cell: TypeAlias = tuple[int, int]

_RING = [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)]
"""The eight neighbours of a cell in order; the even ones share an edge with it."""


def generate_track(seed: int, length: float = 20.0, width: float = 0.76) -> Track:
    """A random closed track; see `generate_layout`."""
    return generate_layout(seed, length, width).track(f"generated_{seed}")


def generate_layout(
    seed: int, length: float = 20.0, width: float = 0.76, appearance: str = "modern"
) -> TrackLayout:
    """Draw a random closed track; the same arguments give the same track.

    Bends of the centre line have a radius of at least 0.55 m and of half the width and 0.15 m, and
    at least 0.3 m of field lies between parts of the road that pass one another.

    Args:
        seed: 0 or more.
        length: of the centre line, m, met to within 2 %; at least 14 widths and 10 m.
        width: of the road, m, 0.5 to 2.
        appearance: name of a preset.

    Raises:
        TrackError: an argument is out of range.
    """
    if seed < 0:
        raise TrackError(f"The seed {seed} is negative; use 0 or more.")
    if not 0.5 <= width <= 2.0:
        raise TrackError(f"The width {width:g} m is out of range; use 0.5 to 2 m.")
    shortest = max(10.0, 14.0 * width)
    if not shortest <= length <= 200.0:
        raise TrackError(
            f"The length {length:g} m is out of range; a road of width {width:g} m can be "
            f"{shortest:g} to 200 m long."
        )
    if appearance not in APPEARANCES:
        raise TrackError(
            f"Unknown appearance '{appearance}'; there are {', '.join(APPEARANCES)}."
            + did_you_mean(appearance, APPEARANCES)
        )
    rng = np.random.default_rng(seed)
    for _ in range(ATTEMPTS):
        corners = _corners(rng, length, width)
        if _is_drivable(corners, length, width):
            return TrackLayout(
                corners=tuple((float(x), float(y), float(r)) for x, y, r in corners),
                width=width,
                title=f"Generated track {seed}",
                appearance=appearance,
            )
    raise TrackError(
        f"Found no track of {length:g} m with a road of {width:g} m for seed {seed}; use another "
        "seed, a longer track or a narrower road."
    )


def _corners(rng: np.random.Generator, length: float, width: float) -> Floats:
    """(K, 3) corners of a candidate, rounded to cm."""
    edges = length / (0.85 * (width + CLEARANCE) * rng.uniform(1.5, 2.3))
    edges = min(edges, rng.uniform(24.0, 40.0))  # with more, nearly every candidate has a fault
    cell = length / (0.85 * edges)
    points = _outline(_grow(rng, edges)) * cell
    # Keep the corners, and some points of the straights to bend them.
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    straight = (before == after).all(axis=1)
    points = points[~straight | (rng.random(len(points)) < 0.3)]
    points = points + rng.uniform(-0.28, 0.28, points.shape) * cell
    turn = rng.uniform(0.0, 2.0 * np.pi)
    points = points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    if rng.random() < 0.5:
        points = points[::-1]
    corners = np.column_stack([points - points.mean(axis=0), _radii(rng, points)])
    with contextlib.suppress(TrackError):  # `_is_drivable` meets the same fault
        corners *= length / RoundedPolygon(corners).length
    return np.round(corners, 2)


def _grow(rng: np.random.Generator, edges: float) -> set[Cell]:
    """A random patch of cells without holes whose outline has at least ``edges`` edges."""
    cells = {(0, 0)}
    outline = 4
    while outline < edges:
        x, y = sorted(cells)[rng.integers(len(cells))]
        dx, dy = _RING[2 * rng.integers(4)]
        new = (x + dx, y + dy)
        ring = [(new[0] + a, new[1] + b) in cells for a, b in _RING]
        # One run of neighbours: the outline stays one loop that nowhere touches itself.
        runs = sum(ring[i] and not ring[i - 1] for i in range(8))
        if new not in cells and runs == 1:
            cells.add(new)
            outline += 4 - 2 * sum(ring[::2])
    return cells


def _outline(cells: set[Cell]) -> Floats:
    """(K, 2) grid points around ``cells``, counter-clockwise, one for each edge."""
    following: dict[Cell, Cell] = {}
    for x, y in cells:
        if (x, y - 1) not in cells:
            following[x, y] = (x + 1, y)
        if (x + 1, y) not in cells:
            following[x + 1, y] = (x + 1, y + 1)
        if (x, y + 1) not in cells:
            following[x + 1, y + 1] = (x, y + 1)
        if (x - 1, y) not in cells:
            following[x, y + 1] = (x, y)
    path = [min(following)]
    while (point := following[path[-1]]) != path[0]:
        path.append(point)
    return np.array(path, dtype=np.float64)


def _radii(rng: np.random.Generator, points: Floats) -> Floats:
    """Radii that fit on the sides of the polygon, drawn corner by corner in random order."""
    sides = np.roll(points, -1, axis=0) - points
    lengths = np.hypot(*sides.T)
    headings = np.arctan2(sides[:, 1], sides[:, 0])
    turns = np.abs((headings - np.roll(headings, 1) + np.pi) % (2.0 * np.pi) - np.pi)
    slope = np.tan(np.minimum(turns, 3.0) / 2.0).clip(min=1e-3)
    tangents = 0.35 * np.minimum(lengths, np.roll(lengths, 1))
    for i in rng.permutation(len(points)):
        j = (i + 1) % len(points)
        free = 0.97 * min(lengths[i - 1] - tangents[i - 1], lengths[i] - tangents[j])
        tangents[i] = max(tangents[i], rng.uniform(0.4, 1.0) * free)
    return np.asarray(np.minimum(tangents / slope, 6.0))


def _is_drivable(corners: Floats, length: float, width: float) -> bool:
    if corners[:, 2].min() < max(MIN_RADIUS, width / 2.0 + 0.15):
        return False
    try:
        line = RoundedPolygon(corners)
        check_road(line, width + CLEARANCE)
    except TrackError:
        return False
    return abs(line.length / length - 1.0) <= 0.02
