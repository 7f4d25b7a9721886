"""The trainer node, as a process: its topics, parameters, signals and exit status."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import Float64

from deepracer_agent.checkpoints import CheckpointStore
from deepracer_agent.ros.monitor import NUMBERS
from deepracer_agent.ros.trainer_node import TrainerNode
from deepracer_agent.runs import RunDirectory
from deepracer_car.errors import DeepRacerError
from deepracer_car.ros import topics

SIMULATOR = "deepracer_sim.ros.simulator_node"
TRAINER = "deepracer_agent.ros.trainer_node"
SMALL = [
    "learning.max_steps_between_training=64", "max_steps_per_episode=60", "evaluation.laps=1",
    "evaluation.starts=1", "checkpoints.min_seconds_between=0", "stop.laps=null", "video=false",
]  # fmt: skip
PATIENCE = 60.0

StartNode = Callable[..., "subprocess.Popen[str]"]


class Listener:
    """Keeps what it hears in the test's domain."""

    def __init__(self) -> None:
        self.context = Context()
        self.context.init()
        self.node = Node("listener", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.heard: dict[str, list[Any]] = {}

    def listen(self, kind: Any, topic: str) -> None:
        heard = self.heard.setdefault(topic, [])
        self.node.create_subscription(kind, topic, heard.append, topics.every_message())

    def wait_for(self, predicate: Callable[[], bool], trainer: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not predicate():
            assert trainer.poll() is None, trainer.communicate()
            assert time.monotonic() < deadline, {
                name: len(all_) for name, all_ in self.heard.items()
            }
            self.executor.spin_once(timeout_sec=0.1)

    def call(self, kind: Any, service: str, request: Any, trainer: subprocess.Popen[str]) -> Any:
        client = self.node.create_client(kind, service)
        self.wait_for(client.service_is_ready, trainer)
        future = client.call_async(request)
        self.wait_for(future.done, trainer)
        return future.result()


@pytest.fixture
def listener(ros_environment: dict[str, str]) -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.executor.shutdown()
    listener.node.destroy_node()
    listener.context.try_shutdown()


@contextlib.contextmanager
def trainer_node(**parameters: object) -> Iterator[TrainerNode]:
    """The node in this process."""
    settings = [part for item in parameters.items() for part in ("-p", "{}:={}".format(*item))]
    rclpy.init(args=["--ros-args", *settings])
    try:
        yield TrainerNode()
    finally:
        rclpy.shutdown()


def values(message: DiagnosticArray) -> dict[str, str]:
    (status,) = message.status
    return {value.key: value.value for value in status.values}


def checkpoint_of(run: Path, trainer: subprocess.Popen[str]) -> None:
    """Wait until ``run`` has a checkpoint."""
    deadline = time.monotonic() + PATIENCE
    while not list(run.glob("checkpoints/*_Step-*")):
        assert trainer.poll() is None, trainer.communicate()
        assert time.monotonic() < deadline, "no checkpoint"
        time.sleep(0.05)


def test_a_training_in_process_is_watched_on_topics(
    start_node: StartNode, listener: Listener, tmp_path: Path
) -> None:
    for name in NUMBERS:
        listener.listen(Float64, f"training/{name}")
    for kind, topic in (
        (DiagnosticArray, topics.DIAGNOSTICS),
        (Image, topics.IMAGE),
        (Odometry, topics.ODOMETRY),
    ):
        listener.listen(kind, topic)
    trainer = start_node(
        TRAINER, runs=tmp_path, name="watched", track="Oval_track",
        set=[*SMALL, "cars=4", "ranks=1", "stop.time=1 h", "evaluation.every_steps=64"],
    )  # fmt: skip
    heard = listener.heard
    # A lap time takes a whole lap, which this policy does not drive.
    wanted = [topic for topic in heard if topic != "training/lap_time"]
    listener.wait_for(lambda: all(heard[topic] for topic in wanted), trainer)

    def evaluated() -> bool:
        told = values(heard[topics.DIAGNOSTICS][-1])
        return told["state"] == "training" and bool(told["last evaluation"])

    listener.wait_for(evaluated, trainer)
    told = heard[topics.DIAGNOSTICS][-1]
    assert told.status[0].level == DiagnosticStatus.OK
    assert values(told)["run"] == "watched"
    assert int(values(told)["steps"]) >= 64
    assert "of 1 starts clean" in values(told)["last evaluation"]
    image, odometry = heard[topics.IMAGE][-1], heard[topics.ODOMETRY][-1]
    assert (image.encoding, image.height, image.width) == ("mono8", 120, 160)
    assert len(set(bytes(image.data))) > 10
    assert (odometry.header.frame_id, odometry.child_frame_id) == ("odom", "base_link")
    assert heard["training/steps_per_second"][-1].data > 0.0

    request = GetParameters.Request(names=["track", "simulator", "workers"])
    answer = listener.call(GetParameters, "trainer_node/get_parameters", request, trainer)
    track, simulator, workers = answer.values
    assert (track.string_value, simulator.string_value) == ("Oval_track", "")
    assert workers.integer_value == 0
    change = SetParameters.Request(parameters=[Parameter("workers", value=2).to_parameter_msg()])
    answer = listener.call(SetParameters, "trainer_node/set_parameters", change, trainer)
    assert not answer.results[0].successful

    trainer.send_signal(signal.SIGINT)
    listener.executor.spin_once(timeout_sec=0.05)
    trainer.send_signal(signal.SIGINT)  # as a launch and a terminal both do
    _, errors = trainer.communicate(timeout=PATIENCE)
    assert trainer.returncode == 0, errors
    run = RunDirectory.open(tmp_path, "watched")
    assert (run.status.state, run.status.stop_reason) == ("stopped", "stopped by SIGINT")
    assert CheckpointStore(run).resolve("last").steps == run.status.steps


def test_a_stop_does_not_wait_for_a_simulator_that_is_gone(
    start_node: StartNode, ros_environment: dict[str, str], domain_id: int, tmp_path: Path
) -> None:
    simulators = []
    for domain in (domain_id + 1, domain_id):
        ros_environment["ROS_DOMAIN_ID"] = str(domain)
        simulators.append(start_node(SIMULATOR, track="Oval_track", lockstep=True))
    trainer = start_node(
        TRAINER, runs=tmp_path, name="r", track="Oval_track", simulator="simulator_node", workers=2,
        set=[*SMALL, "stop.time=1 h", "plot=false"],
    )  # fmt: skip
    checkpoint_of(tmp_path / "r", trainer)
    simulators[0].kill()
    trainer.send_signal(signal.SIGINT)
    _, errors = trainer.communicate(timeout=PATIENCE)
    assert trainer.returncode == 0, errors
    run = RunDirectory.open(tmp_path, "r")
    assert run.status.state == "stopped"
    assert CheckpointStore(run).resolve("last").steps == run.status.steps
    # The other worker was ended before it could complain about its simulator.
    assert (run.path / "ranks.log").read_text() == ""


def test_a_finished_training_leaves_results_and_is_resumed(
    start_node: StartNode, tmp_path: Path
) -> None:
    given = {"runs": tmp_path, "track": "Oval_track", "simulator": "embedded"}
    trainer = start_node(TRAINER, name="r", set=[*SMALL, "cars=2", "stop.steps=64"], **given)
    _, errors = trainer.communicate(timeout=PATIENCE)
    assert trainer.returncode == 0, errors
    assert "run r ended: 64 steps" in errors
    run = RunDirectory.open(tmp_path, "r")
    assert (run.status.state, run.status.steps) == ("finished", 64)
    assert (run.path / "training.png").is_file()
    with trainer_node(resume="r", set=["stop.steps=128"], **given) as node:
        result = node.train()
    assert result.run.path == run.path
    assert run.status.steps == 128


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"simulator": "gazeboo"}, "embedded or simulator_node or gazebo is allowed"),
        ({"simulator": "gazebo", "set": ["cars=2"]}, "each rank drives one car"),
        ({"track": "Oval_trak"}, "Did you mean 'Oval_track'"),
        ({"set": ["nonsense"]}, "KEY=VALUE is allowed"),
        ({"folder": "nowhere"}, "there is no such folder"),
        ({"resume": "r", "name": "s"}, "resume goes without folder and name"),
        ({"workers": "many"}, "parameter workers"),
    ],
    ids=["simulator", "cars", "track", "set", "folder", "resume", "workers"],
)
def test_what_cannot_be_used_is_refused(
    ros_environment: dict[str, str], tmp_path: Path, parameters: dict[str, object], complaint: str
) -> None:
    given = {"runs": tmp_path / "runs", **parameters}
    with (
        pytest.raises(DeepRacerError, match=re.escape(complaint)),
        trainer_node(**given) as node,
    ):
        node.train()
    assert not (tmp_path / "runs").exists()


def test_an_error_is_told_without_a_traceback(start_node: StartNode, tmp_path: Path) -> None:
    trainer = start_node(TRAINER, runs=tmp_path / "runs", track="Oval_trak")
    _, errors = trainer.communicate(timeout=PATIENCE)
    assert trainer.returncode == 1
    assert "error: " in errors
    assert "Did you mean 'Oval_track'" in errors
    assert "Traceback" not in errors
