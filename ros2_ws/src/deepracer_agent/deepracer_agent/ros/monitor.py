"""A training as ROS topics: numbers to plot, diagnostics, and what the first car does and sees."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import Float64

from deepracer_agent.display import SECONDS_BETWEEN_LINES, line
from deepracer_agent.progress import Progress
from deepracer_car.ros import topics
from deepracer_car.ros.node import SIMULATOR_LOST
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.ros.car_topics import CarTopics
from deepracer_sim.ros.messages import NANOSECONDS
from deepracer_sim.task import RacingTask

NUMBERS = {
    "reward": "mean_reward",
    "progress": "mean_progress",
    "speed": "mean_speed",
    "lap_time": "lap_time",
    "steps_per_second": "steps_per_second",
    "evaluation_progress": "evaluation_progress",
}
"""Topics below ``training/``, and the part of the progress that each shows."""

FRAME_PERIOD = 1.0 / 15.0
"""Least wall-clock time between two pictures of a car that drives faster than anybody can see, s.
"""
DIAGNOSTICS_PERIOD = 1.0


class TrainingMonitor:
    """Publishes what it is told; `show` and `watch` are what a training calls."""

    def __init__(self, node: Node) -> None:
        """Advertise the topics on ``node``, which must spin for the diagnostics."""
        self._node = node
        self._numbers = {
            part: node.create_publisher(Float64, f"training/{name}", topics.latched())
            for name, part in NUMBERS.items()
        }
        self._diagnostics = node.create_publisher(
            DiagnosticArray, topics.DIAGNOSTICS, topics.every_message()
        )
        self._car: CarTopics | None = None
        self._next_frame = self._next_line = 0.0
        self._progress = Progress()
        self._state, self._message, self._level = "starting", "starting", DiagnosticStatus.OK
        self._restarts = 0
        # Simulated time stands still while the policy learns.
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(DIAGNOSTICS_PERIOD, self.diagnose, clock=clock)

    def show(self, progress: Progress) -> None:
        """Publish the numbers of an update, or that the training goes back to its checkpoint."""
        if progress.trouble:
            self._restarts += 1
            self._node.get_logger().warning(f"{SIMULATOR_LOST}: {progress.trouble}")
            self._progress = replace(self._progress, run=progress.run, steps=progress.steps)
            self.set_state("restarting", DiagnosticStatus.WARN, progress.trouble)
            return
        is_new = progress.last_evaluation != self._progress.last_evaluation
        self._progress = progress
        if is_new or time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
            self._node.get_logger().info(line(progress))
        for part, publisher in self._numbers.items():
            value = getattr(progress, part)
            if value is not None:
                publisher.publish(Float64(data=float(value)))
        self.set_state("training", DiagnosticStatus.OK, f"{progress.steps} steps")

    def watch(self, task: RacingTask, observations: np.ndarray) -> None:
        """Publish the first car, about as often as a camera would; elsewhere the simulator does."""
        now = time.monotonic()
        if now < self._next_frame or not isinstance(task.simulator, EmbeddedSimulator):
            return
        self._next_frame = now + FRAME_PERIOD
        if self._car is None:
            self._car = CarTopics(self._node)
        stamp = round(float(task.clock[0]) * NANOSECONDS)
        self._car.publish(stamp, task.simulator.states[0], observations[0, 0])

    def set_state(self, state: str, level: bytes, message: str) -> None:
        """Tell the diagnostics how the training is: a word, how bad, and why."""
        self._state, self._level, self._message = state, level, message

    def diagnose(self) -> None:
        """Publish the diagnostics."""
        progress = self._progress
        values = {
            "run": progress.run,
            "state": self._state,
            "steps": str(progress.steps),
            "steps per second": f"{progress.steps_per_second:.0f}",
            "updates": str(progress.updates),
            "episodes": str(progress.episodes),
            "last evaluation": progress.last_evaluation,
            "ends after": progress.stop,
            "restarts": str(self._restarts),
        }
        status = DiagnosticStatus(
            level=self._level,
            name=f"{self._node.get_name()}: training",
            message=self._message,
            hardware_id=progress.run,
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def finish(self, state: str, level: bytes, message: str) -> None:
        """Publish how the training ended, and wait a moment for it to arrive."""
        self.set_state(state, level, message)
        self.diagnose()
        self._diagnostics.wait_for_all_acked(Duration(seconds=1))
