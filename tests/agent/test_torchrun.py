"""A training under ``torchrun``: one command on every rank, one run directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from deepracer_agent.runs import RunDirectory

ROOT = Path(__file__).parents[2]


def test_two_ranks_of_torchrun_make_one_run(tmp_path: Path) -> None:
    sources = sorted(str(path) for path in (ROOT / "ros2_ws" / "src").iterdir())
    command = [
        *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "deepracer_agent.cli", "train", str(ROOT / "examples" / "quickstart")),
        *("--name", "both", "--cars", "4", "--steps", "200", "--no-video", "--no-plot"),
    ]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sources)},
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Run both ended: 200 steps") == 1
    status = RunDirectory(tmp_path / "runs" / "both").status
    assert status.state == "finished"
    assert status.steps >= 200
