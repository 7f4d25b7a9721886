"""Launch files really start here; what is not installed is played by stand-ins.

A stand-in writes down how it was called and in which environment, then waits to be told to stop.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from deepracer_car.model_bundle import METADATA, POLICY, PROVENANCE

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
if "print" in plan:
    print(plan["print"])
while plan.get("exit") is None or (name == "gz" and "-g" in sys.argv):
    signal.pause()
while not all(len(list(notes.glob(f"{{o}}-*"))) > started for o in plan.get("after", [])):
    time.sleep(0.02)
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
            if process.pid != self.process.pid and _session(process.pid) == self.process.pid
        ]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


@pytest.fixture(scope="session")
def prefixes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return prefixes with our packages and those of others; all executables are stand-ins."""
    home = tmp_path_factory.mktemp("prefixes")
    for package, executables in OF_OTHERS.items():
        install(home / "others", package, executables)
    for source in SOURCES.iterdir():
        answer = subprocess.run(
            [sys.executable, "-c", DATA_FILES],
            cwd=source,
            capture_output=True,
            text=True,
            check=True,
        )
        seen = json.loads(answer.stdout)
        scripts = [text.split("=")[0].strip() for text in seen["entry_points"]["console_scripts"]]
        install(home / source.name, source.name, scripts)
        for folder, files in seen["data_files"]:
            for file in files:
                (home / source.name / folder).mkdir(parents=True, exist_ok=True)
                shutil.copy(source / file, home / source.name / folder)
    stand_in(home / "bin" / "gz")
    stand_in(home / "deepracer_sim" / "lib" / "deepracer_sim" / "world_file", WORLD_FILE)
    stand_in(home / "deepracer_agent" / "lib" / "deepracer_agent" / "deepracer", EXPORT)
    return [*(home / source.name for source in SOURCES.iterdir()), home / "others", home]


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


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A model bundle whose network is never asked."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / POLICY).write_bytes(b"none")
    shutil.copy(ROOT / "examples" / "quickstart" / METADATA, folder)
    sums = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in (POLICY, METADATA)
    }
    provenance = {"format": 1, "track": "Oval_track", "direction": "cw", "sha256": sums}
    (folder / PROVENANCE).write_text(json.dumps(provenance))
    return folder


@pytest.fixture
def launch(prefixes: list[Path], bundle: Path, tmp_path: Path) -> Iterator[Callable[..., Launch]]:
    """Start ``ros2 launch deepracer_sim FILE ARGUMENTS``; stand-ins follow their plans."""
    running: list[Launch] = []
    notes = tmp_path / "notes"
    notes.mkdir()

    def start(file: str, *arguments: str, **plans: dict[str, Any]) -> Launch:
        (notes / "plans.json").write_text(json.dumps(plans))
        *packages, home = prefixes
        environment = {
            **os.environ,
            "AMENT_PREFIX_PATH": ":".join([*map(str, packages), os.environ["AMENT_PREFIX_PATH"]]),
            "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": ":".join(str(source) for source in SOURCES.iterdir()),
            "ROS_LOG_DIR": str(tmp_path / "log"),
            "ROS_DOMAIN_ID": "40",
            "NOTES": str(notes),
            "BUNDLE": str(bundle),
        }
        log = tmp_path / "output.txt"
        with log.open("w", encoding="utf-8") as out:
            process = subprocess.Popen(
                ["ros2", "launch", "deepracer_sim", f"{file}.launch.py", *arguments],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        running.append(Launch(process, log, notes))
        return running[-1]

    yield start
    for launched in running:
        for pid in psutil.pids():
            if _session(pid) == launched.process.pid:
                os.kill(pid, signal.SIGKILL)
        launched.process.wait()
