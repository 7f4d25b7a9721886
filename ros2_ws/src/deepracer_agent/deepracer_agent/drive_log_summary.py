"""What a drive of a car was like, in numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from deepracer_car.drive_records import Drive, Record
from deepracer_car.safety import Event, State

LONGEST_STEP = 1.0
"""A pause between two pictures counts as at most this long for any state, s."""


def summarize(drive: Drive) -> dict[str, Any]:
    """Return the drive as plain values; times are s since its first picture."""
    records = drive.records
    driving = [r for r in records if r.state is State.DRIVING]
    faults = Counter(r.event.value for r in records if r.event is not Event.DECISION)
    return {
        "drive": drive.name,
        "path": str(drive.path),
        "began": drive.began,
        "seconds": round(drive.seconds, 3),
        "frames": len(records),
        "frames_per_second": _rate(records),
        "skipped": sum(r.skipped for r in records[1:]),
        "lost": drive.lost,
        "damaged_lines": drive.damaged,
        "seconds_driving": round(_seconds_driving(records), 3),
        "mean_speed": _mean([r.command.speed for r in driving]),
        "mean_throttle": _mean([r.command.throttle for r in driving]),
        "latency_ms": _milliseconds([r.sent - r.received for r in records]),
        "decision_ms": _milliseconds([r.sent - r.started for r in records]),
        "faults": dict(faults.most_common()),
        "models": list(dict.fromkeys(r.model for r in records)),
        "changes": [
            {"time": round(c.time - beginning(drive), 3), "state": c.state.value, "why": c.reason}
            for c in drive.changes
        ],
    }


def beginning(drive: Drive) -> float:
    """When its first picture came, s of the car's clock."""
    return drive.records[0].received if drive.records else drive.changes[0].time


def _rate(records: list[Record]) -> float | None:
    """Decisions per second while pictures came."""
    steps = np.diff([r.received for r in records])
    steps = steps[steps <= LONGEST_STEP]
    return round(len(steps) / float(steps.sum()), 1) if steps.sum() > 0.0 else None


def _seconds_driving(records: list[Record]) -> float:
    steps = np.diff([r.sent for r in records]).clip(0.0, LONGEST_STEP)
    is_driving = np.array([r.state is State.DRIVING for r in records[:-1]], dtype=bool)
    return float(steps[is_driving].sum())


def _mean(values: list[float]) -> float | None:
    return round(float(np.mean(values)), 3) if values else None


def _milliseconds(seconds: list[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    values = 1e3 * np.array(seconds)
    p50, p99, most = np.percentile(values, 50), np.percentile(values, 99), values.max()
    return {"p50": round(p50, 2), "p99": round(p99, 2), "max": round(float(most), 2)}
