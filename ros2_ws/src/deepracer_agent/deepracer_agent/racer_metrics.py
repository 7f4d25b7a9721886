"""Training and evaluation metrics in the JSON form that the racers' tools read.

Times are milliseconds of simulated time; progress is a whole percentage, rounded down.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepracer_agent.runs import RunDirectory, reported, write_file
from deepracer_car.errors import RunError
from deepracer_sim.episode import (
    CRASHED,
    IMMOBILIZED,
    OFF_TRACK,
    REVERSED,
    TRACE_FIELDS,
    Episode,
)

REWARD, TIME, STATUS = (TRACE_FIELDS.index(name) for name in ("reward", "time", "status"))
VERSION = 2.0


class TrainingMetrics:
    """``metrics/TrainingMetrics.json``: an entry per training episode and per evaluation lap.

    The racers' tools count iterations by the largest ``trial``, so an evaluation lap repeats the
    number and the trial of the training episode before it.

    Args:
        run: the run.
        episodes_per_iteration: the racers' num_episodes_between_training.
        episodes_done: episodes at the checkpoint that training goes on from; later entries go.
        best_by: what decides which checkpoint is best: progress, reward or laptime.

    Raises:
        RunError: the file of a training that goes on is damaged.
    """

    def __init__(
        self,
        run: RunDirectory,
        episodes_per_iteration: int,
        episodes_done: int = 0,
        best_by: str = "progress",
    ) -> None:
        self.path = run.training_metrics
        self.episodes_per_iteration = episodes_per_iteration
        self.episodes = episodes_done
        self.best_by = best_by
        self._entries = _entries_until(episodes_done, self.path) if episodes_done else []

    def add(self, episodes: Sequence[Episode]) -> None:
        """Note training episodes, in the order of the traces."""
        for episode in episodes:
            self.episodes += 1
            whole = _Lap.of(episode, 0, len(episode.trace), episode.seconds)
            self._entries.append(json.dumps(self._entry("training", whole)))

    def add_evaluation(self, drives: Sequence[Episode]) -> None:
        """Note the drives of the greedy policy, lap by lap."""
        laps = [lap for drive in drives for lap in _laps(drive)]
        self._entries += [json.dumps(self._entry("evaluation", lap)) for lap in laps]

    def save(self) -> None:
        """Write the file; meant to be called before each checkpoint.

        Raises:
            RunError: the disk is full or refuses.
        """
        with reported("write", self.path):
            self.path.parent.mkdir(exist_ok=True)
        entries = ",\n".join(self._entries)
        best = json.dumps(self.best_by)
        write_file(
            self.path,
            f'{{"metrics": [\n{entries}\n],\n"version": {VERSION}, "best_model_metric": {best}}}\n',
        )

    def _entry(self, phase: str, lap: _Lap) -> dict[str, Any]:
        episode = max(self.episodes, 1)
        return {
            "reward_score": round(lap.reward),
            **lap.times(),
            "episode": episode,
            "trial": (episode - 1) % self.episodes_per_iteration + 1,
            "phase": phase,
            "completion_percentage": lap.completion,
            "episode_status": lap.label,
        }


def write_evaluation_metrics(run: RunDirectory, stamp: str, drives: Sequence[Episode]) -> Path:
    """Write ``metrics/EvaluationMetrics-<stamp>.json``, an entry per lap.

    Raises:
        RunError: the disk is full or refuses.
    """
    laps = [lap for drive in drives for lap in _laps(drive)]
    entries = [
        {
            "completion_percentage": lap.completion,
            **lap.times(),
            "episode_status": lap.label,
            "crash_count": lap.counts[CRASHED],
            "immobilized_count": lap.counts[IMMOBILIZED],
            "off_track_count": lap.counts[OFF_TRACK],
            "reversed_count": lap.counts[REVERSED],
            "reset_count": sum(lap.counts.values()),
            "trial": trial,
        }
        for trial, lap in enumerate(laps, start=1)
    ]
    path = run.path / "metrics" / f"EvaluationMetrics-{stamp}.json"
    with reported("write", path):
        path.parent.mkdir(exist_ok=True)
    write_file(path, json.dumps({"metrics": entries, "version": VERSION}, indent=1) + "\n")
    return path


@dataclass(frozen=True)
class _Lap:
    """One lap of a drive, or what was driven of it."""

    reward: float
    start: float
    seconds: float
    progress: float
    status: str
    counts: dict[int, int]

    @classmethod
    def of(cls, drive: Episode, first: int, end: int, seconds: float) -> _Lap:
        """The lap that the rows ``first`` to ``end`` (exclusive) of a trace show."""
        rows = drive.trace[first:end]
        is_last = end == len(drive.trace)
        failures = (CRASHED, IMMOBILIZED, OFF_TRACK, REVERSED)
        return cls(
            reward=float(rows[:, REWARD].sum()),
            start=float(drive.trace[max(first - 1, 0), TIME]),
            seconds=seconds,
            progress=drive.progress if is_last else 100.0,
            status=drive.status if is_last else "lap_complete",
            counts={status: int((rows[:, STATUS] == status).sum()) for status in failures},
        )

    @property
    def completion(self) -> int:
        """Whole percent of the lap."""
        return int(self.progress)

    @property
    def label(self) -> str:
        """The status in the words of the metrics."""
        return "Time Up" if self.status == "time_up" else self.status.replace("_", " ").capitalize()

    def times(self) -> dict[str, int]:
        """When it began and ended and how long it took, ms."""
        start, elapsed = round(1000.0 * self.start), round(1000.0 * self.seconds)
        return {
            "metric_time": start + elapsed,
            "start_time": start,
            "elapsed_time_in_milliseconds": elapsed,
        }


def _laps(drive: Episode) -> list[_Lap]:
    """The completed laps of a drive, and the unfinished one at its end if there is one."""
    ends = drive.start_time + np.cumsum(drive.lap_times)
    rows = np.searchsorted(drive.trace[:, TIME], ends + 1e-6, side="right").tolist()
    durations = list(drive.lap_times)
    if not rows or rows[-1] < len(drive.trace):
        rows.append(len(drive.trace))
        durations.append(drive.seconds - sum(drive.lap_times))
    spans = zip([0, *rows[:-1]], rows, durations, strict=True)
    return [_Lap.of(drive, first, end, seconds) for first, end, seconds in spans]


def _entries_until(episode: int, path: Path) -> list[str]:
    """Entries written so far up to ``episode``; none if there is no file."""
    if not path.exists():
        return []
    try:
        entries = json.loads(path.read_bytes())["metrics"]
        return [json.dumps(entry) for entry in entries if int(entry["episode"]) <= episode]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path} is damaged ({error}). Delete it to go on; only the racers' tools need it."
        ) from None
