"""Stand-ins for programs that launch files start, and a launch that is looked at from outside.

A stand-in writes down how it was called and in which environment, then waits to be told to stop.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "ros2_ws" / "src"
OF_OTHERS = {
    "robot_state_publisher": ["robot_state_publisher"],
    "ros_gz_bridge": ["parameter_bridge"],
    "ros_gz_sim": ["create"],
    "rqt_gui": ["rqt_gui"],
    "rviz2": ["rviz2"],
    "tf2_ros": ["static_transform_publisher"],
}
"""Executables of other packages that our launch files start."""

STAND_IN = """#!{python} -IS
import json, os, signal, sys, time
from pathlib import Path

for stop in (signal.SIGINT, signal.SIGTERM):
    signal.signal(stop, lambda *_: sys.exit(0))
name, notes = Path(sys.argv[0]).name, Path(os.environ["NOTES"])
plan = json.loads((notes / "plans.json").read_text()).get(name, {{}})
started = len(list(notes.glob(f"{{name}}-*.json")))
files = [Path(a).read_text() for b, a in zip(sys.argv, sys.argv[1:]) if b == "--params-file"]
kept = ("GZ_PARTITION", "GZ_SIM_RESOURCE_PATH", "ROS_DOMAIN_ID")
note = {{
    "arguments": sys.argv[1:],
    "parameters": files,
    "environment": {{key: os.environ[key] for key in kept if key in os.environ}},
    "pid": os.getpid(),
}}
draft = notes / f".{{os.getpid()}}"
draft.write_text(json.dumps(note))
draft.rename(notes / f"{{name}}-{{os.environ.get('ROS_DOMAIN_ID', '0')}}-{{os.getpid()}}.json")
def wait_for(calls):
    while not all(len(list(notes.glob(f"{{n}}-*"))) >= calls[n] for n in calls):
        time.sleep(0.02)


if "print" in plan:
    wait_for(plan.get("print after", {{}}))
    print(plan["print"], flush=True)
while plan.get("exit") is None or (name == "gz" and "-g" in sys.argv):
    signal.pause()
wait_for({{n: started + 1 for n in plan.get("after", [])}})
sys.exit(plan["exit"])
"""

DATA_FILES = """
import json, setuptools
seen = {}
setuptools.setup = lambda **arguments: seen.update(arguments)
exec(compile(open("setup.py").read(), "setup.py", "exec"))
print(json.dumps({name: seen[name] for name in ("data_files", "entry_points")}))
"""


class Launch:
    """A running ``ros2 launch`` and what its stand-ins wrote down."""

    def __init__(self, process: subprocess.Popen[str], log: Path, notes: Path) -> None:
        self.process = process
        self._log = log
        self._notes = notes

    @property
    def output(self) -> str:
        """What the launch has said so far."""
        return self._log.read_text(encoding="utf-8")

    def calls(self, name: str) -> list[dict[str, Any]]:
        """How an executable was called, by ROS domain and time."""
        found = sorted(self._notes.glob(f"{name}-*.json"), key=lambda path: path.stat().st_mtime_ns)
        return [json.loads(path.read_text()) for path in found]

    def called(self, name: str, times: int = 1) -> list[dict[str, Any]]:
        """Wait until an executable was called so often."""
        self.until(lambda: len(self.calls(name)) >= times, f"{name} was not called")
        return self.calls(name)

    def until(self, true: Callable[[], bool], complaint: str) -> None:
        """Wait for something that the launch does, but not for ever."""
        deadline = time.monotonic() + 60
        while not true():
            ended = self.process.poll() is not None
            if (ended and not true()) or time.monotonic() > deadline:
                pytest.fail(f"{complaint}; the launch said:\n{self.output}")
            time.sleep(0.05)

    def interrupt(self) -> int:
        """Press Ctrl-C; return the exit status once the launch is over."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)

    def left_behind(self) -> list[str]:
        """Return the command lines of processes that outlived the launch."""
        return [
            " ".join(process.cmdline())
            for process in psutil.process_iter()
            if process.pid != self.process.pid and session_of(process.pid) == self.process.pid
        ]


def session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


WORLD_FILE = """#!/bin/sh
case "$1" in nowhere) echo "error: no track is called nowhere" >&2; exit 1;; esac
echo /worlds/$1$4.sdf
echo 1.5000 -0.2500 0.1000
"""
"""Plays ``world_file TRACK --start [--direction WAY]``."""

EXPORT = """#!/bin/sh
case "$*" in "export first:3 --json") ;; *) echo "error: there is no run '$2'" >&2; exit 1;; esac
echo "{\\"path\\": \\"$BUNDLE\\"}"
"""
"""Plays ``deepracer export RUN --json``."""


def install(prefix: Path, package: str, executables: list[str]) -> None:
    """Make a package that the ament index finds."""
    marker = prefix / "share" / "ament_index" / "resource_index" / "packages" / package
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    for name in executables:
        stand_in(prefix / "lib" / package / name)


def stand_in(path: Path, text: str = "") -> None:
    """Write an executable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text or STAND_IN.format(python=sys.executable))
    path.chmod(0o755)
