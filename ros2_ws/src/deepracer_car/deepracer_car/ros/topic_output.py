"""Drives a car that listens to steering angle and speed: a simulated one, or a plot."""

from __future__ import annotations

from rclpy.node import Node
from std_msgs.msg import Float64

from deepracer_car.actuation import Command
from deepracer_car.ros import topics


class TopicOutput:
    """An `Actuator` that publishes the command in SI units."""

    def __init__(self, node: Node) -> None:
        """Publish on ``node``."""
        qos = topics.every_message()
        self._servo = node.create_publisher(Float64, topics.SERVO, qos)
        self._throttle = node.create_publisher(Float64, topics.THROTTLE, qos)

    def apply(self, command: Command) -> None:
        """Publish a command."""
        self._servo.publish(Float64(data=command.steering_angle))
        self._throttle.publish(Float64(data=command.speed))

    def power(self, on: bool) -> None:
        """Do nothing: this car has no switch."""
