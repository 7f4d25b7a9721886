"""drive_node between two processes: two topics in, six out."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy")

from std_msgs.msg import Float64

from deepracer_car.errors import SimulatorError
from deepracer_car.ros import topics
from deepracer_sim.drive_geometry import JointCommands, joint_commands
from deepracer_sim.ros.drive_node import command_topic
from deepracer_sim.ros.link import Link

JOINTS = (*topics.HINGE_JOINTS, *topics.WHEEL_JOINTS)


class Listener:
    def __init__(self, link: Link) -> None:
        self.link, self.heard = link, {joint: [] for joint in JOINTS}
        for joint in JOINTS:
            link.subscription(
                Float64, command_topic(joint), self._note(joint), topics.every_message()
            )
        self.servo = link.publisher(Float64, topics.SERVO, topics.every_message())
        self.throttle = link.publisher(Float64, topics.THROTTLE, topics.every_message())

    def _note(self, joint: str):
        return lambda message: self.heard[joint].append(message.data)

    def connect(self) -> None:
        """Command rest until all joints heard it: what comes before the node listens is lost."""
        for publisher in (self.servo, self.throttle):
            self.link.wait_for_subscriber(publisher)
        for _ in range(100):
            self.throttle.publish(Float64(data=0.0))
            with contextlib.suppress(SimulatorError):
                return self.link.wait_for(lambda: all(self.heard.values()), "silence", 0.3)
        raise AssertionError("nothing heard")

    def hear(self, commands: JointCommands) -> None:
        """Wait until these are the newest of all joints."""
        wanted = (*commands.hinges, *commands.wheels)
        self.link.wait_for(
            lambda: tuple(values[-1] for values in self.heard.values()) == wanted, "not heard", 20.0
        )


@pytest.fixture
def listener(ros_environment) -> Iterator[Listener]:
    link = Link("listener")
    yield Listener(link)
    link.close()


@pytest.mark.parametrize("geometry", ["legacy", "ackermann"])
def test_each_message_commands_all_joints(start_node, listener, geometry) -> None:
    start_node("deepracer_sim.ros.drive_node", geometry=geometry)
    listener.connect()
    listener.servo.publish(Float64(data=0.2))
    listener.throttle.publish(Float64(data=1.4))
    listener.hear(joint_commands(0.2, 1.4, geometry))


def test_what_is_not_finite_is_ignored(start_node, listener) -> None:
    node = start_node("deepracer_sim.ros.drive_node")
    listener.connect()
    for speed in (0.7, math.nan, math.inf, 1.4):
        listener.throttle.publish(Float64(data=speed))
    listener.hear(joint_commands(0.0, 1.4))
    speeds = listener.heard["left_rear_wheel_joint"]
    assert set(speeds) == {joint_commands(0.0, speed).wheels[0] for speed in (0.0, 0.7, 1.4)}
    assert node.poll() is None


def test_an_unknown_geometry_is_refused(start_node) -> None:
    node = start_node("deepracer_sim.ros.drive_node", geometry="akermann")
    _, errors = node.communicate(timeout=60.0)
    assert node.returncode == 1
    assert "must be one of legacy, ackermann. Did you mean 'ackermann'?" in errors
