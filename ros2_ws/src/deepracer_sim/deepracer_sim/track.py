"""The geometry of a road: centre line, borders, and where a point lies on it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numba
import numpy as np
import numpy.typing as npt

from deepracer_car.errors import TrackError
from deepracer_sim.appearance import Appearance

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Track:
    """A road given by its waypoints, in driving order.

    On a closed track the first row is repeated at the end. A waypoint may repeat the one before it
    (some community files do); its index is kept and its zero-length segment is never chosen.

    Attributes:
        name: file name without ending, the racers' world name.
        center, inner, outer: (N, 2), metres, world frame. ``inner`` lies left when the track is
            driven counter-clockwise, whichever way it is driven now.
        closed: the last waypoint is the first.
        title: display name.
        appearance: what it looks like.
        is_reversed: driven against the order of its file.
    """

    name: str
    center: Floats
    inner: Floats
    outer: Floats
    closed: bool = True
    title: str = ""
    appearance: Appearance = field(default_factory=Appearance)
    is_reversed: bool = False

    @cached_property
    def arc_length(self) -> Floats:
        """(N,) metres along the centre line from waypoint 0 to each waypoint."""
        steps = np.hypot(*np.diff(self.center, axis=0).T)
        return np.concatenate(([0.0], np.cumsum(steps)))

    @property
    def length(self) -> float:
        """Length of the centre line, m."""
        return float(self.arc_length[-1])

    @cached_property
    def widths(self) -> Floats:
        """(N,) width of the road at each waypoint, m.

        It is the way from the waypoint to the nearest points of both borders. The borders' own
        points of a row will not do: in some community files they lie far ahead or behind.
        """
        return _distances(self.inner, self.center) + _distances(self.outer, self.center)

    @property
    def width(self) -> float:
        """Mean width of the road, m."""
        return float(self.widths.mean())

    @cached_property
    def turns_left(self) -> bool:
        """Driven counter-clockwise (for an open road: its inner border is the left one)."""
        forward = np.diff(self.center, axis=0)
        to_inner = (self.inner - self.center)[:-1]
        cross = forward[:, 0] * to_inner[:, 1] - forward[:, 1] * to_inner[:, 0]
        return bool(cross.sum() > 0)

    @property
    def direction(self) -> Literal["ccw", "cw"]:
        """The way the track is driven, seen from above."""
        return "ccw" if self.turns_left else "cw"

    @cached_property
    def road_edges(self) -> Floats:
        """(M, 4) edges x0, y0, x1, y1 that enclose the road surface; see `on_road`."""
        if self.closed:
            loops = [_close(self.inner), _close(self.outer)]
        else:
            loops = [_close(np.concatenate([self.inner, self.outer[::-1]]))]
        edges = np.concatenate([np.hstack([loop[:-1], loop[1:]]) for loop in loops])
        return np.ascontiguousarray(edges[np.hypot(*(edges[:, 2:] - edges[:, :2]).T) > 0])

    def reverse(self) -> Track:
        """The same road driven the other way round; inner and outer keep their meaning."""
        return replace(
            self,
            center=self.center[::-1].copy(),
            inner=self.inner[::-1].copy(),
            outer=self.outer[::-1].copy(),
            is_reversed=not self.is_reversed,
        )

    def driven(self, direction: Literal["cw", "ccw"] | None) -> Track:
        """This track, or its reverse, so that it is driven ``cw`` or ``ccw`` (None: as it is)."""
        return self if direction in (None, self.direction) else self.reverse()

    def pose_at(self, distance: float, lateral: float = 0.0) -> tuple[float, float, float]:
        """Pose on the road ``distance`` m along and ``lateral`` m to the left of the centre line.

        Returns:
            x, y in metres and yaw in radians, along the segment that holds the point.
        """
        s = distance % self.length if self.closed else min(max(distance, 0.0), self.length)
        lengths = np.diff(self.arc_length)
        i = int(np.searchsorted(self.arc_length, s, side="right")) - 1
        i = min(max(i, 0), len(lengths) - 1)
        while lengths[i] == 0.0:
            i -= 1
        forward = (self.center[i + 1] - self.center[i]) / lengths[i]
        x, y = self.center[i] + forward * (s - self.arc_length[i])
        yaw = float(np.arctan2(forward[1], forward[0]))
        return float(x - forward[1] * lateral), float(y + forward[0] * lateral), yaw

    def project(self, points: Floats) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
        """Nearest point of the centre line for each of ``points`` (M, 2), metres.

        Returns:
            distance along the track (M,), m; signed distance from the centre line (M,), m, positive
            to the left; index of the segment that holds the nearest point (M,).
        """
        along, lateral = np.empty(len(points)), np.empty(len(points))
        segment = np.empty(len(points), dtype=np.int64)
        project_points(
            self.center, self.arc_length, np.ascontiguousarray(points), along, lateral, segment
        )
        return along, lateral, segment

    def on_road(self, points: Floats) -> npt.NDArray[np.bool_]:
        """Whether each of ``points`` (M, 2) lies between the borders."""
        return np.array([point_on_road(self.road_edges, x, y) for x, y in points], dtype=bool)


def track_from_rows(
    rows: Floats, name: str, *, title: str = "", appearance: Appearance | None = None
) -> Track:
    """Build a track from community rows: centre x, y, inner x, y, outer x, y, metres, (N, 6).

    A loop whose last row stops short of the first by less than two mean spacings is closed.

    Raises:
        TrackError: wrong shape, too few rows, values that are not finite, or no road width.
    """
    rows = _checked(np.asarray(rows), name)
    gap = float(np.hypot(*(rows[-1, :2] - rows[0, :2])))
    spacing = float(np.hypot(*np.diff(rows[:, :2], axis=0).T).mean())
    closed = gap < 2.0 * spacing
    if closed and gap > 0.0:
        rows = np.vstack([rows, rows[:1]])
    return Track(
        name,
        rows[:, 0:2].copy(),
        rows[:, 2:4].copy(),
        rows[:, 4:6].copy(),
        closed,
        title or name,
        appearance or Appearance(),
    )


def _checked(rows: npt.NDArray[np.generic], name: str) -> Floats:
    if rows.ndim != 2 or rows.shape[1] != 6 or len(rows) < 4:
        raise TrackError(
            f"Track '{name}' has shape {rows.shape}; a track is an array of at least 4 rows with "
            "6 columns: centre x, y, inner x, y, outer x, y in metres."
        )
    real = np.issubdtype(rows.dtype, np.integer) or np.issubdtype(rows.dtype, np.floating)
    if not real or not np.isfinite(numbers := rows.astype(np.float64)).all():
        raise TrackError(f"Track '{name}' holds values that are not finite numbers.")
    if np.hypot(*(numbers[:, 2:4] - numbers[:, 4:6]).T).min() < 0.2:
        raise TrackError(f"Track '{name}' is narrower than 0.2 m somewhere; the car is 0.2 m wide.")
    return numbers


def _distances(line: Floats, points: Floats) -> Floats:
    """(M,) distance of each of ``points`` (M, 2) to a polyline (N, 2)."""
    off, unused, segment = np.empty(len(points)), np.empty(len(points)), np.empty(len(points), int)
    project_points(line, np.zeros(len(line)), np.ascontiguousarray(points), unused, off, segment)
    return np.abs(off)


def _close(line: Floats) -> Floats:
    return line if np.array_equal(line[0], line[-1]) else np.vstack([line, line[:1]])


@numba.njit(cache=True, nogil=True)
def project_points(center, arc_length, points, along, lateral, segment):  # type: ignore[no-untyped-def]
    """Write the nearest centre-line point of each of ``points`` (M, 2); see `Track.project`."""
    for k in range(points.shape[0]):
        px, py = points[k, 0], points[k, 1]
        best = np.inf
        for i in range(center.shape[0] - 1):
            ax, ay = center[i, 0], center[i, 1]
            dx, dy = center[i + 1, 0] - ax, center[i + 1, 1] - ay
            square = dx * dx + dy * dy
            if square == 0.0:
                continue
            t = min(1.0, max(0.0, ((px - ax) * dx + (py - ay) * dy) / square))
            ex, ey = px - ax - t * dx, py - ay - t * dy
            distance = ex * ex + ey * ey
            if distance < best:
                best = distance
                along[k] = arc_length[i] + t * (arc_length[i + 1] - arc_length[i])
                side = dx * ey - dy * ex
                lateral[k] = np.sqrt(distance) if side >= 0.0 else -np.sqrt(distance)
                segment[k] = i


@numba.njit(cache=True, nogil=True)
def point_on_road(edges, x, y):  # type: ignore[no-untyped-def]
    """Whether a point is enclosed by ``edges`` (M, 4), by the even-odd rule."""
    inside = False
    for k in range(edges.shape[0]):
        y0, y1 = edges[k, 1], edges[k, 3]
        if (y0 > y) != (y1 > y):
            x0, x1 = edges[k, 0], edges[k, 2]
            if x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                inside = not inside
    return inside
