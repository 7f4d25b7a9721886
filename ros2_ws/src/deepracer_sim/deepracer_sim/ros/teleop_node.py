"""Lets what steers robots in general, a joystick, teleop or rqt_robot_steering, drive the car."""

from __future__ import annotations

from math import isfinite
from typing import Any

from geometry_msgs.msg import Twist
from rclpy.node import Node
from std_msgs.msg import Float64

from deepracer_car.ros import topics
from deepracer_car.ros.node import spin
from deepracer_sim.drive_geometry import steering_angle_of


class TeleopNode(Node):
    """Turns speed and yaw rate into steering angle and speed."""

    def __init__(self) -> None:
        """Subscribe and advertise."""
        super().__init__("teleop_node")
        qos = topics.every_message()
        self._servo = self.create_publisher(Float64, topics.SERVO, qos)
        self._throttle = self.create_publisher(Float64, topics.THROTTLE, qos)
        self.create_subscription(Twist, topics.VELOCITY, self._drive, qos)

    def _drive(self, twist: Any) -> None:
        speed, yaw_rate = twist.linear.x, twist.angular.z
        if not (isfinite(speed) and isfinite(yaw_rate)):
            self.get_logger().error(f"{speed} m/s and {yaw_rate} rad/s are no command.")
            return
        self._servo.publish(Float64(data=steering_angle_of(speed, yaw_rate)))
        self._throttle.publish(Float64(data=speed))


def main() -> int:
    """Run the node until it is told to stop."""
    return spin(TeleopNode)


if __name__ == "__main__":
    raise SystemExit(main())
