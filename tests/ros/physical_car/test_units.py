"""The services as systemd would run them: what starts the driver, and what then stops the car."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deepracer_agent.car_bundle import ON_CAR

pytest.importorskip("rclpy")

SOURCES = Path(__file__).parents[3] / "ros2_ws" / "src"
HOME = "/opt/deepracer_car"


def commands(unit: str, key: str) -> list[str]:
    """The command lines of a unit under a key."""
    return re.findall(rf"^{key}=-?(.*)$", (ON_CAR / unit).read_text(), re.MULTILINE)


class Installed:
    """A car's root with the driver in it, and the environment that systemd would give."""

    def __init__(self, root: Path, environment: dict[str, str], model: Path) -> None:
        self.home = root / "opt/deepracer_car"
        self.environment = {**environment, "DEEPRACER_ROOT": str(root)}
        self.environment["PATH"] = f"{root}/bin{os.pathsep}{environment['PATH']}"
        self.home.mkdir(parents=True)
        (self.home / "lib").symlink_to(SOURCES / "deepracer_car")
        (root / "bin").mkdir()
        python = root / "bin" / "python3"
        python.write_text(f'#!/bin/bash\nexec "{sys.executable}" "$@"\n')
        for file in (ON_CAR / "ros.sh", python):
            here = self.home / file.name if file.parent == ON_CAR else file
            here.write_text(file.read_text())
            here.chmod(0o755)
        settings = yaml.safe_load((ON_CAR / "settings.yaml").read_text())
        own = settings["car_node"]["ros__parameters"]
        own |= {"throttle_scale": 1.0, "log": "", "inference_timeout": 0.0}
        deployed = {"model": str(model), "camera": "camera_msg", "output": "replace"}
        self.settings = {
            "/etc/deepracer_car/settings.yaml": own,
            f"{HOME}/deployed.yaml": deployed,
        }

    def words(self, line: str) -> list[str]:
        """A command line with the car's paths below the root."""
        words = []
        for word in shlex.split(line):
            file = self.home / Path(word).name
            if word in self.settings:
                parameters = {"car_node": {"ros__parameters": self.settings[word]}}
                file.write_text(yaml.safe_dump(parameters))
            words.append(str(file) if word.startswith("/") else word)
        return words


@pytest.fixture
def installed(tmp_path: Path, ros_environment: dict[str, str], bundle: Path) -> Installed:
    return Installed(tmp_path / "root", ros_environment, bundle)


@pytest.fixture
def service(installed: Installed, tmp_path: Path) -> Iterator[tuple[Any, socket.socket]]:
    """The driver as its unit starts it, and the socket on which it tells how it does."""
    (line,) = commands("deepracer-car.service", "ExecStart")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        address = tmp_path / "notify"
        told.bind(str(address))
        told.settimeout(60.0)
        process = subprocess.Popen(
            installed.words(line),
            env={**installed.environment, "NOTIFY_SOCKET": str(address)},
        )
        yield process, told
        process.kill()
        process.wait()


def test_a_killed_driver_leaves_a_car_that_stands(
    installed: Installed,
    service: tuple[Any, socket.socket],
    simulated_car: Callable[..., Any],
) -> None:
    from car_hand import Hand

    process, told = service
    assert told.recv(100) == b"READY=1"
    assert told.recv(100) == b"WATCHDOG=1", "before the two seconds are over"
    car = simulated_car("--camera", "--servo")
    car.wait_for(lambda report: report.get("camera") is True)
    hand = Hand(process)
    try:
        since = car.now()
        for _ in range(100):
            assert hand.arm()
            if any(r.get("motor", 0) not in (0, r.get("neutral")) for r in car.reports[since:]):
                break
            told.recv(100)
        car.drives(since)
    finally:
        hand.link.close()
    process.send_signal(signal.SIGKILL)
    process.wait()
    car.tell("silence")
    since = car.now()
    quick, thorough = commands("deepracer-car.service", "ExecStopPost")
    for line in (quick, thorough):
        subprocess.run(installed.words(line), env=installed.environment, timeout=60, check=False)
    car.stands(since)
    car.wait_for(lambda report: report.get("power") is False, since)


def test_the_quick_stop_needs_no_ros_around_it(installed: Installed) -> None:
    for unit in ("deepracer-car.service", "deepracer-car-servo.service"):
        line = commands(unit, "ExecStopPost")[0]
        bare = {name: installed.environment[name] for name in ("PATH", "DEEPRACER_ROOT")}
        done = subprocess.run(
            installed.words(line), env=bare, capture_output=True, text=True, timeout=60
        )
        # Here is no such hardware: it must say so, and fail for nothing else.
        assert done.returncode == 1
        assert "servo node is not told" not in done.stderr, "it did not even try"
        assert "Neither the kernel nor a servo node" in done.stderr
