"""Training and evaluation metrics in the JSON form that the racers' tools read.

Times are milliseconds of simulated time; progress is a whole percentage, rounded down.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepracer_agent.laps import all_laps
from deepracer_agent.runs import RunDirectory, reported, write_file
from deepracer_car.errors import RunError
from deepracer_sim.episode import Episode

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
        for drive in episodes:
            self.episodes += 1
            self._note("training", drive.reward, drive.start_time, drive.seconds, drive.progress,
                       drive.status)  # fmt: skip

    def add_evaluation(self, drives: Sequence[Episode]) -> None:
        """Note the drives of the greedy policy, lap by lap."""
        for lap in all_laps(drives):
            self._note("evaluation", lap.reward, lap.start_time, lap.seconds, lap.progress,
                       lap.status)  # fmt: skip

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

    def _note(
        self, phase: str, reward: float, start: float, seconds: float, progress: float, status: str
    ) -> None:
        episode = max(self.episodes, 1)
        entry = {
            "reward_score": round(reward),
            **_times(start, seconds),
            "episode": episode,
            "trial": (episode - 1) % self.episodes_per_iteration + 1,
            "phase": phase,
            "completion_percentage": int(progress),
            "episode_status": _label(status),
        }
        self._entries.append(json.dumps(entry))


def write_evaluation_metrics(run: RunDirectory, stamp: str, drives: Sequence[Episode]) -> Path:
    """Write ``metrics/EvaluationMetrics-<stamp>.json``, an entry per lap.

    Raises:
        RunError: the disk is full or refuses.
    """
    entries = [
        {
            "completion_percentage": int(lap.progress),
            **_times(lap.start_time, lap.seconds),
            "episode_status": _label(lap.status),
            "crash_count": lap.failures["crashed"],
            "immobilized_count": lap.failures["immobilized"],
            "off_track_count": lap.failures["off_track"],
            "reversed_count": lap.failures["reversed"],
            "reset_count": sum(lap.failures.values()),
            "trial": trial,
        }
        for trial, lap in enumerate(all_laps(drives), start=1)
    ]
    path = run.path / "metrics" / f"EvaluationMetrics-{stamp}.json"
    with reported("write", path):
        path.parent.mkdir(exist_ok=True)
    write_file(path, json.dumps({"metrics": entries, "version": VERSION}, indent=1) + "\n")
    return path


def _times(start: float, seconds: float) -> dict[str, int]:
    begin, elapsed = round(1000.0 * start), round(1000.0 * seconds)
    return {
        "metric_time": begin + elapsed,
        "start_time": begin,
        "elapsed_time_in_milliseconds": elapsed,
    }


def _label(status: str) -> str:
    """The status in the words of the metrics."""
    return "Time Up" if status == "time_up" else status.replace("_", " ").capitalize()


def _entries_until(episode: int, path: Path) -> list[str]:
    """Entries written so far up to ``episode``; none if there is no file."""
    if not path.exists():
        return []
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_bytes())["metrics"]
        return [json.dumps(entry) for entry in entries if int(entry["episode"]) <= episode]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path} is damaged ({error}). Delete it to go on; only the racers' tools need it."
        ) from None
