"""Gazebo in lockstep: the world stands still until it is told to do one control period.

A control period is 67 steps of 1 ms, not 1/15 s: Gazebo's sensors keep time in whole milliseconds.
Periods begin and end at multiples of 67 ms of simulated time, when the car's camera takes its
picture (``worlds/car/sensors.xacro``) and odometry of the same time is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import hypot
from typing import Any

from rosgraph_msgs.msg import Clock
from std_msgs.msg import Empty, Float64

from deepracer_car.errors import SimulatorError
from deepracer_car.ros import topics
from deepracer_sim.ros.drive_node import received_topic
from deepracer_sim.ros.link import Link, Stream
from deepracer_sim.ros.messages import nanoseconds, set_pose

CONTROL_PERIOD_MS = 67
"""Physics steps of 1 ms in a control step, and milliseconds between two frames."""
CONTROL_SERVICE = "world/deepracer/control"
POSE_SERVICE = "world/deepracer/set_pose/blocking"
CAR = "deepracer"
"""The car's name in the world."""

NANOSECONDS_PER_MS = 1_000_000
COMMANDS_PER_PAIR = 2
"""`DriveNode` commands every joint once for a steering angle and once for a speed."""
RETRY = 1.0
"""Time after which what was lost while connections were made is said again, s."""
STANDING_SPEED, STANDING_RATE = 0.01, 0.05
"""A car that is slower than this, m/s and rad/s, counts as at rest."""
LONGEST_STOP = 60
"""Control periods in which a car on its wheels comes to rest from any speed."""


