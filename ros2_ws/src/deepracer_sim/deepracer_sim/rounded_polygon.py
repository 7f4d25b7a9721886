"""A closed line of straights and arcs: a polygon whose corners are rounded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deepracer_car.errors import TrackError
from deepracer_sim.track import Floats

MAX_TURN = np.radians(170.0)
"""A sharper corner would need tangents many times longer than its radius."""


class RoundedPolygon:
    """Arcs and straights in turn, from corner 0 on; distances are metres along the line.

    Attributes:
        length: of the whole line, m.
        turning: sum of all turns, rad: 2 pi counter-clockwise, -2 pi clockwise.

    Raises:
        TrackError: a turn is too sharp, two arcs do not fit on the side between them, or the line
            crosses itself.
    """

    def __init__(self, corners: Floats) -> None:
        """``corners``: (K, 3) x, y, radius, metres, in driving order."""
        points, radii = corners[:, :2], corners[:, 2]
        sides = np.roll(points, -1, axis=0) - points
        side_lengths = np.hypot(*sides.T)
        headings = np.arctan2(sides[:, 1], sides[:, 0])
        turns = (headings - np.roll(headings, 1) + np.pi) % (2.0 * np.pi) - np.pi
        tangents = radii * np.tan(np.abs(turns) / 2.0)
        straights = side_lengths - tangents - np.roll(tangents, -1)
        _check(corners, side_lengths, turns, straights)
        self.turning = float(turns.sum())
        toward = sides / side_lengths[:, None]
        arc_starts = points - np.roll(toward, 1, axis=0) * tangents[:, None]
        straight_starts = points + toward * tangents[:, None]
        # Pieces 2i and 2i + 1 are the arc of corner i and the straight that follows it.
        self._points = np.stack([arc_starts, straight_starts], axis=1).reshape(-1, 2)
        self._headings = np.column_stack([np.roll(headings, 1), headings]).ravel()
        self._curvatures = np.column_stack([np.sign(turns) / radii, np.zeros(len(radii))]).ravel()
        lengths = np.column_stack([radii * np.abs(turns), np.maximum(straights, 0.0)]).ravel()
        self._ends = np.cumsum(lengths)
        self._starts = self._ends - lengths
        self.length = float(self._ends[-1])

    def at(self, distances: Floats) -> tuple[Floats, Floats]:
        """Points (M, 2) in metres and headings (M,) in radians at ``distances`` (M,)."""
        piece, into = self._piece(distances)
        curvature = self._curvatures[piece]
        # An arc of length u and curvature k spans a chord of u sin(ku/2) / (ku/2) in the direction
        # half way through its turn; that holds for straights too, where k is 0.
        chord = into * np.sinc(curvature * into / (2.0 * np.pi))
        middle = self._headings[piece] + curvature * into / 2.0
        step = np.column_stack([np.cos(middle), np.sin(middle)]) * chord[:, None]
        return self._points[piece] + step, self._headings[piece] + curvature * into

    def curvature_at(self, distances: Floats) -> Floats:
        """Curvature (M,) in 1/m, positive to the left, at ``distances`` (M,)."""
        return np.asarray(self._curvatures[self._piece(distances)[0]])

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """Distance of the line's point nearest to x, y, to 1 mm, and how far away that is, m."""
        along = np.arange(0.0, self.length, 0.001)
        off = np.hypot(*(self.at(along)[0] - (x, y)).T)
        i = int(off.argmin())
        return float(along[i]), float(off[i])

    def middle_of_longest_straight(self) -> float:
        """Distance along the line, m."""
        lengths = self._ends - self._starts
        i = 1 + 2 * int(lengths[1::2].argmax())
        return float((self._starts[i] + self._ends[i]) / 2.0)

    def _piece(self, distances: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
        s = distances % self.length
        piece = np.searchsorted(self._ends, s, side="right").clip(max=len(self._ends) - 1)
        return piece, s - self._starts[piece]


def check_road(line: RoundedPolygon, width: float) -> None:
    """Refuse a road, ``width`` metres wide, that folds in a bend or runs into itself.

    Raises:
        TrackError: names the place.
    """
    along = np.linspace(0.0, line.length, min(round(line.length / 0.05), 1000), endpoint=False)
    points, curvature = line.at(along)[0], line.curvature_at(along)
    folds = np.abs(curvature) * width / 2.0 > 1.0
    if folds.any():
        i = int(folds.argmax())
        raise TrackError(
            f"the bend near {_place(points[i])} has radius {1.0 / abs(curvature[i]):.2f} m and the "
            f"road is {width:.2f} m wide; use a radius of at least half the width."
        )
    apart = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    between = np.abs(along[:, None] - along[None])
    between = np.minimum(between, line.length - between)
    # In the tightest hairpin, of radius width / 2, points half a turn apart are one width apart.
    # Points nearer along the road belong to the same bend, whose radius is checked above.
    clash = (between > 1.05 * np.pi / 2.0 * width) & (apart < 0.98 * width)
    if clash.any():
        i, j = np.argwhere(clash)[0]
        raise TrackError(
            f"the road runs into itself: {_place(points[i])} and {_place(points[j])} on its centre "
            f"line are {apart[i, j]:.2f} m apart and the road is {width:.2f} m wide; move "
            "the corners apart or make the road narrower."
        )


def _check(corners: Floats, sides: Floats, turns: Floats, straights: Floats) -> None:
    for i, (x, y, radius) in enumerate(corners):
        j = (i + 1) % len(corners)
        if sides[i] == 0.0:
            raise TrackError(f"corners {i} and {j} lie at the same point; remove one.")
        if abs(turns[i]) > MAX_TURN:
            raise TrackError(
                f"corner {i} [{x:g}, {y:g}] turns by {np.degrees(turns[i]):.0f} degrees; use two "
                "corners for a turn of more than 170."
            )
        if straights[i] < -1e-6:
            raise TrackError(
                f"the arcs of corners {i} and {j}, radius {radius:g} and {corners[j, 2]:g} m, are "
                f"{-straights[i]:.3f} m too long for the {sides[i]:.2f} m between the corners; "
                "make a radius smaller or move the corners apart."
            )
    if not np.isclose(abs(turns.sum()), 2.0 * np.pi):
        raise TrackError(
            f"the line turns by {np.degrees(turns.sum()):.0f} degrees in one lap; a road that does "
            "not cross itself turns by 360 or -360."
        )


def _place(point: Floats) -> str:
    return f"({point[0]:.2f}, {point[1]:.2f})"
