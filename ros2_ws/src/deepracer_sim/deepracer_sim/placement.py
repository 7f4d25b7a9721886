"""Where obstacles and other cars stand on a track: a fraction of the lap and a lane."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import hypot, isfinite
from typing import Literal

import numpy as np

from deepracer_car.errors import TrackError
from deepracer_sim.track import Floats, Track

Pose = tuple[float, float, float]

FIRST, LAST = 2.0, 1.0
"""The default places begin so far behind the start and end so far before the next lap, m."""
LEAST_DISTANCE = 0.6
"""Between the middles of two objects, m: a box is 0.5 m from corner to corner."""
LANES: dict[str, Literal["inner", "outer"]] = {
    "inner": "inner",
    "outer": "outer",
    "1": "inner",
    "-1": "outer",
}
"""What a lane may be called; the numbers are those of the racers' ``OBJECT_POSITIONS``."""


@dataclass(frozen=True)
class Place:
    """A spot in the middle of a lane.

    Attributes:
        fraction: of the lap, in driving direction from waypoint 0.
        lane: half way from the centre line to the ``inner`` or the ``outer`` border.
    """

    fraction: float
    lane: Literal["inner", "outer"]

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read ``FRACTION,LANE``, as in ``0.25,inner`` or ``0.25,1``.

        Raises:
            TrackError: it is not of that form, or the fraction is not within 0 and 1.
        """
        number, _, lane = (part.strip() for part in text.partition(","))
        try:
            fraction = float(number)
        except ValueError:
            fraction = np.nan
        if not (isfinite(fraction) and 0.0 <= fraction <= 1.0) or lane not in LANES:
            raise TrackError(
                f"'{text}' is no place on a track; give the fraction of the lap, 0 to 1, and the "
                "lane, inner or outer: 0.25,inner"
            )
        return cls(fraction, LANES[lane])

    def on(self, track: Track) -> Pose:
        """x, y in metres and yaw along the road, rad, of this place on ``track`` as driven."""
        x, y, yaw = track.pose_at(self.fraction * track.length)
        border = track.inner if self.lane == "inner" else track.outer
        beside = _nearest(border, np.array([x, y]))
        return (x + float(beside[0])) / 2.0, (y + float(beside[1])) / 2.0, yaw


def spread(track: Track, count: int) -> list[Place]:
    """The default places of ``count`` objects: evenly along the lap, inner and outer in turn.

    Raises:
        TrackError: the count is negative, or the track is too short for so many.
    """
    room = track.length - FIRST - LAST
    most = max(0, int(room / LEAST_DISTANCE) + 1) if room >= 0.0 else 0
    if not 0 <= count <= most:
        raise TrackError(
            f"{count} objects cannot stand on '{track.name}' ({track.length:.1f} m long); 0 to "
            f"{most} can."
        )
    distances = np.linspace(FIRST, track.length - LAST, count)
    return [
        Place(float(distance) / track.length, "outer" if k % 2 else "inner")
        for k, distance in enumerate(distances)
    ]


def check_apart(poses: list[Pose]) -> None:
    """Refuse ``poses`` of which two are so near that the objects would touch.

    Raises:
        TrackError: two are too near.
    """
    for a, b in combinations(poses, 2):
        if (apart := hypot(a[0] - b[0], a[1] - b[1])) < LEAST_DISTANCE:
            raise TrackError(
                f"Two objects stand {apart:.2f} m apart, near x {a[0]:.2f} m, y {a[1]:.2f} m; "
                f"their middles must be {LEAST_DISTANCE:g} m apart or more."
            )


def _nearest(line: Floats, point: Floats) -> Floats:
    """The point of a polyline (N, 2) that is nearest to ``point`` (2,)."""
    start, step = line[:-1], np.diff(line, axis=0)
    square = np.maximum((step**2).sum(axis=1), 1e-12)
    share = np.clip(((point - start) * step).sum(axis=1) / square, 0.0, 1.0)
    candidates = start + share[:, np.newaxis] * step
    return np.asarray(candidates[np.hypot(*(candidates - point).T).argmin()])
