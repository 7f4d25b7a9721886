"""How the world behind the bridge is moved by exactly one control period."""

from __future__ import annotations

import time
from typing import Protocol

from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.duration import Duration
from std_msgs.msg import Float64

from deepracer_car.ros import topics
from deepracer_sim.ros.link import Link, Stream
from deepracer_sim.ros.messages import initial_pose, step_number, step_stamp

DELIVERY_TIMEOUT = 4.0
"""Longest wait for receipts, s: they may take 3 s, and who was killed never sends any."""


class WorldControl(Protocol):
    """What differs between the simulators a `RosSimulator` may drive."""

    def step(self, steering_angle: float, speed: float) -> int:
        """Hold the command for one control period.

        Returns:
            The stamp, ns, that frame and odometry at its end carry.
        """
        ...

    def place(self, x: float, y: float, yaw: float) -> int:
        """Put the car there at rest.

        Returns:
            The stamp, ns, of the first frame that shows it there.
        """
        ...


class NodeWorld:
    """The world of a ``simulator_node`` that runs with ``lockstep:=true``."""

    def __init__(self, link: Link, odometry: Stream) -> None:
        """Wait for the node to show up.

        Args:
            link: to publish on.
            odometry: of the car; latched by the node, so that it tells a newcomer the time.

        Raises:
            SimulatorError: it did not.
        """
        qos = topics.every_message()
        self._odometry = odometry
        self._initial_pose = link.publisher(PoseWithCovarianceStamped, topics.INITIAL_POSE, qos)
        self._servo = link.publisher(Float64, topics.SERVO, qos)
        self._throttle = link.publisher(Float64, topics.THROTTLE, qos)
        self._angle, self._speed = Float64(), Float64()
        self._publishers = self._initial_pose, self._servo, self._throttle
        self._asked = -1
        for publisher in self._publishers:
            link.wait_for_subscriber(publisher)
        link.wait_for(
            lambda: odometry.message is not None,
            f"nothing came on topic {odometry.topic}",
            link.startup_timeout,
        )

    def step(self, steering_angle: float, speed: float) -> int:
        """Publish the pair of commands that moves the node's world on."""
        self._angle.data, self._speed.data = steering_angle, speed
        stamp = self._next_stamp()
        self._servo.publish(self._angle)
        self._throttle.publish(self._speed)
        return stamp

    def place(self, x: float, y: float, yaw: float) -> int:
        """Publish the pose; the node's clock moves on, the car does not."""
        if self._odometry.stamp < self._asked:
            self._wait_for_delivery()
        stamp = self._next_stamp()
        self._initial_pose.publish(initial_pose(x, y, yaw))
        return stamp

    def _next_stamp(self) -> int:
        self._asked = step_stamp(step_number(self._odometry.stamp) + 1)
        return self._asked

    def _wait_for_delivery(self) -> None:
        """Wait for the receipt of all messages: those that come late must not move the car."""
        deadline = time.monotonic() + DELIVERY_TIMEOUT
        for publisher in self._publishers:
            left = max(deadline - time.monotonic(), 0.0)
            publisher.wait_for_all_acked(Duration(seconds=left))
