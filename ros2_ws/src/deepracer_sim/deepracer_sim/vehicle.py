"""The motion of the car: a dynamic bicycle with saturating tyres and lagging actuators.

State of one car, a row of ``(N, 7)``: x, y (m) and yaw (rad) of ``base_link``, forward and sideways
speed in the car's frame (m/s), yaw rate (rad/s), angle of the front wheels (rad, + to the left).

The model is the single-track model (Rajamani, Vehicle Dynamics and Control, 2nd ed., ch. 2). The
side force of an axle is ``limit * tanh(stiffness * slip / limit)``, where ``limit`` is what the
friction circle leaves beside the drive force. Below walking pace slip angles lose their meaning, so
the kinematic bicycle takes over gradually.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from deepracer_car.spec import CONTROL_DT, CarSpec

X, Y, YAW, FORWARD_SPEED, SIDE_SPEED, YAW_RATE, STEERING = range(7)
STATE_SIZE = 7

SUBSTEPS = 10
"""Physics steps per control step, 1/150 s each: within the tyres' fastest time constant."""

STEERING_LAG = 0.05
"""Time constant of the steering servo, s."""
SPEED_LAG = 0.12
"""Time constant of the speed control, s; the tyres limit the acceleration besides."""
PEAK_SLIP = 0.1
"""Slip angle at which the linear tyre would reach its friction limit, rad."""
KINEMATIC_BELOW, DYNAMIC_ABOVE = 0.4, 0.8
"""Forward speeds, m/s, between which the kinematic model fades into the dynamic one."""
GRAVITY = 9.81


class Vehicle:
    """Moves N cars; every car is independent of the others."""

    def __init__(self, spec: CarSpec | None = None) -> None:
        """Take the dimensions and limits of ``spec`` (default: the DeepRacer car)."""
        spec = spec or CarSpec()
        self.spec = spec
        self._constants = np.array(
            [
                spec.front_axle_x,
                -spec.rear_axle_x,
                spec.mass,
                spec.yaw_inertia,
                spec.friction,
                spec.max_steering_angle,
            ]
        )

    def step(
        self,
        state: npt.NDArray[np.float64],
        commands: npt.NDArray[np.float64],
        dt: float = CONTROL_DT,
    ) -> None:
        """Move the cars by ``dt`` seconds, in place.

        Args:
            state: (N, 7), see the module.
            commands: (N, 2) steering angle, rad, and speed, m/s; clipped to the car's limits.
            dt: s.
        """
        spec = self.spec
        wheel_speed = np.clip(commands[:, 1], 0.0, spec.max_speed) / spec.command_wheel_radius
        speed = np.minimum(wheel_speed, spec.max_wheel_speed) * spec.wheel_radius
        integrate(state, np.ascontiguousarray(commands[:, 0]), speed, dt, SUBSTEPS, self._constants)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def integrate(state, steering, speed, dt, substeps, constants):  # type: ignore[no-untyped-def]
    """Integrate each row of ``state`` in ``substeps`` steps over ``dt``; see `Vehicle.step`."""
    to_front, to_rear, mass, inertia, friction, max_steering = constants
    wheelbase = to_front + to_rear
    h = dt / substeps
    grip = friction * mass * GRAVITY
    front_share, rear_share = to_rear / wheelbase, to_front / wheelbase
    steering_gain, speed_gain = h / (STEERING_LAG + h), 1.0 / SPEED_LAG
    for k in range(state.shape[0]):
        x, y, yaw, forward, side, rate, angle = state[k]
        target = min(max(steering[k], -max_steering), max_steering)
        for _ in range(substeps):
            angle += (target - angle) * steering_gain
            drive = min(max((speed[k] - forward) * speed_gain * mass, -grip), grip)
            # The friction circle: what accelerates cannot hold the car in the bend as well.
            limit = np.sqrt(max(grip * grip - drive * drive, 0.04 * grip * grip))
            slow = max(forward, KINEMATIC_BELOW)
            front_slip = angle - np.arctan2(side + to_front * rate, slow)
            rear_slip = -np.arctan2(side - to_rear * rate, slow)
            front_force = front_share * limit * np.tanh(front_slip / PEAK_SLIP * grip / limit)
            rear_force = rear_share * limit * np.tanh(rear_slip / PEAK_SLIP * grip / limit)
            forward_rate = (drive - front_force * np.sin(angle)) / mass + side * rate
            side_rate = (front_force * np.cos(angle) + rear_force) / mass - forward * rate
            turn_rate = (to_front * front_force * np.cos(angle) - to_rear * rear_force) / inertia
            rolling_rate = forward * np.tan(angle) / wheelbase
            forward = max(forward + forward_rate * h, 0.0)
            mix = (forward - KINEMATIC_BELOW) / (DYNAMIC_ABOVE - KINEMATIC_BELOW)
            mix = min(max(mix, 0.0), 1.0)
            side = mix * (side + side_rate * h) + (1.0 - mix) * rolling_rate * to_rear
            rate = mix * (rate + turn_rate * h) + (1.0 - mix) * rolling_rate
            yaw += rate * h
            x += (forward * np.cos(yaw) - side * np.sin(yaw)) * h
            y += (forward * np.sin(yaw) + side * np.cos(yaw)) * h
        yaw = (yaw + np.pi) % (2.0 * np.pi) - np.pi
        state[k, X], state[k, Y], state[k, YAW] = x, y, yaw
        state[k, FORWARD_SPEED], state[k, SIDE_SPEED] = forward, side
        state[k, YAW_RATE], state[k, STEERING] = rate, angle
