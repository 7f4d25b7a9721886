"""The built workspace under launch, looked at with the ``ros2`` command; nodes of ours are real.

Where robot_state_publisher and the other packages of ROS are not installed, stand-ins that do
nothing take their place.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stand_ins import OF_OTHERS, ROOT, install

pytest.importorskip("launch_pytest", reason="needs the ROS 2 launch packages")
pytest.importorskip("ros2topic", reason="needs the ros2 command")

import launch_pytest
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription

SIMULATORS_DOMAIN, TRAININGS_DOMAIN = 1, 2
"""The second worker of a training takes the domain after its first one's."""
TOPICS = {
    "/camera/zed/rgb/image_rect_color [sensor_msgs/msg/Image]",
    "/camera/zed/rgb/camera_info [sensor_msgs/msg/CameraInfo]",
    "/odom [nav_msgs/msg/Odometry]",
    "/joint_states [sensor_msgs/msg/JointState]",
    "/clock [rosgraph_msgs/msg/Clock]",
    "/deepracer/servo [std_msgs/msg/Float64]",
    "/deepracer/throttle [std_msgs/msg/Float64]",
    "/initialpose [geometry_msgs/msg/PoseWithCovarianceStamped]",
    "/track [visualization_msgs/msg/MarkerArray]",
}
NOT_SOURCES = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist", "install", "log")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The workspace, built and sourced; ROS keeps to this machine and to these tests."""
    pytest.importorskip("colcon_core", reason="colcon is not installed")
    home = tmp_path_factory.mktemp("workspace")
    for name in ("ros2_ws/src", "launch", "worlds", "examples"):
        shutil.copytree(ROOT / name, home / name, ignore=NOT_SOURCES)
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    build = [sys.executable, "-m", "colcon", "build"]
    done = subprocess.run(build, cwd=home / "ros2_ws", env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    sourced = subprocess.run(
        ["bash", "-c", ". install/setup.bash && env -0"],
        cwd=home / "ros2_ws",
        env=clean,
        capture_output=True,
        text=True,
        check=True,
    )
    environment = dict(pair.split("=", 1) for pair in sourced.stdout.split("\0") if pair)
    for package, executables in OF_OTHERS.items():
        install(home / "others", package, executables)
    (home / "notes").mkdir()
    (home / "notes" / "plans.json").write_text("{}")
    environment |= {
        "AMENT_PREFIX_PATH": f"{environment['AMENT_PREFIX_PATH']}:{home / 'others'}",
        "NOTES": str(home / "notes"),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOG_DIR": str(home / "log"),
        "ROS_PYTHON_CHECK_FIELDS": "1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield home


@contextlib.contextmanager
def domain(number: int) -> Iterator[None]:
    """Have a ROS domain to ourselves; tests elsewhere that want it respect the same lock."""
    lock_file = Path(tempfile.gettempdir()) / f"ros_domain_{number}.lock"
    with lock_file.open("w") as lock, pytest.MonkeyPatch.context() as patch:
        fcntl.flock(lock, fcntl.LOCK_EX)
        patch.setenv("ROS_DOMAIN_ID", str(number))
        yield


@pytest.fixture(scope="module")
def alone(workspace: Path) -> Iterator[None]:
    """A ROS domain for the simulator that ``ros2`` looks at, and for its daemon."""
    with domain(SIMULATORS_DOMAIN):
        yield
        subprocess.run(["ros2", "daemon", "stop"], capture_output=True)


@launch_pytest.fixture(scope="module")
def simulator(workspace: Path, alone: None) -> LaunchDescription:
    """``ros2 launch deepracer_sim simulator.launch.py simulator:=embedded track:=Oval_track``."""
    share = workspace / "ros2_ws/install/deepracer_sim/share/deepracer_sim"
    given = {"simulator": "embedded", "track": "Oval_track"}
    file = str(share / "launch" / "simulator.launch.py")
    return LaunchDescription([IncludeLaunchDescription(file, launch_arguments=given.items())])


def ros2(*words: str, enough: Callable[[str], bool] = bool) -> str:
    """Ask the ``ros2`` command until its answer is good enough: discovery takes its time."""
    deadline = time.monotonic() + 60
    while True:
        asked = subprocess.run(["ros2", *words], capture_output=True, text=True, timeout=60)
        if asked.returncode == 0 and enough(asked.stdout):
            return asked.stdout
        if time.monotonic() > deadline:
            pytest.fail(f"ros2 {' '.join(words)}: {asked.stdout}{asked.stderr}")
        time.sleep(0.2)


@pytest.mark.launch(fixture=simulator)
def test_topics_are_listed_with_their_types() -> None:
    ros2("topic", "list", "-t", enough=lambda said: set(said.splitlines()) >= TOPICS)


@pytest.mark.launch(fixture=simulator)
def test_nodes_are_listed() -> None:
    nodes = {"/simulator_node", "/track_node"}
    ros2("node", "list", enough=lambda said: set(said.splitlines()) >= nodes)


@pytest.mark.launch(fixture=simulator)
def test_parameters_answer() -> None:
    assert "Oval_track" in ros2("param", "get", "/simulator_node", "track")
    assert "False" in ros2("param", "get", "/simulator_node", "lockstep")
    assert "True" in ros2("param", "get", "/track_node", "use_sim_time")
    told = ros2("param", "describe", "/simulator_node", "rtf")
    assert "Description" in told


@pytest.mark.launch(fixture=simulator)
def test_services_answer() -> None:
    names = ros2("service", "list", enough=lambda said: "/simulator_node/get_parameters" in said)
    assert "/track_node/list_parameters" in names
    kind = "rcl_interfaces/srv/GetParameters"
    assert ros2("service", "type", "/simulator_node/get_parameters").strip() == kind
    asked = ("/simulator_node/get_parameters", kind, "{names: [track]}")
    assert "string_value='Oval_track'" in ros2("service", "call", *asked)


@pytest.mark.launch(fixture=simulator)
def test_a_commanded_car_moves() -> None:
    for name, value in (("servo", 0.1), ("throttle", 1.0)):
        command = (f"/deepracer/{name}", "std_msgs/msg/Float64", f"data: {value}")
        ros2("topic", "pub", "--once", *command)
    speed = ("topic", "echo", "--once", "--field", "twist.twist.linear.x", "/odom")

    def moves(said: str) -> bool:  # among remarks about messages that were lost meanwhile
        return any(float(number) > 0.5 for number in re.findall(r"^\d\S*$", said, re.MULTILINE))

    ros2(*speed, enough=moves)


@pytest.mark.launch(fixture=simulator)
def test_the_camera_keeps_its_rate() -> None:
    image = "/camera/zed/rgb/image_rect_color"
    told = ros2("topic", "echo", "--once", "--no-arr", image)
    assert "height: 120" in told
    assert "width: 160" in told
    assert "frame_id: camera_optical_frame" in told
    # `ros2 topic hz` speaks until it is interrupted.
    command = ["timeout", "-s", "INT", "8", "ros2", "topic", "hz", image]
    measured = subprocess.run(command, capture_output=True, text=True)
    assert re.search(r"average rate: \d+", measured.stdout), measured.stdout + measured.stderr


def test_training_over_ros_makes_a_run(workspace: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "quickstart", tmp_path / "mine")
    settings = tmp_path / "mine" / "training.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text[: text.index("stop:")] + "stop: {steps: 600}\nvideo: false\n")
    given = ("model:=mine", "simulator:=simulator_node", "workers:=2", "name:=first")
    with domain(TRAININGS_DOMAIN):
        done = subprocess.run(
            ["ros2", "launch", "deepracer_sim", "training.launch.py", *given],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    status = json.loads((tmp_path / "runs" / "first" / "status.json").read_text())
    assert status["state"] == "finished"
