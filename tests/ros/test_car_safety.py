"""The car node when something goes wrong: it stands, says why, and goes on when it may."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")

from camera_double import Camera, picture
from nav_msgs.msg import Odometry
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Empty
from std_srvs.srv import SetBool, Trigger

from deepracer_car.model_bundle import POLICY, PROVENANCE, ModelBundle
from deepracer_car.observation import preprocess
from deepracer_car.policy import OnnxPolicy
from deepracer_car.ros import topics
from deepracer_car.ros.images import to_array

NODE = "deepracer_car.ros.car_node"
PATIENT = {"frame_timeout": 5.0, "inference_timeout": 5.0, "fault_timeout": 0.0, "fault_limit": 0}
"""Limits that a busy machine keeps; how exactly they are kept is tested without ROS."""


class Driver:
    """Calls the node's services, and shows it a picture every now and then."""

    def __init__(self, camera: Camera) -> None:
        self.camera, self.link = camera, camera.link
        self.shown = 0
        self.arming = self.link.client(SetBool, "car_node/arm")
        self.stopping = self.link.client(Trigger, "car_node/estop")
        self.resetting = self.link.client(Trigger, "car_node/reset")
        self.setting = self.link.client(SetParameters, "car_node/set_parameters")
        self.getting = self.link.client(GetParameters, "car_node/get_parameters")

    def arm(self, on: bool = True) -> Any:
        return self.link.call(self.arming, SetBool.Request(data=on))

    def stop(self) -> Any:
        return self.link.call(self.stopping, Trigger.Request())

    def reset(self) -> Any:
        return self.link.call(self.resetting, Trigger.Request())

    def set(self, name: str, value: object) -> Any:
        kinds = {str: "string", float: "double", bool: "bool"}
        kind = kinds[type(value)]
        content = ParameterValue(
            type=getattr(ParameterType, f"PARAMETER_{kind.upper()}"), **{f"{kind}_value": value}
        )
        request = SetParameters.Request(parameters=[Parameter(name=name, value=content)])
        (result,) = self.link.call(self.setting, request).results
        return result

    def model(self) -> str:
        request = GetParameters.Request(names=["model"])
        (value,) = self.link.call(self.getting, request).values
        return str(value.string_value)

    def show(self, message: Any = None) -> None:
        self.shown += 1
        self.camera.pictures.publish(message or picture("mono8", 120, 160, self.shown))

    def throttle(self) -> float | None:
        heard = self.camera.heard[topics.THROTTLE]
        return heard[-1] if heard else None

    def until(self, condition: Callable[[], object], what: str, show: bool = True) -> None:
        """Show pictures, twenty a second, until ``condition`` holds."""

        def holds() -> bool:
            return bool(condition())

        for _ in range(600):
            if show:
                self.show()
            try:
                return self.link.wait_for(holds, what, 0.05)
            except Exception as error:
                failure = error
        raise failure

    def until_driving(self) -> None:
        self.until(lambda: (self.throttle() or 0.0) > 0.0, "it does not drive")

    def until_standing(self, *, show: bool = True) -> None:
        self.until(lambda: self.throttle() == 0.0, "it does not stop", show)

    def value(self, name: str) -> str | None:
        """What the newest report says about ``name``."""
        for report in self.camera.reports[-1:]:
            return next((entry.value for entry in report.values if entry.key == name), None)
        return None

    def state(self) -> str:
        """State and reason of the newest report."""
        reports = self.camera.reports
        return reports[-1].message if reports else ""


@pytest.fixture
def driver(camera: Camera) -> Driver:
    return Driver(camera)


def test_it_drives_when_it_is_armed_and_no_sooner(
    start_node, driver: Driver, bundle: ModelBundle
) -> None:
    start_node(NODE, model=bundle.path, **PATIENT)
    driver.until(lambda: driver.camera.decisions.message is not None, "no decision")
    driver.until(lambda: driver.throttle() is not None, "no command")
    assert set(driver.camera.heard[topics.THROTTLE]) == {0.0}
    answer = driver.arm()
    assert answer.success
    driver.until_driving()
    answer = driver.arm(False)
    assert (answer.success, answer.message) == (True, "disarmed: disarmed by request")
    driver.until_standing()
    assert driver.arm().success
    driver.until_driving()


def test_an_emergency_stop_latches(start_node, driver: Driver, bundle: ModelBundle) -> None:
    start_node(NODE, model=bundle.path, armed=True, **PATIENT)
    driver.until_driving()
    assert driver.stop().success
    driver.until_standing()
    refused = driver.arm()
    assert not refused.success
    assert refused.message == "emergency stop: emergency stop"
    driver.until(lambda: "emergency stop" in driver.state(), "not reported")
    assert driver.throttle() == 0.0
    assert driver.reset().success
    driver.until(lambda: "disarmed" in driver.state(), "not reported")
    assert driver.throttle() == 0.0
    assert driver.arm().success
    driver.until_driving()