class GazeboWorld:
    """A `WorldControl` for Gazebo behind ros_gz_bridge, with a ``drive_node``."""

    def __init__(self, link: Link, odometry: Stream, images: Stream) -> None:
        """Wait for Gazebo, bridge and node to show up, and take hold of the world's time.

        Args:
            link: to talk over.
            odometry: of the car, at every physics step.
            images: of its camera.

        Raises:
            SimulatorError: something is missing, or does not answer.
        """
        self._link, self._odometry = link, odometry
        self._interfaces = _interfaces()
        self._control = link.client(self._interfaces.srv.ControlWorld, CONTROL_SERVICE)
        self._set_pose = link.client(self._interfaces.srv.SetEntityPose, POSE_SERVICE)
        self._servo = link.publisher(Float64, topics.SERVO, topics.every_message())
        self._throttle = link.publisher(Float64, topics.THROTTLE, topics.every_message())
        self._received = dict.fromkeys((*topics.HINGE_JOINTS, *topics.WHEEL_JOINTS), 0)
        for joint in self._received:
            link.subscription(
                Empty, received_topic(joint), self._count(joint), topics.every_message()
            )
        self._run(0, link.startup_timeout)
        self._now = self._standing_time()
        for publisher in (self._servo, self._throttle):
            link.wait_for_subscriber(publisher)
        # What is said before Gazebo and the bridge have found each other is lost, and rendering
        # takes its time to begin.
        self._until_it_works(lambda: self._command(0.0, 0.0, RETRY))
        self._until_it_works(lambda: self._reach(self._advance(), images, RETRY))

    def step(self, steering_angle: float, speed: float) -> int:
        """Command the joints, wait until Gazebo has heard it, and let the world do one period."""
        self._command(steering_angle, speed, self._link.timeout)
        return self._advance()

    def place(self, x: float, y: float, yaw: float) -> int:
        """Stop the car, for it keeps its speed when it is moved; then move it."""
        self._command(0.0, 0.0, self._link.timeout)
        if not self._stops():
            # It may lie on its roof: wheels on the road stop every car.
            self._move(x, y, yaw)
            if not self._stops():
                raise SimulatorError(
                    f"Topic {self._odometry.topic} tells of a car that did not come to rest in "
                    f"{LONGEST_STOP} control periods at ({x:g}, {y:g}). Is the world's ground "
                    "there, at height 0?"
                )
        self._move(x, y, yaw)
        return self._advance()

    def _stops(self) -> bool:
        for _ in range(LONGEST_STOP):
            self._reach(self._advance(), self._odometry, self._link.timeout)
            motion = self._odometry.message.twist.twist
            speed = hypot(motion.linear.x, motion.linear.y)
            if speed < STANDING_SPEED and abs(motion.angular.z) < STANDING_RATE:
                return True
        return False

    def _move(self, x: float, y: float, yaw: float) -> None:
        request = self._interfaces.srv.SetEntityPose.Request()
        request.entity.name, request.entity.type = CAR, self._interfaces.msg.Entity.MODEL
        set_pose(request.pose, x, y, yaw)
        if not self._link.call(self._set_pose, request).success:
            raise SimulatorError(
                f"Gazebo refused to put the car at ({x:g}, {y:g}); there must be a model "
                f"'{CAR}' in its world. `gz model --list` names those there are."
            )

    def _reach(self, stamp: int, stream: Stream, timeout: float) -> None:
        """Wait until a topic tells of a time, ns."""
        self._link.wait_for(
            lambda: stream.stamp >= stamp,
            f"nothing of {stamp / 1e9:.3f} s of simulated time came on topic {stream.topic}",
            timeout,
        )

    def _command(self, steering_angle: float, speed: float, timeout: float) -> None:
        """Command the joints and wait for the word from Gazebo that all of it has arrived."""
        wanted = {joint: count + COMMANDS_PER_PAIR for joint, count in self._received.items()}
        self._servo.publish(Float64(data=steering_angle))
        self._throttle.publish(Float64(data=speed))

        def arrived() -> bool:
            return all(count >= wanted[joint] for joint, count in self._received.items())

        try:
            self._link.wait_for(arrived, "Gazebo did not confirm the commands", timeout)
        except SimulatorError as error:
            silent = [received_topic(joint) for joint, count in self._received.items()
                      if count < wanted[joint]]  # fmt: skip
            raise SimulatorError(
                f"{error} Nothing came on {', '.join(silent)}: drive_node and the bridge carry "
                f"{topics.SERVO} and {topics.THROTTLE} there."
            ) from None

    def _count(self, joint: str) -> Any:
        def count(_: Empty) -> None:
            self._received[joint] += 1

        return count

    def _advance(self) -> int:
        """Let the world go on to the next multiple of the control period; return its stamp, ns."""
        end = (self._now // CONTROL_PERIOD_MS + 1) * CONTROL_PERIOD_MS
        self._run(end - self._now, self._link.timeout)
        self._now = end
        return end * NANOSECONDS_PER_MS

    def _run(self, steps: int, timeout: float) -> None:
        """Ask for physics steps, after which the world stands again; Gazebo does them later."""
        request = self._interfaces.srv.ControlWorld.Request()
        request.world_control.pause, request.world_control.multi_step = True, steps
        if not self._link.call(self._control, request, timeout).success:
            raise SimulatorError(
                f"Gazebo refused {steps} steps on service {self._control.service_name}; "
                "its output says why."
            )

    def _standing_time(self) -> int:
        """Simulated time, ms, once it no longer moves on."""
        times = [-2, -1]

        def note(message: Clock) -> None:
            times[:] = times[1], nanoseconds(message.clock) // NANOSECONDS_PER_MS

        clock = self._link.subscription(Clock, topics.CLOCK, note, topics.newest_only())
        self._link.wait_for(
            lambda: times[0] == times[1],
            f"time did not come to a stand on topic {clock.topic_name}",
            self._link.startup_timeout,
        )
        self._link.forget(clock)
        return times[1]

    def _until_it_works(self, attempt: Callable[[], None]) -> None:
        """Try again as long as the simulator may take to start."""
        deadline = time.monotonic() + self._link.startup_timeout
        while True:
            try:
                return attempt()
            except SimulatorError:
                if time.monotonic() > deadline:
                    raise


def _interfaces() -> Any:
    """The messages and services of ros_gz, which come with Gazebo only."""
    try:
        import ros_gz_interfaces.msg
        import ros_gz_interfaces.srv
    except ImportError:
        raise SimulatorError(
            "Python finds no ros_gz_interfaces, which is needed to drive Gazebo. Install it "
            "(ros-jazzy-ros-gz) and source its setup.bash, or use the embedded simulator."
        ) from None
    return ros_gz_interfaces
