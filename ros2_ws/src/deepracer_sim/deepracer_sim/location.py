"""Where each car is on the road: the facts that rules, rewards and traces are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from deepracer_car.spec import CarSpec
from deepracer_sim.simulator import Floats
from deepracer_sim.track import Track, point_on_road, project_points


@dataclass(frozen=True)
class Location:
    """N cars on the road, each in its own driving direction.

    Attributes:
        x, y: the judged point, 0.14 m ahead of the middle of the car, m.
        along: distance of its projection from waypoint 0 of the driving direction, m.
        lateral: signed distance from the centre line, m, positive to the left.
        waypoint: index of the waypoint behind it, in driving order.
        nearest_waypoint: index of the nearer of the two around it.
        width: of the road beside it, m.
        wheels_on_road: how many wheel centres lie between the borders, 0 to 4.
    """

    x: Floats
    y: Floats
    along: Floats
    lateral: Floats
    waypoint: npt.NDArray[np.int64]
    nearest_waypoint: npt.NDArray[np.int64]
    width: Floats
    wheels_on_road: npt.NDArray[np.int64]


class Locator:
    """Locates cars on one track."""

    def __init__(self, track: Track, spec: CarSpec | None = None) -> None:
        """Prepare the lookups for ``track``; ``spec`` tells where judged point and wheels are."""
        spec = spec or CarSpec()
        self._track = track
        self._front = spec.front_point_x
        self._wheels = np.array(spec.wheel_centers)

    def locate(self, poses: Floats, is_reversed: npt.NDArray[np.bool_]) -> Location:
        """Locate cars at ``poses`` (N, 3); those ``is_reversed`` (N,) drive against the order."""
        track = self._track
        count = len(poses)
        points = poses[:, :2] + self._front * np.stack(
            [np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=1
        )
        along, lateral = np.empty(count), np.empty(count)
        segment = np.empty(count, dtype=np.int64)
        wheels_on_road = np.empty(count, dtype=np.int64)
        project_points(track.center, track.arc_length, points, along, lateral, segment)
        count_wheels_on_road(track.road_edges, self._wheels, poses, wheels_on_road)
        width = np.interp(along, track.arc_length, track.widths)
        past_middle = along > 0.5 * (track.arc_length[segment] + track.arc_length[segment + 1])
        nearest = segment + past_middle
        last = len(track.center) - 1
        return Location(
            x=points[:, 0],
            y=points[:, 1],
            along=np.where(is_reversed, track.length - along, along),
            lateral=np.where(is_reversed, -lateral, lateral),
            waypoint=np.where(is_reversed, last - 1 - segment, segment),
            nearest_waypoint=np.where(is_reversed, last - nearest, nearest),
            width=width,
            wheels_on_road=wheels_on_road,
        )


@numba.njit(cache=True, nogil=True)
def count_wheels_on_road(edges, wheels, poses, counts):  # type: ignore[no-untyped-def]
    """Write how many of ``wheels`` (W, 2), in the car frame, are on the road at each pose."""
    for k in range(poses.shape[0]):
        c, s = np.cos(poses[k, 2]), np.sin(poses[k, 2])
        counts[k] = 0
        for w in range(wheels.shape[0]):
            x = poses[k, 0] + c * wheels[w, 0] - s * wheels[w, 1]
            y = poses[k, 1] + s * wheels[w, 0] + c * wheels[w, 1]
            if point_on_road(edges, x, y):
                counts[k] += 1
