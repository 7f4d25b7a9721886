"""The command line, end to end: train, Ctrl-C, kill, resume, clone, evaluate and film."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = os.pathsep.join(str(p) for p in (ROOT / "ros2_ws" / "src").iterdir())
SMALL = ["--cars", "4", "--set", "learning.max_steps_between_training=64"]
SMALL += ["--set", "max_steps_per_episode=60"]
TINY = [*SMALL, "--ranks", "1", "--steps", "100", "--no-video"]


def deepracer(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "deepracer_agent.cli", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": PACKAGES, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def begin(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a training in a process group of its own; return when it has saved a checkpoint."""
    program = subprocess.Popen(
        [sys.executable, "-m", "deepracer_agent.cli", "train", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": PACKAGES},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60.0
    while not list(folder.glob("runs/*/checkpoints/*_Step-*")):
        assert program.poll() is None, program.communicate()
        assert time.monotonic() < deadline, "no checkpoint after a minute"
        time.sleep(0.05)
    return program


def status_of(run: Path) -> dict[str, Any]:
    """What ``deepracer runs --json`` tells of the run."""
    listed = json.loads(deepracer("runs", "--json", folder=run.parents[1]).stdout)
    return next(status for status in listed if status["name"] == run.name)


ENDLESS = [".", "--name", "r", "--time", "1 h", "--set", "checkpoints.min_seconds_between=0"]


def test_ctrl_c_ends_a_training_with_everything_saved(tmp_path: Path) -> None:
    program = begin(tmp_path, *ENDLESS, *SMALL, "--no-video")
    os.killpg(program.pid, signal.SIGINT)
    told, errors = program.communicate(timeout=60)
    assert program.returncode == 130, errors
    assert "Run r ended: stopped by SIGINT" in told
    status = status_of(tmp_path / "runs" / "r")
    assert status["state"] == "stopped"
    newest = max(int(p.name.split("-")[1]) for p in tmp_path.glob("runs/r/checkpoints/*_Step-*"))
    assert newest == status["steps"]


def test_a_killed_training_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    program = begin(tmp_path, *ENDLESS, *SMALL, "--ranks", "1")
    os.killpg(program.pid, signal.SIGKILL)
    program.communicate(timeout=60)
    before = status_of(tmp_path / "runs" / "r")
    assert before["state"] == "interrupted"
    goal = str(before["steps"] + 200)
    again = deepracer("train", "--resume", "r", "--steps", goal, "--no-video", folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert f"Run r ended: {goal} steps" in again.stdout
    after = status_of(tmp_path / "runs" / "r")
    assert after["state"] == "finished"
    assert after["steps"] >= int(goal)
    assert after["seconds"] > before["seconds"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run ``first`` of a few updates."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "mine").mkdir()
    (folder / "mine" / "hyperparameters.json").write_text('{"num_epochs": 3}')
    ended = deepracer("train", "mine", "--name", "first", *TINY, folder=folder)
    assert ended.returncode == 0, ended.stderr
    assert "Run first ended: 100 steps" in ended.stdout
    return folder


def test_a_run_is_resumed_and_cloned(trained: Path) -> None:
    first = status_of(trained / "runs" / "first")
    assert (first["state"], first["steps"] >= 100) == ("finished", True)
    resumed = deepracer("train", "--resume", "last", "--steps", "300", folder=trained)
    assert resumed.returncode == 0, resumed.stderr
    assert "Run first ended: 300 steps" in resumed.stdout
    copy = ["train", "mine", "--from", "first", *TINY]
    cloned = deepracer(*copy, "--name", "second", folder=trained)
    assert cloned.returncode == 0, cloned.stderr
    assert status_of(trained / "runs" / "second")["origin"].startswith("first:")
    table = deepracer("runs", folder=trained).stdout
    assert "first" in table
    assert "second" in table
    for wrong, message in (
        (["--name", "first"], "There is already a run 'first'"),
        (["--network", "deepracer"], "learnt with another network"),
    ):
        refused = deepracer(*copy, *wrong, folder=trained)
        assert refused.returncode == 1
        assert message in refused.stderr
    assert {path.name for path in (trained / "runs").iterdir()} == {"first", "second"}


def test_a_policy_is_evaluated_and_filmed(trained: Path) -> None:
    judged = deepracer("evaluate", "first", "--laps", "1", "--json", folder=trained)
    assert judged.returncode == 0, judged.stderr
    result = json.loads(judged.stdout)
    assert result["track"] == "reinvent_base"
    assert {"lap", "seconds", "progress", "off_tracks", "result"} <= result["laps"][0].keys()
    other = ["--track", "Oval_track", "--direction", "cw", "--checkpoint", "last"]
    judged = deepracer("evaluate", "first", *other, "--laps", "1", folder=trained)
    assert judged.returncode == 0, judged.stderr
    assert "on Oval_track, cw" in judged.stdout
    filmed = deepracer("drive", "first", "-o", "drive.gif", folder=trained)
    assert filmed.returncode == 0, filmed.stderr
    assert (trained / "drive.gif").read_bytes().startswith(b"GIF8")
    unknown = deepracer("evaluate", "first", "--checkpoint", "12345", folder=trained)
    assert unknown.returncode == 1
    assert "has no checkpoint '12345'" in unknown.stderr
