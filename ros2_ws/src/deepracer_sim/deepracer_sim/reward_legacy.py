"""Reward functions of 2018: twelve positional parameters instead of ``params``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from deepracer_car.action_space import ActionSpace, DiscreteActionSpace
from deepracer_car.spec import CarSpec

LEGACY_NAMES = (
    "on_track",
    "x",
    "y",
    "distance_from_center",
    "car_orientation",
    "progress",
    "steps",
    "throttle",
    "steering",
    "track_width",
    "waypoints",
    "closest_waypoint",
)
"""What the console of 2018 called them; racers may use names of their own."""

Point = tuple[float, float]


@dataclass(frozen=True)
class LegacyScale:
    """What throttle 1 and steering 1 stand for: the limits of the action space.

    Attributes:
        max_speed: m/s.
        max_steering_angle: degrees.
    """

    max_speed: float = CarSpec.max_speed
    max_steering_angle: float = math.degrees(CarSpec.max_steering_angle)

    @classmethod
    def of(cls, action_space: ActionSpace) -> LegacyScale:
        """Take the highest speed and the largest angle that ``action_space`` allows."""
        if isinstance(action_space, DiscreteActionSpace):
            speed = max(action.speed for action in action_space.actions)
            angle = max(abs(action.steering_angle) for action in action_space.actions)
        else:
            speed = action_space.speed_high
            angle = max(-action_space.steering_low, action_space.steering_high)
        return cls(speed, math.degrees(angle) or cls.max_steering_angle)


@dataclass
class LegacyCall:
    """Calls a function of 2018 with what ``params`` says, scaled as the console of 2018 documented.

    x and y are fractions of the track's largest coordinate, progress and throttle go from 0 to 1,
    steering from -1 (right) to 1 (left), the orientation is in radians. Waypoints are (x, y, yaw),
    in metres and radians; the closest one is the nearest as the crow flies.
    """

    function: Callable[..., object]
    scale: LegacyScale
    _given: list[Point] = field(default_factory=list)
    _waypoints: list[tuple[float, float, float]] = field(default_factory=list)
    _points: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    _largest: float = 1.0

    def __call__(self, params: dict[str, Any]) -> object:
        """Return what the function returns for ``params``."""
        if params["waypoints"] != self._given:
            self._take(params["waypoints"])
        x, y = params["x"], params["y"]
        nearest = int(((self._points - (x, y)) ** 2).sum(axis=1).argmin())
        return self.function(
            params["distance_from_center"] <= 0.5 * params["track_width"],
            x / self._largest,
            y / self._largest,
            params["distance_from_center"],
            math.radians(params["heading"]),
            params["progress"] / 100.0,
            params["steps"],
            min(params["speed"] / self.scale.max_speed, 1.0),
            max(-1.0, min(params["steering_angle"] / self.scale.max_steering_angle, 1.0)),
            params["track_width"],
            self._waypoints.copy(),
            nearest,
        )

    def _take(self, waypoints: list[Point]) -> None:
        """Prepare what depends on the track alone."""
        self._given = list(waypoints)
        self._points = np.array(waypoints, dtype=np.float64)
        self._largest = float(np.abs(self._points).max()) or 1.0
        ahead = np.roll(self._points, -1, axis=0) - self._points
        yaw = np.arctan2(ahead[:, 1], ahead[:, 0])
        # The last point of a closed track repeats the first; it has no segment of its own.
        yaw[-1] = yaw[0] if self._given[0] == self._given[-1] else yaw[-2]
        self._waypoints = [
            (*point, angle) for point, angle in zip(self._given, yaw.tolist(), strict=True)
        ]
