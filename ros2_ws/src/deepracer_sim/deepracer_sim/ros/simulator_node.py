"""The embedded simulator as a ROS node: one car, its camera and its odometry."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from math import isfinite
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import Float64

from deepracer_car.errors import ConfigError
from deepracer_car.ros import topics
from deepracer_car.ros.node import read_parameters, spin
from deepracer_car.spec import CONTROL_DT
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.ros.car_topics import CarTopics
from deepracer_sim.ros.messages import pose_of, step_stamp
from deepracer_sim.ros.track_node import chosen_track
from deepracer_sim.ros.waiting import WaitSet

PARAMETERS = (
    ("track", "reinvent_base", "Name or path of the track."),
    ("direction", "", "cw or ccw: drive it this way round; empty: as its file says."),
    ("lockstep", False, "Stand still; move on by one control period per pair of commands."),
    ("rtf", 1.0, "Without lockstep: seconds of simulated time per second."),
)
PAUSE, LONGEST_STAY = 0.01, 0.1
"""See `SimulatorNode._stay`, s."""
CAR = np.zeros(1, dtype=np.int64)


class SimulatorNode(Node):
    """Simulates one car, in lockstep with its commands or by the clock."""

    def __init__(self) -> None:
        """Put the car on the start line and show it.

        Raises:
            DeepRacerError: a parameter cannot be used.
        """
        super().__init__("simulator_node")
        name, direction, lockstep, rtf = read_parameters(self, PARAMETERS).values()
        if not rtf > 0.0:
            raise ConfigError(f"rtf is {rtf:g}; use a number above 0.")
        track = chosen_track(name, direction)
        self._simulator = EmbeddedSimulator(track)
        self._lockstep = lockstep
        self._command = np.zeros((1, 2))
        self._is_new = [False, False]
        self._steps = 0
        self._topics = CarTopics(self)
        self._waiting = WaitSet(self.context)
        self._subscribe(Float64, topics.SERVO, partial(self._take_command, 0))
        self._subscribe(Float64, topics.THROTTLE, partial(self._take_command, 1))
        self._subscribe(PoseWithCovarianceStamped, topics.INITIAL_POSE, self._take_pose)
        if not lockstep:
            # Not by the simulated clock, which this node makes.
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            self.create_timer(CONTROL_DT / rtf, self._step, clock=steady)
        self._place(track.pose_at(0.0))
        self._publish()

    def _subscribe(self, kind: Any, topic: str, take: Callable[[Any], None]) -> None:
        def take_and_stay(message: Any) -> None:
            take(message)
            self._stay()

        callback = take_and_stay if self._lockstep else take
        subscription = self.create_subscription(kind, topic, callback, topics.every_message())
        self._waiting.add_subscription(subscription, take)

    def _stay(self) -> None:
        """Take messages past the executor, whose way round is longer than a step, while they come.

        Every `LONGEST_STAY` the executor looks after parameters and the like.
        """
        end = time.monotonic() + LONGEST_STAY
        while self._waiting.wait(PAUSE) and time.monotonic() < end and self.context.ok():
            pass

    def _take_command(self, which: int, message: Any) -> None:
        """Take a steering angle (``which`` is 0) or a speed (1)."""
        if not isfinite(message.data):
            self.get_logger().error(f"{message.data} is no command; nothing is done.")
            return
        self._command[0, which] = message.data
        self._is_new[which] = True
        if self._lockstep and all(self._is_new):
            self._step()

    def _take_pose(self, message: Any) -> None:
        if message.header.frame_id not in ("", topics.MAP_FRAME, topics.ODOMETRY_FRAME):
            self.get_logger().error(
                f"A pose in frame '{message.header.frame_id}' is not understood; give it in "
                f"'{topics.MAP_FRAME}'."
            )
            return
        self._place(pose_of(message.pose.pose))
        self._is_new = [False, False]
        self._steps += 1
        self._publish()

    def _place(self, pose: tuple[float, float, float]) -> None:
        self._simulator.place(CAR, np.array([pose]), np.zeros(1))

    def _step(self) -> None:
        self._is_new = [False, False]
        self._simulator.step(self._command)
        self._steps += 1
        self._publish()

    def _publish(self) -> None:
        frame = self._simulator.frames()[0, 0]
        self._topics.publish(step_stamp(self._steps), self._simulator.states[0], frame)


def main() -> int:
    """Run the node until it is told to stop."""
    return spin(SimulatorNode)


if __name__ == "__main__":
    raise SystemExit(main())
