"""Real ROS for tests: a domain of its own for each, and nodes as processes of their own."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deepracer_agent.export import export_bundle
from deepracer_car.model_bundle import ModelBundle

with warnings.catch_warnings(), contextlib.suppress(ImportError):
    # The parser that comes with rclpy's wheels imports modules that Python 3.11 deprecates.
    warnings.simplefilter("ignore", DeprecationWarning)
    importlib.import_module("rosidl_generator_py")

SOURCES = Path(__file__).parents[2] / "ros2_ws" / "src"
PACKAGES = ("deepracer_car", "deepracer_sim", "deepracer_agent")
SAFE_DOMAINS = range(2, 101, 2)
"""Of those whose ports are free on Linux; 0 is left to the user, and the number after each is free
for the second worker of a training."""

StartNode = Callable[..., "subprocess.Popen[str]"]


@contextlib.contextmanager
def reserved_domain() -> Iterator[int]:
    """Hold a ROS domain that no other test on this machine uses, in whatever process it runs."""
    for domain in random.sample(SAFE_DOMAINS, len(SAFE_DOMAINS)):
        path = Path(tempfile.gettempdir()) / f"ros_domain_{domain}.lock"
        with path.open("w") as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield domain
            return
    pytest.fail("no ROS domain is free")


@pytest.fixture
def domain_id() -> Iterator[int]:
    """A ROS domain where nobody else talks."""
    with reserved_domain() as domain:
        yield domain


@pytest.fixture
def other_domain_id() -> Iterator[int]:
    """One more, for tests with two domains."""
    with reserved_domain() as domain:
        yield domain


@pytest.fixture
def ros_environment(
    domain_id: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Environment, set here and to be given to child processes, that keeps ROS to this test."""
    variables = {
        "ROS_DOMAIN_ID": str(domain_id),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_PYTHON_CHECK_FIELDS": "1",
        "ROS_LOG_DIR": str(tmp_path / "ros_log"),
        "PYTHONPATH": os.pathsep.join(str(SOURCES / name) for name in PACKAGES),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return dict(os.environ)


@pytest.fixture
def camera(ros_environment: dict[str, str]) -> Iterator[Any]:
    """What a car node sees, and what it says; see `camera_double`."""
    from camera_double import Camera

    camera = Camera()
    yield camera
    camera.link.close()


@pytest.fixture
def bundle(lively_run: Callable[[str], Path]) -> ModelBundle:
    """A model that drives, and not always straight ahead."""
    return export_bundle(str(lively_run("discrete")))


@pytest.fixture
def start_node(ros_environment: dict[str, str]) -> Iterator[StartNode]:
    """Start ``python -m MODULE --ros-args -p NAME:=VALUE ...``; ended with the test.

    Keywords are parameters; positional arguments after the module go to ``--ros-args`` as they are.
    """
    nodes = []

    def start(module: str, *arguments: str, **parameters: object) -> subprocess.Popen[str]:
        settings = [
            part for name, value in parameters.items() for part in ("-p", f"{name}:={_yaml(value)}")
        ]
        ros_arguments = [*arguments, *settings]
        node = subprocess.Popen(
            [sys.executable, "-m", module, *(["--ros-args", *ros_arguments] * bool(ros_arguments))],
            env=ros_environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        nodes.append(node)
        return node

    yield start
    for node in nodes:
        node.send_signal(signal.SIGINT)
    for node in nodes:
        try:
            node.communicate(timeout=20.0)
        except subprocess.TimeoutExpired:
            node.kill()
            node.communicate()


def _yaml(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
