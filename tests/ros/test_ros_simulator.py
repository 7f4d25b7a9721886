"""The bridge between two real processes: what comes back is what the embedded simulator shows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("rclpy")

from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.ros.ros_simulator import RosSimulator
from deepracer_sim.track_library import load_track

TRACK = "reinvent_base"
CAR = np.zeros(1, dtype=np.int64)


@pytest.fixture
def simulator(ros_environment: dict[str, str]) -> Iterator[RosSimulator]:
    simulator = RosSimulator()
    yield simulator
    simulator.close()


def commands(seed: int, steps: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform((-0.5, 0.5), (0.5, 3.0), (steps, 1, 2))


def test_frames_and_poses_are_those_of_the_embedded_simulator(start_node, simulator) -> None:
    start_node("deepracer_sim.ros.simulator_node", lockstep=True, track=TRACK)
    track = load_track(TRACK)
    embedded = EmbeddedSimulator(track)
    pose = np.array([track.pose_at(3.0, 0.1)])
    for each in (embedded, simulator):
        each.place(CAR, pose, np.zeros(1))
    for command in commands(0, 50):
        for each in (embedded, simulator):
            each.step(command)
        assert simulator.frames().tobytes() == embedded.frames().tobytes()
        np.testing.assert_allclose(simulator.poses, embedded.poses, atol=1e-12)
        np.testing.assert_array_equal(simulator.speeds, embedded.speeds)
