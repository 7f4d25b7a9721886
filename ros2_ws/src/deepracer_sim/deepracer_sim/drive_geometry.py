"""From steering angle and speed of the car to angles of two hinges and speeds of four wheels."""

from __future__ import annotations

from math import atan, atan2, copysign, hypot, tan
from typing import Literal, NamedTuple

from deepracer_car.spec import CarSpec

Geometry = Literal["legacy", "ackermann"]
GEOMETRIES: tuple[Geometry, ...] = ("legacy", "ackermann")


class JointCommands(NamedTuple):
    """What the joints are told.

    Attributes:
        hinges: left and right, rad, positive to the left.
        wheels: left and right front, left and right rear, rad/s.
    """

    hinges: tuple[float, float]
    wheels: tuple[float, float, float, float]


def joint_commands(
    steering_angle: float, speed: float, geometry: Geometry = "legacy", spec: CarSpec | None = None
) -> JointCommands:
    """Return the commands of the joints for a steering angle, rad, and a speed, m/s.

    Both are held to the car's limits. ``legacy`` gives both hinges the same angle and all wheels
    the same speed, as the original simulator does; ``ackermann`` gives each wheel the direction
    and the speed of the road under it when the middle of the rear axle goes at ``speed``.
    """
    spec = spec or CarSpec()
    angle = min(max(steering_angle, -spec.max_steering_angle), spec.max_steering_angle)
    wheel = min(max(speed, 0.0), spec.max_speed) / spec.command_wheel_radius
    if geometry == "legacy":
        hinges, shares = (angle, angle), (1.0, 1.0, 1.0, 1.0)
    else:
        hinges, shares = _rolling(tan(angle) / spec.wheelbase, spec)
    capped = [min(wheel * share, spec.max_wheel_speed) for share in shares]
    return JointCommands(hinges, (capped[0], capped[1], capped[2], capped[3]))


def steering_angle_of(speed: float, yaw_rate: float, spec: CarSpec | None = None) -> float:
    """Return the steering angle, rad, at which a car that rolls at ``speed``, m/s, turns so fast.

    It is held to the car's limit, which a standing car is given for any turn.

    Args:
        speed: m/s; below zero, backwards.
        yaw_rate: rad/s, positive to the left.
        spec: of the car.
    """
    spec = spec or CarSpec()
    limit = spec.max_steering_angle
    if abs(speed) * tan(limit) <= abs(yaw_rate) * spec.wheelbase:
        return copysign(limit, yaw_rate * (speed or 1.0)) if yaw_rate else 0.0
    return atan(yaw_rate * spec.wheelbase / speed)


def _rolling(
    curvature: float, spec: CarSpec
) -> tuple[tuple[float, float], tuple[float, float, float, float]]:
    """Angles of the front wheels, and each wheel's share of the speed, in a bend, 1/m."""
    # The road under a wheel, for a car at unit speed: forward and sideways in the car's frame.
    forward = [1.0 - curvature * y for _, y in spec.wheel_centers]
    sideways = [curvature * (x - spec.rear_axle_x) for x, _ in spec.wheel_centers]
    left, right = atan2(sideways[0], forward[0]), atan2(sideways[1], forward[1])
    speeds = [hypot(along, across) for along, across in zip(forward, sideways, strict=True)]
    return (left, right), (speeds[0], speeds[1], speeds[2], speeds[3])
