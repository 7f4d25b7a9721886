"""The car node as a process of its own: pictures go in, decisions of their stamp come out."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import Image
from std_msgs.msg import Float64

from deepracer_agent.export import export_bundle
from deepracer_car.errors import SimulatorError
from deepracer_car.model_bundle import POLICY, ModelBundle
from deepracer_car.observation import preprocess
from deepracer_car.policy import OnnxPolicy
from deepracer_car.ros import topics
from deepracer_car.ros.images import to_array
from deepracer_sim.ros.link import Link

NODE = "deepracer_car.ros.car_node"
SIMULATED = {"armed": True, "frame_timeout": 0.0, "inference_timeout": 0.0}
"""For a world that waits for the car."""
CHANNELS = {"mono8": 1, "rgb8": 3, "bgr8": 3, "bgra8": 4}


class Camera:
    """Shows pictures and listens to what the node says about them."""

    def __init__(self) -> None:
        qos = topics.every_message()
        self.link = Link("camera")
        self.pictures = self.link.publisher(Image, topics.IMAGE, qos)
        self.decisions = self.link.stream(TwistStamped, topics.DECISION, qos)
        self.reports: list[DiagnosticStatus] = []
        self.link.subscription(DiagnosticArray, topics.DIAGNOSTICS, self._report, qos)
        self.heard: dict[str, list[float]] = {topics.SERVO: [], topics.THROTTLE: []}
        for topic, values in self.heard.items():
            self.link.subscription(Float64, topic, self._into(values), qos)

    def _report(self, message: DiagnosticArray) -> None:
        self.reports += message.status

    def _into(self, values: list[float]) -> Callable[[Float64], None]:
        return lambda message: values.append(message.data)

    def meet(self) -> None:
        """Show pictures until the node has been heard on all topics; the first ones may be lost."""
        for second in range(1, 100):
            self.pictures.publish(picture("mono8", 120, 160, second))
            try:
                self.decide(second, 0.5)
                break
            except SimulatorError:
                continue
        for values in self.heard.values():
            self.link.wait_for(lambda values=values: bool(values), "not heard", 20.0)

    def decide(self, second: int, patience: float = 20.0) -> TwistStamped:
        """Wait for the decision on the picture of that stamp."""
        stamp = second * 10**9
        self.link.wait_for(lambda: self.decisions.stamp == stamp, "no decision", patience)
        return self.decisions.message

    def hear(self, topic: str, value: float) -> None:
        """Wait until ``value`` was the last thing said on ``topic``."""
        self.link.wait_for(
            lambda: bool(self.heard[topic]) and self.heard[topic][-1] == value,
            f"{value} was not heard on {topic}",
            20.0,
        )


@pytest.fixture
def camera(ros_environment: dict[str, str]) -> Iterator[Camera]:
    camera = Camera()
    yield camera
    camera.link.close()


@pytest.fixture
def bundle(lively_run: Callable[[str], Path]) -> ModelBundle:
    return export_bundle(str(lively_run("discrete")))


def picture(encoding: str, rows: int, columns: int, second: int) -> Image:
    """A few patches of colour; rows are padded by three bytes, as some cameras do."""
    patches = np.random.default_rng(second).integers(0, 256, (3, 4, CHANNELS[encoding]))
    pixels = patches.repeat(rows // 3, axis=0).repeat(columns // 4, axis=1)
    data = np.zeros((rows, columns * CHANNELS[encoding] + 3), dtype=np.uint8)
    data[:, :-3] = pixels.reshape(rows, -1)
    message = Image(encoding=encoding, height=rows, width=columns, step=data.shape[1])
    message.data = data.tobytes()
    message.header.stamp.sec = second
    return message


def test_every_camera_is_understood(start_node, camera: Camera, bundle: ModelBundle) -> None:
    # Reliable: what is larger than a datagram does not come through at best effort.
    start_node(NODE, model=bundle.path, reliable_camera=True, **SIMULATED)
    camera.meet()
    policy, space = OnnxPolicy(bundle), bundle.metadata.action_space
    sizes = ((120, 160), (480, 640), (60, 80))
    cases = [(encoding, *size) for encoding in CHANNELS for size in sizes]
    seen = set()
    for second, case in enumerate(cases, start=1000):
        image = picture(*case, second)
        camera.pictures.publish(image)
        decision = camera.decide(second)
        ((angle, speed),) = space.decode(policy.predict(preprocess(to_array(image))[None]))
        assert (decision.twist.angular.z, decision.twist.linear.x) == (angle, speed), case
        camera.hear(topics.SERVO, angle)
        camera.hear(topics.THROTTLE, speed)
        seen.add(angle)
    assert len(seen) > 1, "a policy that always does the same proves nothing"
    camera.link.wait_for(
        lambda: any(r.level == DiagnosticStatus.OK for r in camera.reports), "no report", 20.0
    )
    report = next(r for r in camera.reports if r.level == DiagnosticStatus.OK)
    values = {entry.key: entry.value for entry in report.values}
    assert (report.name, values["model"]) == ("/car_node", "lively:2")
    assert float(values["frames_per_second"]) > 0.0
    assert 0.0 < float(values["latency_ms"]) <= float(values["latency_p99_ms"])
    assert values["state"] == "driving"


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM])
def test_the_car_is_stopped_when_the_node_ends(
    start_node, camera: Camera, bundle: ModelBundle, way: signal.Signals
) -> None:
    node = start_node(NODE, model=bundle.path, **SIMULATED)
    camera.meet()
    assert camera.heard[topics.THROTTLE][-1] > 0.0
    node.send_signal(way)
    camera.hear(topics.THROTTLE, 0.0)
    camera.hear(topics.SERVO, 0.0)
    assert node.wait(20.0) == 0


def test_what_is_loaded_is_told_once(start_node, camera: Camera, bundle: ModelBundle) -> None:
    node = start_node(NODE, model=bundle.path)
    camera.meet()
    node.send_signal(signal.SIGINT)
    out, err = node.communicate(timeout=20.0)
    (line,) = (out + err).splitlines()
    assert "lively:2 drives" in line
    assert str(bundle.path) in line


def test_silence_of_the_camera_is_reported(start_node, camera: Camera, bundle: ModelBundle) -> None:
    start_node(NODE, model=bundle.path)
    camera.link.wait_for(lambda: bool(camera.reports), "no report", 60.0)
    assert camera.reports[0].level == DiagnosticStatus.WARN
    assert topics.IMAGE in camera.reports[0].message


def test_a_broken_bundle_is_refused_with_the_reason(start_node, bundle: ModelBundle) -> None:
    content = bytearray(bundle.policy.read_bytes())
    content[1000] ^= 1
    bundle.policy.write_bytes(content)
    node = start_node(NODE, model=bundle.path)
    _, err = node.communicate(timeout=60.0)
    assert node.returncode == 1
    assert f"error: The model bundle is damaged: {bundle.path / POLICY}" in err
    assert "Traceback" not in err


def test_a_picture_of_no_known_kind_ends_the_node_and_stops_the_car(
    start_node, camera: Camera, bundle: ModelBundle
) -> None:
    node = start_node(NODE, model=bundle.path, reliable_camera=True)
    camera.meet()
    odd = picture("mono8", 120, 160, 1000)
    odd.encoding = "infrared9"
    camera.pictures.publish(odd)
    camera.hear(topics.THROTTLE, 0.0)
    _, err = node.communicate(timeout=20.0)
    assert node.returncode == 1
    assert "error: " in err
    assert "infrared9" in err
