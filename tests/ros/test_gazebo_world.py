"""Lockstep with Gazebo, against a process that behaves like it (`fake_gazebo`) and a real node."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")

from deepracer_car.errors import SimulatorError
from deepracer_sim.ros.gazebo_world import CONTROL_PERIOD_MS
from deepracer_sim.ros.ros_simulator import RosSimulator
from deepracer_sim.track_library import load_track
from deepracer_sim.vehicle import STATE_SIZE, YAW, Vehicle

sys.path.insert(0, str(Path(__file__).parent))
from fake_gazebo import TRACK, stand_in

CAR, AT_REST = np.zeros(1, dtype=np.int64), np.zeros(1)
MakeSimulator = Callable[..., RosSimulator]


@pytest.fixture
def simulator(ros_environment, monkeypatch) -> Iterator[MakeSimulator]:
    for name, module in stand_in().items():
        monkeypatch.setitem(sys.modules, name, module)
    made = []

    def make(**settings: float) -> RosSimulator:
        made.append(RosSimulator("gazebo", **settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def start_gazebo(start_node, ros_environment, monkeypatch) -> Callable[..., None]:
    paths = f"{ros_environment['PYTHONPATH']}:{Path(__file__).parent}"
    monkeypatch.setitem(ros_environment, "PYTHONPATH", paths)

    def start(**faults: object) -> None:
        start_node("fake_gazebo", **faults)
        start_node("deepracer_sim.ros.drive_node")

    return start


def test_a_step_is_one_control_period_under_its_own_command(start_gazebo, simulator) -> None:
    start_gazebo(lost_commands=3, delay=0.02, blind=2)
    gazebo = simulator()
    track = load_track(TRACK)
    pose = np.array([track.pose_at(3.0, 0.1)])
    gazebo.place(CAR, pose, AT_REST)
    np.testing.assert_allclose(gazebo.poses, pose, atol=1e-9)
    shown = gazebo.frames()

    state, vehicle = np.zeros((1, STATE_SIZE)), Vehicle()
    state[:, : YAW + 1] = pose
    rng = np.random.default_rng(0)
    for command in rng.uniform((-0.5, 0.5), (0.5, 3.0), (15, 1, 2)):
        gazebo.step(command)
        for _ in range(CONTROL_PERIOD_MS):
            vehicle.step(state, command, dt=0.001)
        np.testing.assert_allclose(gazebo.poses, state[:, : YAW + 1], atol=1e-9)
        assert gazebo.frames().tobytes() != shown.tobytes()
        shown = gazebo.frames()

    gazebo.place(CAR, pose, AT_REST)
    np.testing.assert_allclose(gazebo.poses, pose, atol=1e-3)
    assert gazebo.speeds[0] < 0.01


def test_the_frame_is_that_of_the_end_of_the_step(start_gazebo, simulator) -> None:
    start_gazebo()
    gazebo = simulator()
    gazebo.place(CAR, np.array([[1.0, 1.0, 0.3]]), AT_REST)
    stream = gazebo._images
    for _ in range(5):
        gazebo.step(np.array([[0.1, 1.0]]))
        assert stream.stamp == gazebo._odometry.stamp
        assert stream.stamp % (CONTROL_PERIOD_MS * 1_000_000) == 0


def test_a_car_that_slides_on_its_roof_is_put_on_its_wheels(start_gazebo, simulator) -> None:
    start_gazebo(on_roof=True)
    gazebo = simulator()
    gazebo.place(CAR, np.array([[1.0, 2.0, 0.3]]), AT_REST)
    np.testing.assert_allclose(gazebo.poses, [[1.0, 2.0, 0.3]], atol=1e-3)
    assert gazebo.speeds[0] < 0.01


def test_a_joint_that_is_not_reached_is_named(start_gazebo, simulator) -> None:
    start_gazebo(mute="right_rear_wheel_joint")
    gazebo = simulator()
    gazebo.place(CAR, np.zeros((1, 3)), AT_REST)
    gazebo.link.timeout = 0.3
    with pytest.raises(SimulatorError, match="on deepracer/right_rear_wheel_joint/received:"):
        gazebo.step(np.array([[0.0, 1.0]]))


def test_a_world_without_the_car_is_told(start_gazebo, simulator) -> None:
    start_gazebo(has_car=False)
    with pytest.raises(SimulatorError, match="there must be a model 'deepracer'"):
        simulator().place(CAR, np.zeros((1, 3)), AT_REST)


def test_no_bridge(simulator) -> None:
    with pytest.raises(SimulatorError, match="nobody offers service /world/deepracer/control"):
        simulator(startup_timeout=0.2).place(CAR, np.zeros((1, 3)), AT_REST)


def test_ros_gz_is_not_installed(simulator, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ros_gz_interfaces.srv", None)
    with pytest.raises(SimulatorError, match="ros-jazzy-ros-gz"):
        simulator().place(CAR, np.zeros((1, 3)), AT_REST)
