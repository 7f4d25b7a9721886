"""The physical car, as far as it is software: its messages, and a process in its stead."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from message_packages import build, environment, what_is_missing

PATIENCE = 60.0
"""Longest wait for anything that must come, s."""
VARIANTS = ("stock", "community")


@pytest.fixture(scope="session")
def message_package() -> Callable[[str], Path]:
    """Where a variant of the car's message package is installed."""
    missing = what_is_missing()
    if missing:
        pytest.skip(f"no message package can be built without {', '.join(missing)}")
    return build


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    """Of the car's message package."""
    return str(request.param)


@pytest.fixture
def ros_environment(
    request: pytest.FixtureRequest,
    ros_environment: dict[str, str],
    message_package: Callable[[str], Path],
) -> dict[str, str]:
    """Environment of a test with the car's messages, stock if it does not ask for `variant`."""
    chosen = "stock"
    if "variant" in request.fixturenames:
        chosen = request.getfixturevalue("variant")
    return environment(message_package(chosen), ros_environment)


class SimulatedCar:
    """The car's own nodes in a process, and what they report."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        command = [sys.executable, str(Path(__file__).parent / "simulated_car.py"), *arguments]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.environment = environment
        self.reports: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._ear = threading.Thread(target=self._listen)
        self._ear.start()

    def _listen(self) -> None:
        for line in self.process.stdout:
            with self._news:
                # The middleware speaks up between the reports, if it does not understand a message.
                is_report = line.startswith("{")
                self.reports.append(json.loads(line) if is_report else {"aside": line})
                self._news.notify_all()

    def tell(self, word: str) -> None:
        """Tell it one of the words of ``simulated_car.py``, and wait until it has heard."""
        since = len(self.reports)
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        self.wait_for(lambda report: report.get("heard") == word, since)

    def wait_for(
        self, wanted: Callable[[dict[str, Any]], bool], since: int = 0, patience: float = PATIENCE
    ) -> dict[str, Any]:
        """Return the first report from number ``since`` on that is wanted."""
        deadline = time.monotonic() + patience
        with self._news:
            while True:
                for report in self.reports[since:]:
                    if wanted(report):
                        return report
                since = max(since, 0)
                left = deadline - time.monotonic()
                if left <= 0.0:
                    pytest.fail(f"the car did not report it; its last words: {self.reports[-5:]}")
                self._news.wait(left)

    def drives(self, since: int = 0) -> dict[str, Any]:
        """Wait until its wheels turn."""
        return self.wait_for(lambda r: r.get("motor", r.get("neutral")) != r.get("neutral"), since)

    def stands(self, since: int = 0) -> dict[str, Any]:
        """Wait until its wheels are told to stand."""
        return self.wait_for(lambda r: "motor" in r and r["motor"] == r["neutral"], since)

    def now(self) -> int:
        """A number for ``since``: what is reported from now on."""
        return len(self.reports)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._ear.join()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def simulated_car(ros_environment: dict[str, str]) -> Iterator[Callable[..., SimulatedCar]]:
    """Start the car's own nodes; ended with the test."""
    cars = []

    def start(*arguments: str, environment: dict[str, str] | None = None) -> SimulatedCar:
        cars.append(SimulatedCar(environment or ros_environment, *arguments))
        return cars[-1]

    yield start
    for car in cars:
        car.close()


@pytest.fixture
def bundle(lively_run: Callable[[str], Path]) -> Path:
    """A model that always drives, and steers by what it sees."""
    from deepracer_agent.export import export_bundle

    return export_bundle(str(lively_run("discrete"))).path


@pytest.fixture
def drive(
    ros_environment: dict[str, str], start_node: Callable[..., Any], bundle: Path
) -> Iterator[Callable[..., Any]]:
    """Start the car node for the car's own camera and servo; returns a hand on its services."""
    from car_hand import Hand

    drivers = []

    def start(module: str = "deepracer_car.ros.car_node", **parameters: object) -> Hand:
        settings = {"output": "replace", "camera": "camera_msg", "throttle_scale": 1.0}
        drivers.append(Hand(start_node(module, model=bundle, **{**settings, **parameters})))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.link.close()
        if driver.node.poll():
            sys.stderr.write("".join(driver.node.communicate()))  # It should not have failed.