def test_when_the_camera_stops_the_car_stops_and_is_disarmed(
    start_node, driver: Driver, bundle: ModelBundle
) -> None:
    start_node(NODE, model=bundle.path, armed=True, **PATIENT | {"fault_timeout": 0.5})
    driver.until_driving()
    driver.until_standing(show=False)
    said = len(driver.camera.heard[topics.THROTTLE])
    driver.until(
        lambda: len(driver.camera.heard[topics.THROTTLE]) > said + 5, "it is said once", show=False
    )
    driver.until(lambda: "disarmed: persistent fault" in driver.state(), "armed", show=False)
    shown = driver.camera.decisions.stamp
    driver.until(lambda: driver.camera.decisions.stamp > shown, "no decision")
    assert driver.throttle() == 0.0, "pictures alone do not start it again"


def test_it_drives_a_simulated_car_by_the_clock(
    start_node, driver: Driver, bundle: ModelBundle
) -> None:
    odometry = driver.link.stream(Odometry, topics.ODOMETRY, topics.every_message())
    start_node("deepracer_sim.ros.simulator_node")
    start_node(NODE, model=bundle.path, **PATIENT)
    driver.until(lambda: driver.throttle() == 0.0, "it does not listen", show=False)
    assert driver.arm().success

    def speed() -> float:
        return odometry.message.twist.twist.linear.x if odometry.message else 0.0

    driver.until(lambda: speed() > 0.3, "the car does not move", show=False)
    driver.stop()
    driver.until(lambda: abs(speed()) < 0.01, "the car does not stop", show=False)


def garbage() -> Iterator[Any]:
    odd = picture("mono8", 120, 160, 1)
    odd.encoding = "infrared9"
    yield odd
    short = picture("mono8", 120, 160, 1)
    short.height = 4000
    yield short
    empty = picture("mono8", 120, 160, 1)
    empty.height = empty.width = empty.step = 0
    empty.data = b""
    yield empty


@pytest.mark.parametrize("odd", garbage(), ids=["encoding", "short", "empty"])
def test_garbage_from_the_camera_stops_the_car_until_it_sees_again(
    start_node, driver: Driver, bundle: ModelBundle, odd: Any
) -> None:
    start_node(NODE, model=bundle.path, armed=True, **PATIENT)
    driver.until_driving()
    before = driver.throttle()
    assert before

    def stopped() -> bool:
        driver.show(odd)
        return driver.throttle() == 0.0

    driver.until(stopped, "it drives on", show=False)
    driver.until(
        lambda: driver.show(odd) or "exception" in (driver.value("last_fault") or ""),
        "untold",
        show=False,
    )
    assert "exception" in driver.state()
    driver.until_driving()


def test_a_heartbeat_that_stops_stops_the_car(
    start_node, driver: Driver, bundle: ModelBundle
) -> None:
    heart = driver.link.publisher(Empty, "car_node/heartbeat", topics.every_message())
    start_node(NODE, model=bundle.path, armed=True, **PATIENT | {"heartbeat_timeout": 1.0})
    driver.until(lambda: "lost heartbeat: none came yet" in driver.state(), "it drives")
    assert driver.throttle() == 0.0

    def beaten() -> bool:
        heart.publish(Empty())
        return bool(driver.throttle())

    driver.until(beaten, "it does not drive")
    driver.until_standing()
    driver.until(lambda: "lost heartbeat: none for" in driver.state(), "untold")


def test_another_model_takes_over_and_a_bad_one_is_refused(
    start_node, driver: Driver, bundle: ModelBundle, tmp_path: Path
) -> None:
    node = start_node(NODE, model=bundle.path, armed=True, **PATIENT)
    driver.until_driving()
    bad, good = tmp_path / "bad", tmp_path / "good"
    for folder in (bad, good):
        shutil.copytree(bundle.path, folder)
    content = bytearray((bad / POLICY).read_bytes())
    content[1000] ^= 1
    (bad / POLICY).write_bytes(content)
    for path in (str(bad), "/nowhere"):
        assert driver.set("model", path).successful, "it is tried aside"
        driver.until(lambda: driver.model() == str(bundle.path), "the refusal is not seen")
        driver.until_driving()
    provenance = json.loads((good / PROVENANCE).read_text())
    (good / PROVENANCE).write_text(json.dumps({**provenance, "model": "another"}))
    assert driver.set("model", str(good)).successful
    driver.until(lambda: driver.value("model") == "another", "the old one drives")
    assert driver.model() == str(good)
    driver.until_driving()
    node.send_signal(signal.SIGINT)
    out, err = node.communicate(timeout=20.0)
    told = out + err
    assert f"{bad} is refused, the old model drives on: The model bundle is damaged" in told
    assert "/nowhere is refused" in told
    assert f"another drives: {good}" in told


def test_settings_may_be_changed_while_it_drives(
    start_node, driver: Driver, bundle: ModelBundle
) -> None:
    start_node(NODE, model=bundle.path, armed=True, **PATIENT)
    driver.until_driving()
    assert driver.set("max_speed", 0.25).successful
    driver.until(lambda: driver.throttle() == 0.25, "the cap has no effect")
    for name, value, reason in (
        ("throttle_scale", 1.5, "0 to 1 is allowed"),
        ("max_speed", "fast", "a number is allowed"),
    ):
        result = driver.set(name, value)
        assert not result.successful
        assert reason in result.reason
    assert not driver.set("frame_timeout", 0.0).successful, "safety is not for switching off"


