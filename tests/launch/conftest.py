"""Launch files really start here; what is not installed is played by stand-ins."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from stand_ins import (
    DATA_FILES,
    EXPORT,
    OF_OTHERS,
    ROOT,
    SOURCES,
    WORLD_FILE,
    Launch,
    install,
    session_of,
    stand_in,
)

from deepracer_car.model_bundle import METADATA, POLICY, PROVENANCE


@pytest.fixture(scope="session")
def prefixes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return prefixes with our packages and those of others; all executables are stand-ins."""
    home = tmp_path_factory.mktemp("a space")
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
            if session_of(pid) == launched.process.pid:
                os.kill(pid, signal.SIGKILL)
        launched.process.wait()
