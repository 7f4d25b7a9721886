"""Steps per second through the ROS bridge, with the embedded simulator; prints one JSON line.

``bridge``: `RosSimulator` steps a ``simulator_node`` in a process of its own and takes each frame.
``ping_pong``: an image of the same size goes to another rclpy process and comes back, which is
``rclpy.spin`` and nothing else. ``in_process``: the embedded simulator alone. All are measured in
turns within one run; ``ms_*`` is the median time of one step or round trip, ``p99_ms_*`` its 99th
percentile.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from report import report
from sensor_msgs.msg import Image

from deepracer_car.ros import topics
from deepracer_car.ros.images import to_message
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.ros.ros_simulator import RosSimulator
from deepracer_sim.simulator import Simulator
from deepracer_sim.track_library import load_track

TRACK = "reinvent_base"
ROUNDS, STEPS = 10, 300


def echo() -> None:
    """Send every image back."""
    rclpy.init()
    node = Node("echo")
    publisher = node.create_publisher(Image, "pong", topics.every_message())
    node.create_subscription(Image, "ping", publisher.publish, topics.every_message())
    with suppress(ExternalShutdownException):
        rclpy.spin(node)


def ping_pong() -> Callable[[], None]:
    """Return one round trip of an image."""
    rclpy.init()
    node = Node("ping")
    message = to_message(np.zeros((120, 160), dtype=np.uint8))
    publisher = node.create_publisher(Image, "ping", topics.every_message())
    came: list[Image] = []
    node.create_subscription(Image, "pong", came.append, topics.every_message())
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def trip() -> None:
        came.clear()
        publisher.publish(message)
        while not came:
            executor.spin_once()

    while not came:
        publisher.publish(message)
        executor.spin_once(timeout_sec=0.1)
    return trip


def stepping(simulator: Simulator) -> Callable[[], None]:
    """Return one step with its frame, on a car that drives in circles."""
    command = np.array([[0.3, 1.0]])
    simulator.place(np.zeros(1, dtype=np.int64), np.zeros((1, 3)), np.zeros(1))

    def step() -> None:
        simulator.step(command)
        simulator.frames()

    return step


def main() -> None:
    """Measure the three in turns."""
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    node = [sys.executable, "-m", "deepracer_sim.ros.simulator_node", "--ros-args"]
    children = [
        subprocess.Popen([*node, "-p", "lockstep:=true", "-p", f"track:={TRACK}"]),
        subprocess.Popen([sys.executable, __file__, "echo"]),
    ]
    try:
        cases = {
            "in_process": stepping(EmbeddedSimulator(load_track(TRACK))),
            "bridge": stepping(RosSimulator()),
            "ping_pong": ping_pong(),
        }
        seconds = measure(cases)
    finally:
        for child in children:
            child.terminate()
            child.wait()
    medians = {name: float(np.median(times)) for name, times in seconds.items()}
    report(
        "ros_bridge",
        **{name: round(1.0 / median) for name, median in medians.items()},
        **{f"ms_{name}": round(1000.0 * median, 3) for name, median in medians.items()},
        **{
            f"p99_ms_{name}": round(1000.0 * float(np.quantile(times, 0.99)), 3)
            for name, times in seconds.items()
        },
        bridge_per_ping_pong=round(medians["ping_pong"] / medians["bridge"], 2),
    )


def measure(cases: dict[str, Callable[[], None]]) -> dict[str, list[float]]:
    """Seconds of every call, in rounds that take turns: other jobs of the machine hit all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, call in cases.items():
            for _ in range(STEPS):
                start = time.perf_counter()
                call()
                seconds[name].append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    echo() if sys.argv[1:] == ["echo"] else main()
