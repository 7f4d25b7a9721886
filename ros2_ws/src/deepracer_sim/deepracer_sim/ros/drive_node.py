"""Drives the car in Gazebo: steering angle and speed in, one command for each joint out."""

from __future__ import annotations

import sys
from math import isfinite

from rclpy.node import Node
from std_msgs.msg import Float64

from deepracer_car.errors import ConfigError, did_you_mean
from deepracer_car.ros import topics
from deepracer_car.ros.node import read_parameters, spin
from deepracer_sim.drive_geometry import GEOMETRIES, joint_commands

PARAMETERS = (
    (
        "geometry",
        "legacy",
        "legacy: the same angle for both hinges, the same speed for all wheels; ackermann: what "
        "each wheel needs to roll without slipping",
    ),
)


def command_topic(joint: str) -> str:
    """Commands of one joint: rad for a hinge, rad/s for a wheel."""
    return f"deepracer/{joint}/command"


def received_topic(joint: str) -> str:
    """An empty message from Gazebo for each command of the joint that has arrived there."""
    return f"deepracer/{joint}/received"


class DriveNode(Node):
    """Every message on one of the two topics commands all six joints anew."""

    def __init__(self) -> None:
        """Declare the parameter ``geometry``; steering straight and speed zero until told."""
        super().__init__("drive_node")
        geometry = read_parameters(self, PARAMETERS)["geometry"]
        if geometry not in GEOMETRIES:
            raise ConfigError(
                f"There is no geometry '{geometry}'; the parameter geometry must be one of "
                f"{', '.join(GEOMETRIES)}.{did_you_mean(str(geometry), GEOMETRIES)}"
            )
        self._geometry = geometry
        self._steering_angle, self._speed = 0.0, 0.0
        self._joints = [
            self.create_publisher(Float64, command_topic(joint), topics.every_message())
            for joint in (*topics.HINGE_JOINTS, *topics.WHEEL_JOINTS)
        ]
        self.create_subscription(Float64, topics.SERVO, self._steer, topics.every_message())
        self.create_subscription(Float64, topics.THROTTLE, self._accelerate, topics.every_message())

    def _steer(self, message: Float64) -> None:
        self._command(message.data, self._speed)

    def _accelerate(self, message: Float64) -> None:
        self._command(self._steering_angle, message.data)

    def _command(self, steering_angle: float, speed: float) -> None:
        if not (isfinite(steering_angle) and isfinite(speed)):
            self.get_logger().error(
                f"ignored steering angle {steering_angle:g} rad, speed {speed:g} m/s: "
                "both must be finite",
                throttle_duration_sec=1.0,
            )
            return
        self._steering_angle, self._speed = steering_angle, speed
        commands = joint_commands(self._steering_angle, self._speed, self._geometry)
        values = (*commands.hinges, *commands.wheels)
        for joint, value in zip(self._joints, values, strict=True):
            joint.publish(Float64(data=value))


def main(args: list[str] | None = None) -> None:
    """Run the node until it is told to stop."""
    sys.exit(spin(DriveNode, args))


if __name__ == "__main__":
    main()