@pytest.mark.parametrize("camera_stamps", [False, True])
def test_old_stamps_count_where_stamps_are_to_be_trusted(
    start_node, driver: Driver, bundle: ModelBundle, camera_stamps: bool
) -> None:
    start_node(NODE, model=bundle.path, armed=True, stamped_camera=camera_stamps, **PATIENT)
    if camera_stamps:  # The pictures are stamped 1970.
        driver.until(lambda: "stale frame" in driver.state(), "it drives")
        assert driver.throttle() == 0.0
    else:
        driver.until_driving()


def test_compressed_pictures(start_node, driver: Driver, bundle: ModelBundle) -> None:
    start_node(NODE, model=bundle.path, camera="compressed", armed=True, **PATIENT)
    compressed = driver.link.publisher(
        CompressedImage, f"{topics.IMAGE}/compressed", topics.every_message()
    )
    policy, space = OnnxPolicy(bundle), bundle.metadata.action_space
    for second, (height, width) in enumerate([(120, 160), (480, 640)], start=1):
        grey = to_array(picture("mono8", height, width, second))
        message = CompressedImage(format="jpeg")
        message.data = cv2.imencode(".jpg", grey)[1].tobytes()
        message.header.stamp.sec = second

        def decided(message: Any = message) -> bool:
            compressed.publish(message)
            return driver.camera.decisions.stamp == message.header.stamp.sec * 10**9

        driver.until(decided, "no decision", show=False)
        ((angle, speed),) = space.decode(policy.predict(preprocess(to_array(message))[None]))
        twist = driver.camera.decisions.message.twist
        assert (twist.angular.z, twist.linear.x) == (angle, speed)
    damaged = CompressedImage(format="jpeg", data=b"nothing of the kind")
    driver.until(
        lambda: compressed.publish(damaged) or "exception" in driver.state(), "untold", show=False
    )
    assert np.isclose(driver.throttle() or 0.0, 0.0)


def test_a_picture_of_another_kind_of_message_is_never_seen(
    start_node, driver: Driver, bundle: ModelBundle
) -> None:
    start_node(NODE, "-r", f"{topics.IMAGE}:=wrong", model=bundle.path, armed=True)
    other = driver.link.publisher(CompressedImage, "wrong", topics.every_message())
    driver.until(
        lambda: (
            other.publish(CompressedImage())
            or ("disarmed" in driver.state() and bool(driver.camera.heard[topics.THROTTLE]))
        ),
        "it is armed, or says nothing of its throttle",
    )
    assert set(driver.camera.heard[topics.THROTTLE]) == {0.0}
    assert "no picture came on topic /wrong" in driver.state()


def test_the_service_manager_is_told(
    ros_environment: dict[str, str], start_node, driver: Driver, bundle: ModelBundle, tmp_path: Path
) -> None:
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60.0)
        ros_environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        node = start_node(NODE, model=bundle.path)

        def listen() -> None:
            while "STOPPING=1" not in heard:
                heard.append(manager.recv(100).decode())

        listening = threading.Thread(target=listen)
        listening.start()
        driver.until(lambda: heard.count("WATCHDOG=1") > 3, "no sign of life")
        node.send_signal(signal.SIGTERM)
        listening.join(60.0)
        assert node.wait(20.0) == 0
    assert heard[0] == "READY=1"
    assert heard[-1] == "STOPPING=1"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"camera": "imagee"}, "Did you mean 'image'?"),
        ({"throttle_scale": 2}, "throttle_scale: 2 given, 0 to 1 is allowed"),
        ({"frame_timeout": 0.01}, "frame_age: 0.01 s given"),
        ({"fault_limit": -1}, "faults -1 given"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_makes_no_sense_ends_with_the_reason(
    start_node, bundle: ModelBundle, settings: dict[str, object], reason: str
) -> None:
    node = start_node(NODE, model=bundle.path, **settings)
    _, err = node.communicate(timeout=60.0)
    assert node.returncode == 1
    assert reason in err
    assert "Traceback" not in err


def test_the_drive_is_written_down(
    start_node, driver: Driver, bundle: ModelBundle, tmp_path: Path
) -> None:
    node = start_node(NODE, model=bundle.path, armed=True, log=tmp_path / "drives", **PATIENT)
    driver.until_driving()
    driver.until(lambda: driver.value("log_lost") == "0", "no report of the log")
    node.send_signal(signal.SIGINT)
    assert node.wait(30.0) == 0
    lines = [
        json.loads(line)
        for file in sorted((tmp_path / "drives").rglob("*.jsonl"))
        for line in file.read_text().splitlines()
    ]
    text = json.dumps(lines)
    assert "good decision" in text
    assert "shutdown" in text, "the end is a part of the drive"
