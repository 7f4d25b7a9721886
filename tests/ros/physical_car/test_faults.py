"""What goes wrong on a car, and how soon its servo node is told to stand."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")

LIMIT = 0.2
"""The car stands this long after the last good picture, s."""
ON_THE_WAY = 0.05
"""What messages may take, s."""
ROUNDS = 8
"""A machine that is busy now and then must not decide: the quickest of so many counts."""


def quickest(stop: Callable[[], float]) -> float:
    """How long it takes until the car stands, s."""
    times: list[float] = []
    while len(times) < ROUNDS and min(times, default=1.0) > LIMIT + ON_THE_WAY:
        times.append(stop())
    return min(times)


def drive_on(car: Any, driver: Any) -> None:
    """Let the car drive: it may have been disarmed meanwhile."""
    since = car.now()
    for _ in range(100):
        assert driver.arm()
        time.sleep(0.2)
        if any(r.get("motor", 0) not in (0, r.get("neutral")) for r in car.reports[since:]):
            return
    pytest.fail(f"it does not drive: {car.reports[-5:]}")


@pytest.mark.parametrize("fault", ["silence", "garbage", "no picture"])
def test_a_camera_that_fails_stops_the_car(variant: str, simulated_car, drive, fault: str) -> None:
    car = simulated_car("--camera", "--servo")
    driver = drive()
    car.wait_for(lambda report: report.get("camera") is True)

    def stop() -> float:
        car.tell("pictures")
        drive_on(car, driver)
        since = car.now()
        car.tell(fault)
        last = car.wait_for(lambda report: "picture" in report, since)["picture"]
        return float(stood_at(car, last) - last)

    assert quickest(stop) <= LIMIT + ON_THE_WAY
    since = car.now()
    car.wait_for(lambda report: report.get("power") is False, since - 50)
    car.tell("pictures")
    drive_on(car, driver)


def test_a_policy_that_hangs_stops_the_car(
    simulated_car, drive, tmp_path: Path, ros_environment: dict[str, str]
) -> None:
    hang = tmp_path / "hang"
    ros_environment["HANG"] = str(hang)
    ros_environment["PYTHONPATH"] += f":{Path(__file__).parent}"
    car = simulated_car("--camera", "--servo")
    driver = drive("hanging_node")
    car.wait_for(lambda report: report.get("camera") is True)

    def stop() -> float:
        hang.unlink(missing_ok=True)
        drive_on(car, driver)
        began = time.monotonic()
        hang.touch()
        return float(stood_at(car, began) - began)

    # The last good picture came at most one camera period before it began to hang.
    assert quickest(stop) <= LIMIT + ON_THE_WAY
    car.wait_for(lambda report: report.get("power") is False)
    hang.unlink()
    drive_on(car, driver)


def test_only_the_stop_program_helps_when_the_node_is_killed(simulated_car, drive) -> None:
    car = simulated_car("--camera", "--servo")
    driver = drive()
    car.wait_for(lambda report: report.get("camera") is True)
    drive_on(car, driver)
    driver.node.send_signal(signal.SIGKILL)
    driver.node.wait()
    since = car.now()
    car.tell("silence")
    last = [report for report in car.reports if "motor" in report][-1]
    assert last["motor"] != last["neutral"], "a servo node holds its last pulse"
    stop = run_stop(car)
    assert stop.returncode == 0, stop.stderr
    car.stands(since)
    car.wait_for(lambda report: report.get("power") is False, since)
    assert stop.stdout.splitlines() == [
        "/ctrl_pkg/servo_msg: stand",
        "/ctrl_pkg/raw_pwm: stand",
        "/servo_pkg/servo_gpio: off",
    ]


def run_stop(car: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deepracer_car.ros.stop", "--system", "/nowhere"]
    command += ["--timeout", "30"]
    return subprocess.run(
        command, env=car.environment, capture_output=True, text=True, timeout=60.0
    )


def stood_at(car: Any, last: float) -> float:
    """When the car was told to stand for good, after time ``last``."""
    stood = car.wait_for(
        lambda r: r.get("time", 0.0) >= last and "motor" in r and r["motor"] == r["neutral"]
    )
    return float(stood["time"])
