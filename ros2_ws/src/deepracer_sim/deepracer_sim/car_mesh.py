"""The car as coloured polygons, for pictures that people look at."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np

from deepracer_car.spec import CarSpec
from deepracer_sim.appearance import RGB
from deepracer_sim.track import Floats

LIGHT = np.array([-0.35, 0.45, 0.82])
"""Where the light comes from, in the car's frame."""
BODY: RGB = (255, 122, 24)
TRIM: RGB = (38, 42, 48)
GLASS: RGB = (24, 30, 40)
TYRE: RGB = (34, 34, 36)
HUB: RGB = (196, 200, 206)
WHEEL_WIDTH, WHEEL_SIDES = 0.042, 18


@dataclass(frozen=True)
class Face:
    """A flat convex polygon: which of the mesh's corners it has, and its colour in the light."""

    part: slice
    color: tuple[float, ...]


class CarMesh:
    """Wheels, chassis and body; the front wheels turn.

    Corners are in the car's frame, m, counter-clockwise seen from outside.
    """

    def __init__(self) -> None:
        """Build the car from its spec."""
        spec = CarSpec()
        polygons: list[tuple[Floats, RGB]] = []
        for x, y in spec.wheel_centers:
            polygons += wheel_polygons(x, y, spec.wheel_radius)
        steered = len(polygons) // 4
        polygons += body_polygons()
        self._corners = np.concatenate([corners for corners, _ in polygons])
        ends = np.cumsum([len(corners) for corners, _ in polygons])
        self._starts = np.concatenate([[0], ends[:-1]])
        self._faces = [
            Face(slice(int(end) - len(corners), int(end)), _lit(corners, color))
            for end, (corners, color) in zip(ends, polygons, strict=True)
        ]
        self._front = [
            (slice(int(self._starts[k * steered]), int(ends[(k + 1) * steered - 1])), center)
            for k, center in enumerate(spec.wheel_centers[:2])
        ]

    def corners(self, steering_angle: float) -> Floats:
        """(V, 3) corners of all faces with the front wheels turned by ``steering_angle``, rad."""
        corners = self._corners.copy()
        c, s = cos(steering_angle), sin(steering_angle)
        for part, center in self._front:
            corners[part, :2] = (corners[part, :2] - center) @ [[c, s], [-s, c]] + center
        return corners

    def visible(self, place: Floats, depth: Floats) -> list[Face]:
        """Faces seen from outside, the farthest first.

        Args:
            place: (V, 2) picture coordinates, y downwards, of all corners.
            depth: (V,) their distance from the viewer.
        """
        counts = np.diff(np.append(self._starts, len(place)))
        mean = np.add.reduceat(depth, self._starts) / counts
        following = np.arange(1, len(place) + 1)
        following[self._starts + counts - 1] = self._starts
        x, y = place.T
        turn = np.add.reduceat(x * y[following] - x[following] * y, self._starts)
        return [self._faces[k] for k in np.argsort(-mean) if turn[k] < 0.0]


def body_polygons() -> list[tuple[Floats, RGB]]:
    """Chassis, bumper, hull, cabin, roof, wing on two posts, camera."""
    parts = _solid((-0.135, 0.145, 0.045, 0.024), (-0.135, 0.150, 0.055, 0.050), TRIM)
    parts += _solid((0.145, 0.162, 0.085, 0.030), (0.145, 0.162, 0.085, 0.046), TRIM)
    parts += _solid((-0.140, 0.150, 0.056, 0.050), (-0.128, 0.112, 0.050, 0.084), BODY)
    parts += _solid((-0.105, 0.070, 0.047, 0.084), (-0.088, 0.022, 0.036, 0.112), GLASS)
    parts += _solid((-0.088, 0.022, 0.036, 0.112), (-0.086, 0.018, 0.034, 0.117), BODY)
    parts += _solid((-0.150, -0.118, 0.078, 0.112), (-0.150, -0.118, 0.078, 0.117), TRIM)
    for y in (-0.045, 0.045):
        parts += _solid((-0.138, -0.126, 0.004, 0.080), (-0.142, -0.130, 0.004, 0.112), TRIM, y)
    return parts + _solid((0.095, 0.130, 0.014, 0.080), (0.095, 0.125, 0.014, 0.110), TRIM)


def _solid(
    low: tuple[float, float, float, float],
    high: tuple[float, float, float, float],
    color: RGB,
    y: float = 0.0,
) -> list[tuple[Floats, RGB]]:
    """A frustum without bottom between two rectangles: rear x, front x, half width, height."""
    foot, top = _ring(*low, y), _ring(*high, y)
    sides = [np.array([foot[i - 1], foot[i], top[i], top[i - 1]]) for i in range(4)]
    return [(corners, color) for corners in (top, *sides)]


def _ring(rear: float, front: float, half: float, z: float, y: float) -> Floats:
    """Corners counter-clockwise seen from above."""
    return np.array(
        [[front, y - half, z], [front, y + half, z], [rear, y + half, z], [rear, y - half, z]]
    )


def wheel_polygons(x: float, y: float, radius: float) -> list[tuple[Floats, RGB]]:
    """A wheel at ``x``, ``y`` on the road: tyre and hubs."""
    angles = np.arange(WHEEL_SIDES) * 2.0 * pi / WHEEL_SIDES
    rim = np.column_stack([radius * np.cos(angles), 0.0 * angles, radius * np.sin(angles)])
    center, side = np.array([x, y, radius]), np.array([0.0, WHEEL_WIDTH / 2.0, 0.0])
    left, right = rim + center + side, rim + center - side
    hub, proud = 0.55 * rim + center, 1.05 * side
    discs = [(left[::-1], TYRE), (right, TYRE), ((hub + proud)[::-1], HUB), (hub - proud, HUB)]
    tread = [(np.array([right[i], right[i - 1], left[i - 1], left[i]]), TYRE)
             for i in range(WHEEL_SIDES)]  # fmt: skip
    return discs + tread


def _lit(corners: Floats, color: RGB) -> tuple[float, ...]:
    """Colour of a polygon by the angle at which light falls on it."""
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[1])
    shine = float(normal @ LIGHT / (np.linalg.norm(normal) * np.linalg.norm(LIGHT)))
    return tuple(min(channel * (0.62 + 0.45 * shine), 255.0) for channel in color)
