"""Gazebo, started as users start it; see docs/ros.md for what must be installed and sourced."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from deepracer_car.errors import SimulatorError
from deepracer_sim.simulator import Simulator

DOMAIN = 90
STARTUP = 180.0
"""Longest start of Gazebo, s: it compiles its shaders the first time."""

StartGazebo = Callable[[str], AbstractContextManager[Simulator]]


@pytest.fixture
def start_gazebo(tmp_path: Path) -> StartGazebo:
    """Launch a track's world without a window, paused; gives the simulator that steps it."""
    pytest.importorskip("rclpy")
    for program in ("ros2", "gz"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} here")

    @contextmanager
    def start(track: str) -> Iterator[Simulator]:
        from deepracer_sim.ros.ros_simulator import RosSimulator

        arguments = ["simulator:=gazebo", f"track:={track}", "lockstep:=true", "rtf:=0",
                     "headless:=true"]  # fmt: skip
        simulator = RosSimulator("gazebo", domain_id=DOMAIN, startup_timeout=STARTUP)
        log = tmp_path / f"{track}.log"
        with log.open("w") as output:
            launch = subprocess.Popen(
                ["ros2", "launch", "deepracer_sim", "simulator.launch.py", *arguments],
                env={**os.environ, "ROS_DOMAIN_ID": str(DOMAIN)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                yield simulator
            except SimulatorError as error:
                end = "\n".join(log.read_text().splitlines()[-60:])
                pytest.fail(f"{error}\n\nThe end of what the launch said:\n{end}")
            finally:
                simulator.close()
                launch.send_signal(signal.SIGINT)
                try:
                    launch.wait(60.0)
                except subprocess.TimeoutExpired:
                    os.killpg(launch.pid, signal.SIGKILL)

    return start
