"""Synthetic episodes and runs, so that files can be tested without driving."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deepracer_agent.runs import RunDirectory
from deepracer_sim.episode import STATUSES, TRACE_FIELDS, Episode

DRIVE = STATUSES.index("in_progress")


def drive(seed: int, steps: int = 30, status: str = "off_track", start: float = 0.0) -> Episode:
    """An episode with random rewards; a completed lap ends at exactly 100 percent."""
    rng = np.random.default_rng(seed)
    progress = 100.0 if status == "lap_complete" else float(rng.uniform(1.0, 99.0))
    rows = steps + 1
    columns = {
        "steps": np.arange(rows),
        "x": rng.normal(0.0, 4.0, rows),
        "y": rng.normal(0.0, 4.0, rows),
        "yaw": rng.uniform(-180.0, 180.0, rows),
        "steering_angle": rng.choice([-30.0, -15.0, 0.0, 15.0, 30.0], rows),
        "speed": rng.choice([1.0, 2.5], rows),
        "action": rng.integers(0, 10, rows),
        "reward": np.concatenate([[0.0], rng.normal(1.0, 1.0, rows - 1)]),
        "done": np.arange(rows) == steps,
        "all_wheels_on_track": rng.random(rows) < 0.9,
        "progress": np.linspace(0.0, progress, rows),
        "closest_waypoint": rng.integers(0, 118, rows),
        "track_length": np.full(rows, 17.671),
        "time": start + np.arange(rows) / 15.0,
        "status": np.array([0] + [DRIVE] * (rows - 2) + [STATUSES.index(status)]),
    }
    return Episode(
        car=seed % 4,
        status=status,
        steps=steps,
        reward=float(columns["reward"].sum()),
        progress=progress,
        seconds=steps / 15.0,
        start_time=start,
        lap_times=(steps / 15.0,) if status == "lap_complete" else (),
        off_tracks=int(status == "off_track"),
        trace=np.column_stack([columns[name] for name in TRACE_FIELDS]).astype(np.float64),
    )


@pytest.fixture(scope="session")
def episode() -> Callable[..., Episode]:
    """The function `drive`."""
    return drive


@pytest.fixture(scope="session")
def three_laps() -> Episode:
    """30 + 45 steps for two laps, 15 steps of a third with one departure from the road."""
    whole = drive(5, steps=90, start=100.0)
    trace = whole.trace.copy()
    status = TRACE_FIELDS.index("status")
    trace[30, status] = trace[75, status] = STATUSES.index("lap_complete")
    trace[80, status] = STATUSES.index("off_track")
    trace[-1, status] = STATUSES.index("time_up")
    return dataclasses.replace(
        whole, trace=trace, status="time_up", progress=33.9, lap_times=(2.0, 3.0), off_tracks=1
    )


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A new run, empty."""
    return RunDirectory.create(tmp_path / "runs", "first", track="reinvent_base")
