"""kill -9 at any moment: what is resumed ends as what was never interrupted."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from deepracer_agent.checkpoints import CheckpointStore
from deepracer_agent.metrics import read_metrics
from deepracer_agent.runs import RunDirectory

TRAINING = """
import json, sys
from pathlib import Path
from conftest import drive
from deepracer_agent.checkpoints import CheckpointStore
from deepracer_agent.metrics import MetricsLog
from deepracer_agent.racer_metrics import TrainingMetrics
from deepracer_agent.runs import RunDirectory
from deepracer_agent.simtrace import TraceWriter

run = RunDirectory(Path(sys.argv[1]))
with run.lock():
    store = CheckpointStore(run, keep=2)
    state = {"update": 0, "steps": 0, "episodes": 0}
    if store.all():
        last = store.resolve("last")
        state = json.loads((last.path / "state.json").read_text())
        store.rewind(last.number)
    status = run.status
    status.state = "running"
    run.write_status(status)
    traces = TraceWriter(run, 4, state["episodes"])
    racers = TrainingMetrics(run, 4, state["episodes"])
    log = MetricsLog(run.metrics, state["steps"])
    print("started", flush=True)
    while state["update"] < 60:
        ended = [drive(state["episodes"] + n, steps=5) for n in range(3)]
        state = {"update": state["update"] + 1, "steps": state["steps"] + 100,
                 "episodes": state["episodes"] + 3}
        traces.add(ended)
        racers.add(ended)
        log.update(state["update"], state["steps"], 0.0, state["episodes"], ended, {})
        if state["update"] % 3 == 0:
            racers.save()
            write = lambda folder: (folder / "state.json").write_text(json.dumps(state))
            store.save(state["update"], state["steps"], write, float(state["update"] % 7))
    status.state = "finished"
    run.write_status(status)
"""


def train(run: RunDirectory) -> subprocess.Popen[bytes]:
    path = [str(Path(__file__).parent), *sys.path]
    return subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(run.path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        stdout=subprocess.PIPE,
    )


def content(run: RunDirectory) -> dict[str, bytes]:
    files = [p for p in run.path.rglob("*") if p.is_file()]
    varying = ("status.json", ".lock", "checksums.json", "deepracer_checkpoints.json")
    return {str(p.relative_to(run.path)): p.read_bytes() for p in files if p.name not in varying}


def test_killed_again_and_again(tmp_path: Path) -> None:
    whole = RunDirectory.create(tmp_path, "whole", track="oval")
    with train(whole) as child:
        assert child.wait() == 0

    killed = RunDirectory.create(tmp_path, "killed", track="oval")
    delays = random.Random(3)
    kills = 0
    while killed.status.state != "finished":
        with train(killed) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(delays.uniform(0.0, 0.02 * (1 + kills)))
            child.kill()
        if child.returncode == -9 and killed.status.state != "finished":
            kills += 1
            assert killed.status.state == "interrupted"
            read_metrics(killed.metrics)
    assert kills >= 1
    assert content(killed) == content(whole)
    ours, theirs = CheckpointStore(killed), CheckpointStore(whole)
    assert [c.number for c in ours.all()] == [c.number for c in theirs.all()]
    assert ours.resolve("last").number == 60
    assert ours.resolve("best").number == theirs.resolve("best").number == 48
