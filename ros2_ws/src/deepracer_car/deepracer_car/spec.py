"""The physical car: the only place with its dimensions, limits and camera.

Figures are those of the original simulator's vehicle description and controllers (the URDF of the
AWS DeepRacer simulation application 5.3.3), so that a policy meets the car it was trained for.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, radians

CONTROL_HZ = 15
"""Decisions per second of simulated time, and frames per second of the camera."""
CONTROL_DT = 1.0 / CONTROL_HZ
"""Length of one control step, s."""


@dataclass(frozen=True)
class CameraMount:
    """Where a pinhole camera sits on the car and what it sees.

    Attributes:
        x: forward of ``base_link``, m.
        z: above the road, m.
        pitch: downward tilt of the optical axis, rad.
        horizontal_fov: rad.
    """

    x: float = 0.1453
    z: float = 0.127
    pitch: float = radians(15.0)
    horizontal_fov: float = 1.13


@dataclass(frozen=True)
class CarSpec:
    """Dimensions (m), masses (kg, kg m²), limits (rad, m/s, rad/s) of the 1/18 scale car.

    The origin is ``base_link``, half way between the axles; x forward, y left.
    """

    front_axle_x: float = 0.082311
    rear_axle_x: float = -0.081663
    front_wheel_y: float = 0.079601
    rear_wheel_y: float = 0.08105
    length: float = 0.32352
    width: float = 0.1961
    mass: float = 6.56
    yaw_inertia: float = 0.0816
    """Chassis 0.0587 kg m² plus four 0.34 kg wheels 0.115 m away from the centre and their own."""
    friction: float = 0.5
    """Coulomb coefficient of the tyres on the road."""
    front_point_x: float = 0.14
    """The point that is judged and logged: position, progress, distance from the centre line."""

    max_steering_angle: float = 30.0 * pi / 180.0
    min_speed: float = 0.1
    max_speed: float = 4.0
    command_wheel_radius: float = 0.035
    """Radius by which a commanded speed is turned into wheel speed."""
    wheel_radius: float = 0.036
    """Radius of the wheel that actually rolls."""
    max_wheel_speed: float = 100.0
    """Limit of the wheel joints: the car tops out at 3.6 m/s whatever is commanded."""

    @property
    def wheelbase(self) -> float:
        """Distance between the axles, m."""
        return self.front_axle_x - self.rear_axle_x

    @property
    def wheel_centers(self) -> tuple[tuple[float, float], ...]:
        """Front left, front right, rear left, rear right wheel centres in the car frame, m."""
        return (
            (self.front_axle_x, self.front_wheel_y),
            (self.front_axle_x, -self.front_wheel_y),
            (self.rear_axle_x, self.rear_wheel_y),
            (self.rear_axle_x, -self.rear_wheel_y),
        )
