"""What the camera can see of a track: a picture of the ground, a wall around it and the sky."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, cos, sin, sqrt

import cv2
import numpy as np
import numpy.typing as npt

from deepracer_sim.appearance import RGB
from deepracer_sim.track import Floats, Track

Pixels = npt.NDArray[np.uint8]

FINE_TEXEL, COARSE_TEXEL = 0.005, 0.010
"""Limits of the texel size, m."""
TEXEL_BUDGET = 4_000_000
"""Ground pictures larger than this get coarser texels: big ones no longer fit the CPU's caches."""
SUPERSAMPLING = 4
"""Lines are drawn this much finer in both directions and averaged to texels."""
START_BAR_WIDTH, START_BAR_LENGTH, START_BAR_CENTER = 0.91, 0.07, 0.13
"""Across the road, along it, and its middle beyond waypoint 0, m."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A flat ground picture inside a rectangular wall.

    Attributes:
        ground: (rows, columns, 3) RGB. Texel [i, j] covers the square of side ``texel`` whose lower
            corner is at ``origin + texel * (j, i)``: rows run along +y, columns along +x.
        origin: x, y of the lower corner of the rectangle, m, world frame.
        texel: side of a texel, m.
        wall_height: m; the wall stands on the edge of the picture.
        wall: colour of the wall.
        sky: colour above it.
    """

    ground: Pixels
    origin: tuple[float, float]
    texel: float
    wall_height: float
    wall: RGB
    sky: RGB

    @property
    def size(self) -> tuple[float, float]:
        """Extent of the rectangle along x and y, m."""
        rows, columns = self.ground.shape[:2]
        return columns * self.texel, rows * self.texel

    @classmethod
    def of(cls, track: Track, *, texels: int = TEXEL_BUDGET, finest: float = FINE_TEXEL) -> Scene:
        """Paint road, lines and field of ``track`` in the colours of its appearance.

        Args:
            track: which.
            texels: aim for at most so many texels by making them larger, up to 1 cm.
            finest: smallest texel, m.
        """
        look = track.appearance
        borders = np.concatenate([track.inner, track.outer])
        low = borders.min(axis=0) - look.field_margin
        extent = borders.max(axis=0) + look.field_margin - low
        texel = min(max(sqrt(extent.prod() / texels), finest), COARSE_TEXEL)
        columns, rows = (ceil(side / texel) for side in extent)
        low -= (np.array([columns, rows]) * texel - extent) / 2.0
        painter = _Painter(low, texel, rows, columns, look.field)
        _paint_road(painter, track)
        _paint_center_line(painter, track)
        if look.start_bar:
            _paint_start_bar(painter, track)
        origin = float(low[0]), float(low[1])
        return cls(painter.finish(), origin, texel, look.wall_height, look.wall, look.sky)


class _Painter:
    """Paints anti-aliased shapes given in metres, one colour at a time."""

    def __init__(self, low: Floats, texel: float, rows: int, columns: int, color: RGB) -> None:
        self._low, self._scale = low, SUPERSAMPLING / texel
        self._size = columns, rows
        self._picture = np.empty((rows, columns, 3), dtype=np.uint8)
        self._picture[:] = color
        self.mask = np.zeros((rows * SUPERSAMPLING, columns * SUPERSAMPLING), dtype=np.uint8)

    def fill(self, loops: list[Floats]) -> None:
        """Add the area inside closed ``loops`` by the even-odd rule to the mask."""
        cv2.fillPoly(self.mask, [self._fixed(loop) for loop in loops], 255, shift=4)

    def stroke(self, line: Floats, width: float, closed: bool, value: int) -> None:
        """Set the mask along ``line``, ``width`` metres wide, to ``value``."""
        thickness = round(width * self._scale)
        cv2.polylines(self.mask, [self._fixed(line)], closed, value, thickness, shift=4)

    def apply(self, color: RGB) -> None:
        """Lay ``color`` over the picture where the mask is set, by coverage, and clear the mask."""
        cover = cv2.resize(self.mask, self._size, interpolation=cv2.INTER_AREA)
        touched = cover > 0
        alpha = cover[touched].astype(np.float32)[:, np.newaxis] / 255.0
        below = self._picture[touched]
        mixed = below + (np.array(color, dtype=np.float32) - below) * alpha
        self._picture[touched] = np.rint(mixed).astype(np.uint8)
        self.mask[:] = 0

    def finish(self) -> Pixels:
        return self._picture

    def _fixed(self, points: Floats) -> npt.NDArray[np.int32]:
        # cv2 puts pixel centres on whole numbers and takes 4 fractional bits with shift=4.
        pixels = (points - self._low) * self._scale - 0.5
        return np.asarray(np.rint(pixels * 16.0), dtype=np.int32)


def _paint_road(painter: _Painter, track: Track) -> None:
    """Paint the whole road in the border's colour, then what lies between the lines."""
    look = track.appearance
    borders = [track.inner, track.outer]
    loops = borders if track.closed else [np.concatenate([track.inner, track.outer[::-1]])]
    painter.fill(loops)
    outside = look.border_line == "outside"
    if outside:
        for border in borders:
            painter.stroke(border, 2.0 * look.border_line_width, track.closed, 255)
    painter.apply(look.border)
    painter.fill(loops)
    if not outside:
        for border in borders:
            painter.stroke(border, 2.0 * look.border_line_width, track.closed, 0)
    painter.apply(look.road)


def _paint_center_line(painter: _Painter, track: Track) -> None:
    look = track.appearance
    # On a loop the pitch gives a little so that the dashes close.
    count = max(1, round(track.length / (look.center_dash + look.center_gap)))
    pitch = track.length / count
    dash = pitch * look.center_dash / (look.center_dash + look.center_gap)
    for k in range(count):
        painter.fill([_block(track, k * pitch + dash / 2.0, dash, 0.0, look.center_line_width)])
    painter.apply(look.center)


def _paint_start_bar(painter: _Painter, track: Track) -> None:
    look = track.appearance
    inset = look.border_line_width if look.border_line == "inside" else 0.0
    width = min(START_BAR_WIDTH, float(track.widths[0]) - 2.0 * inset)
    gap = look.center_line_width
    block = (width - 2.0 * gap) / 3.0
    # The centre line is not always half way between the borders; the bar is.
    yaw = track.pose_at(START_BAR_CENTER)[2]
    aside = (track.inner[0] + track.outer[0]) / 2.0 - track.center[0]
    middle = float(aside @ [-sin(yaw), cos(yaw)])
    for side in (-1.0, 0.0, 1.0):
        lateral = middle + side * (block + gap)
        painter.fill([_block(track, START_BAR_CENTER, START_BAR_LENGTH, lateral, block)])
    painter.apply(look.border)


def _block(track: Track, distance: float, length: float, lateral: float, width: float) -> Floats:
    """Corners (4, 2) of a rectangle on the road, its middle ``distance`` along the track."""
    x, y, _ = track.pose_at(distance)
    back = np.array(track.pose_at(distance - length / 2.0)[:2])
    front = np.array(track.pose_at(distance + length / 2.0)[:2])
    forward = (front - back) / np.hypot(*(front - back))
    left = np.array([-forward[1], forward[0]])
    middle = np.array([x, y]) + lateral * left
    along, across = forward * length / 2.0, left * width / 2.0
    return np.array(
        [middle - along - across, middle + along - across, middle + along + across,
         middle - along + across]
    )  # fmt: skip
