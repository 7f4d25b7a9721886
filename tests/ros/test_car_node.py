"""The car node as a process of its own: pictures go in, decisions of their stamp come out."""

from __future__ import annotations

import signal

import pytest

pytest.importorskip("rclpy")

from camera_double import CHANNELS, Camera, picture
from diagnostic_msgs.msg import DiagnosticStatus

from deepracer_car.model_bundle import POLICY, ModelBundle
from deepracer_car.observation import preprocess
from deepracer_car.policy import OnnxPolicy
from deepracer_car.ros import topics
from deepracer_car.ros.images import to_array

NODE = "deepracer_car.ros.car_node"
SIMULATED = {"armed": True, "frame_timeout": 0.0, "inference_timeout": 0.0}
"""For a world that waits for the car."""


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


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
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
