"""Gazebo is the embedded simulator with contacts and a renderer: same car, same road, same picture.

Run them where ROS 2 Jazzy, Gazebo Harmonic and this workspace are installed and sourced::

    .venv/bin/python -m pytest tests/gazebo -m gazebo
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.scene import Scene
from deepracer_sim.simulator import Simulator
from deepracer_sim.track_library import builtin_names, load_track
from deepracer_sim.vehicle import FORWARD_SPEED, STATE_SIZE, YAW, Vehicle

pytestmark = [
    pytest.mark.gazebo,
    # What rclpy's wheels import where ROS is not installed.
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]

CAR, AT_REST = np.zeros(1, dtype=np.int64), np.zeros(1)
PERIOD = 0.067
"""Of Gazebo's camera and so of its control steps, s."""
LINES_WITHIN = 3.0
"""Pixels."""
BELOW_HORIZON = slice(45, 118)
"""Rows of a picture."""


def line_offset(seen: np.ndarray, wanted: np.ndarray) -> float:
    """How far, pixels, nine of ten edges of the road in one picture are from one in the other."""
    edges, others = (cv2.Canny(picture, 60, 150)[BELOW_HORIZON] for picture in (wanted, seen))
    assert np.count_nonzero(edges) > 100, "there is a road to see"
    if not others.any():
        return np.inf
    apart = cv2.distanceTransform(255 - others, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float(np.percentile(apart[edges > 0], 90))


@pytest.mark.parametrize("name", builtin_names())
def test_each_world_shows_the_road_where_the_embedded_camera_does(name, start_gazebo) -> None:
    track = load_track(name)
    embedded = EmbeddedSimulator(track)
    with start_gazebo(name) as gazebo:
        for at in (0.0, 0.3, 0.6):
            pose = np.array([track.pose_at(at * track.length, 0.1)])
            for simulator in (embedded, gazebo):
                simulator.place(CAR, pose, AT_REST)
            wanted, seen = embedded.frames()[0, 0], gazebo.frames()[0, 0]
            assert line_offset(seen, wanted) <= LINES_WITHIN, f"lines at {at:.0%} of the lap"
            grey, other = (float(picture[BELOW_HORIZON].mean()) for picture in (seen, wanted))
            assert abs(grey - other) < 25.0, f"mean grey of the ground at {at:.0%} of the lap"


def drive(
    gazebo: Simulator, pose: np.ndarray, command: tuple[float, float], steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Hold a command from rest; x, y, yaw and forward speed after each step, in both models."""
    gazebo.place(CAR, pose[None], AT_REST)
    state, vehicle = np.zeros((1, STATE_SIZE)), Vehicle()
    state[0, : YAW + 1] = pose
    real, model = [], []
    for _ in range(steps):
        gazebo.step(np.array([command]))
        vehicle.step(state, np.array([command]), dt=PERIOD)
        real.append([*gazebo.poses[0], gazebo.speeds[0]])
        model.append([*state[0, : YAW + 1], state[0, FORWARD_SPEED]])
    return np.array(real), np.array(model)


def middle(name: str) -> np.ndarray:
    """A pose in the middle of the room."""
    scene = Scene.of(load_track(name))
    return np.array([*np.add(scene.origin, np.divide(scene.size, 2.0)), 0.0])


def test_car_drives_like_the_embedded_one(start_gazebo) -> None:
    name = "reinvent_base"
    start = middle(name)
    with start_gazebo(name) as gazebo:
        real, model = drive(gazebo, start, (0.0, 1.5), 15)
        assert real[-1, 3] == pytest.approx(model[-1, 3], rel=0.05), "top speed"
        assert np.ptp(real[:, 1]) < 0.02, "straight ahead"
        gone, wanted = real[-1, 0] - start[0], model[-1, 0] - start[0]
        assert gone == pytest.approx(wanted, rel=0.1), "distance from rest in 1 s"

        before = gazebo.poses[0, 0]
        for _ in range(15):
            gazebo.step(np.array([[0.0, 0.0]]))
        assert gazebo.speeds[0] < 0.05, "stops within 1 s"
        assert 0.1 < gazebo.poses[0, 0] - before < 0.45, "stopping distance from 1.5 m/s"

        for angle in (0.3, -0.3):
            real, model = drive(gazebo, start, (angle, 1.0), 12)
            assert real[-1, 2] == pytest.approx(model[-1, 2], rel=0.2), f"heading at {angle} rad"


def test_a_hundred_steps_in_lockstep_are_repeatable(start_gazebo) -> None:
    name = "reinvent_base"
    commands = [(0.4 + 0.1 * np.sin(k / 5.0), 0.8) for k in range(100)]
    drives, pictures = [], []
    with start_gazebo(name) as gazebo:
        for _ in range(2):
            gazebo.place(CAR, middle(name)[None], AT_REST)
            poses = []
            for command in commands:
                gazebo.step(np.array([command]))
                poses.append(gazebo.poses[0])
            drives.append(poses)
            pictures.append(gazebo.frames().astype(float))
    apart = np.abs(np.subtract(*drives))
    assert apart[:, :2].max() < 0.01, "metres"
    assert np.abs(pictures[0] - pictures[1]).mean() < 3.0, "grey levels"
