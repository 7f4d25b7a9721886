"""The car node at the physical car's own nodes: what its servo node makes of the commands."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from message_packages import environment

from deepracer_car.calibration import Calibration
from deepracer_car.errors import ConfigError
from deepracer_car.ros.servo_output import open_servo_output

# Limits that a busy machine keeps.
PATIENT = {"frame_timeout": 5.0, "inference_timeout": 5.0, "fault_timeout": 0.0, "fault_limit": 0}

OTHER = {"stock": "community", "community": "stock"}


FIELDS = """
from deepracer_interfaces_pkg.msg import CameraMsg, ServoCtrlMsg
from rclpy.serialization import serialize_message

pictures = CameraMsg.get_fields_and_field_types()["images"]
print(list(ServoCtrlMsg.get_fields_and_field_types()), pictures)
print(len(serialize_message(ServoCtrlMsg())))
"""
TOLD = {
    "stock": "['angle', 'throttle'] sequence<sensor_msgs/Image>\n12\n",
    "community": (
        "['angle', 'throttle', 'source_stamp'] sequence<sensor_msgs/CompressedImage>\n20\n"
    ),
}


def test_the_messages_are_those_of_the_cars(variant: str, ros_environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", FIELDS]
    run = subprocess.run(command, env=ros_environment, capture_output=True, text=True)
    assert run.stdout == TOLD[variant], run.stderr


def test_it_replaces_all_but_camera_and_servo(variant: str, simulated_car, drive) -> None:
    car = simulated_car("--camera", "--servo")
    driver = drive(**PATIENT)
    car.wait_for(lambda report: report.get("camera") is True)
    stood = car.stands()
    assert stood["servo"] == Calibration().servo.mid
    assert not any(r.get("power") for r in car.reports), "nobody has armed it"
    assert {r["motor"] for r in car.reports if "motor" in r} == {stood["neutral"]}

    assert driver.arm()
    car.wait_for(lambda report: report.get("power") is True)
    car.drives()
    # The shorter pulse is forward; the model steers by what it sees.
    first = car.reports[-1].get("servo")
    car.wait_for(lambda r: r.get("servo", first) != first, car.now())
    motor, servo = Calibration().motor, Calibration().servo
    moving = [r for r in car.reports if r.get("motor", stood["motor"]) != stood["motor"]]
    assert all(motor.min <= r["motor"] < motor.mid for r in moving)
    assert all(servo.min <= r["servo"] <= servo.max for r in moving)
    stamped = [r for r in car.reports[car.reports.index(moving[0]) :] if "latency" in r]
    assert bool(stamped) == (variant == "community")
    assert all(r["seen"] and 0.0 < r["latency"] < 60.0 for r in stamped)

    since = car.now()
    driver.stop()
    car.stands(since)
    car.wait_for(lambda report: report.get("power") is False, since)


def test_beside_the_stock_software_its_control_node_passes_commands_on(
    variant: str, simulated_car, drive
) -> None:
    car = simulated_car("--camera", "--servo", "--control", "--camera-on")
    driver = drive(output="beside", **PATIENT)
    car.stands()
    assert driver.arm()
    car.drives()
    assert not any("camera" in report for report in car.reports), "the camera is not ours to switch"
    since = car.now()
    driver.stop()
    car.stands(since)
    car.wait_for(lambda report: report.get("power") is False, since)


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM])
def test_the_car_stands_without_power_when_the_node_ends(
    simulated_car, drive, way: signal.Signals
) -> None:
    car = simulated_car("--camera", "--servo")
    driver = drive(armed=True, **PATIENT)
    car.drives()
    since = car.now()
    driver.node.send_signal(way)
    car.wait_for(lambda report: report.get("power") is False, since)
    assert driver.node.wait(20.0) == 0
    car.stands(since)
    (last, *_) = [r for r in reversed(car.reports) if "motor" in r]
    assert last["motor"] == last["neutral"]


def test_a_servo_node_with_other_messages_is_a_fault(
    simulated_car,
    drive,
    message_package: Callable[[str], Path],
    variant: str,
    ros_environment: dict[str, str],
) -> None:
    theirs = OTHER[variant]
    car = simulated_car(
        "--servo", environment=environment(message_package(theirs), ros_environment)
    )
    camera = simulated_car("--camera")
    driver = drive(armed=True, **{**PATIENT, "fault_limit": 10})
    camera.wait_for(lambda report: report.get("camera") is True)
    car.wait_for(lambda report: report.get("power") is False)
    driver.node.send_signal(signal.SIGINT)
    said = "".join(driver.node.communicate(timeout=20.0))
    assert "listens on /ctrl_pkg/servo_msg with another ServoCtrlMsg" in said
    assert all(r["motor"] == r["neutral"] for r in car.reports[-20:] if "motor" in r)


def test_a_camera_with_other_messages_moves_nothing(
    simulated_car,
    drive,
    message_package: Callable[[str], Path],
    variant: str,
    ros_environment: dict[str, str],
) -> None:
    theirs = OTHER[variant]
    car = simulated_car("--servo")
    camera = simulated_car(
        "--camera", environment=environment(message_package(theirs), ros_environment)
    )
    drive(armed=True)
    camera.wait_for(lambda report: report.get("camera") is True)
    car.wait_for(lambda report: report.get("power") is False)
    assert all(r["motor"] == r["neutral"] for r in car.reports if "motor" in r)


def test_without_the_cars_messages_it_says_what_to_source() -> None:
    with pytest.raises(ConfigError, match="Source the setup file of the car's software"):
        open_servo_output(None, "replace")


def test_an_unknown_output_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'besides' given, .* Did you mean 'beside'"):
        open_servo_output(None, "besides")
