"""The Python that docs/ros.md shows drives a car of a simulator_node."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

PAGE = Path(__file__).parents[2] / "docs" / "ros.md"


def test_the_example_drives(
    start_node: Callable[..., object], ros_environment: dict[str, str], tmp_path: Path
) -> None:
    (example,) = re.findall(
        r"<!-- run -->\n```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    start_node("deepracer_sim.ros.simulator_node", lockstep=True, track="Oval_track")
    example += "\nprint(info['pose'], len(observation.ravel()))\n"
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env=ros_environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f" {120 * 160}\n")
