"""Everything a training writes into its run directory, by rank 0 alone."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat

from deepracer_agent.checkpoints import METADATA, MODEL, Checkpoint, CheckpointStore
from deepracer_agent.config import TrainingConfig
from deepracer_agent.driving import clean_laps, mean_progress, summary
from deepracer_agent.metrics import MetricsLog
from deepracer_agent.racer_metrics import TrainingMetrics
from deepracer_agent.runs import BestResult, RunDirectory, reported, write_file
from deepracer_agent.simtrace import TraceWriter
from deepracer_car.errors import RunError
from deepracer_sim.episode import Episode

STATE = "training.json"
PREVIEW_SECONDS = 1.0


@dataclass
class Counters:
    """How far a training is: the part of a checkpoint that is not the network.

    Attributes:
        updates, steps, episodes: done so far.
        seconds: spent training, over all resumptions, s.
        evaluations: intervals of ``evaluation.every_steps`` that have been evaluated.
    """

    updates: int = 0
    steps: int = 0
    episodes: int = 0
    seconds: float = 0.0
    evaluations: int = 0

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Counters:
        """Read the counters of a checkpoint."""
        try:
            return cls(**json.loads((checkpoint.path / STATE).read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise RunError(
                f"Checkpoint {checkpoint.path} cannot be continued: {STATE} is unusable ({error})."
            ) from error


class Recorder:
    """Writes metrics, traces, checkpoints, TensorBoard events and the status of one run."""

    def __init__(self, run: RunDirectory, config: TrainingConfig, counters: Counters) -> None:
        """Go on from ``counters``: whatever the run holds beyond them is cut off."""
        self.run = run
        self._config = config
        per_iteration = config.hyperparameters.num_episodes_between_training
        keep = config.checkpoints.keep
        self.checkpoints = CheckpointStore(run, None if keep == "all" else keep)
        self.checkpoints.rewind(counters.updates)
        self._traces = TraceWriter(run, per_iteration, counters.episodes)
        self._racer_metrics = TrainingMetrics(run, per_iteration, counters.episodes)
        self._metrics = MetricsLog(run.metrics, counters.steps)
        with reported("write", run.tensorboard):
            self.logger = Logger(
                str(run.tensorboard), [TensorBoardOutputFormat(str(run.tensorboard))]
            )
        self._last_checkpoint = time.monotonic()
        self._last_preview = 0.0
        self._saved_updates = counters.updates
        best = run.status.best
        if best is not None and best.checkpoint > counters.updates:
            best = None  # killed before that checkpoint was saved
        self.write_status(counters, state="running", best=best, stop_reason="", error="")

    def update(self, counters: Counters, episodes: Sequence[Episode]) -> None:
        """Note an update and the episodes that ended before it."""
        self._traces.add(episodes)
        self._racer_metrics.add(episodes)
        if episodes:
            self.logger.record("rollout/reward", float(np.mean([e.reward for e in episodes])))
            self.logger.record("rollout/progress", float(np.mean([e.progress for e in episodes])))
            self.logger.record("rollout/steps", float(np.mean([e.steps for e in episodes])))
        learning = {
            name: float(value)
            for name, value in self.logger.name_to_value.items()
            if name.startswith(("train/", "time/"))
        }
        self._metrics.update(
            counters.updates,
            counters.steps,
            counters.seconds,
            counters.episodes,
            episodes,
            learning,
        )
        self.logger.dump(counters.steps)

    def evaluation(self, counters: Counters, drives: Sequence[Episode]) -> bool:
        """Note greedy laps; returns whether they are the best so far, or as good.

        More progress is better, and of equal progress the faster lap.
        """
        self._racer_metrics.add_evaluation(drives)
        self._metrics.evaluation(
            counters.updates, counters.steps, counters.seconds, counters.episodes, drives
        )
        laps = self._config.evaluation.laps
        progress = mean_progress(drives, laps)
        self.logger.record("evaluation/progress", progress)
        self.logger.record("evaluation/reward", float(np.mean([d.reward for d in drives])))
        self.logger.dump(counters.steps)
        status = self.run.status
        times = [lap for d in drives for lap in d.lap_times if clean_laps(d)]
        lap_time = min(times, default=None)
        best = status.best
        if best is not None and _merit(progress, lap_time) < _merit(best.progress, best.lap_time):
            return False
        status.best = BestResult(
            text=summary(drives, laps),
            checkpoint=counters.updates,
            steps=counters.steps,
            progress=progress,
            clean_laps=sum(clean_laps(d) for d in drives),
            laps=laps * len(drives),
            lap_time=lap_time,
        )
        self.run.write_status(status)
        return True

    def checkpoint_is_due(self) -> bool:
        """Whether the least time between two checkpoints has passed."""
        waited = time.monotonic() - self._last_checkpoint
        return waited >= self._config.checkpoints.min_seconds_between

    def save(
        self, counters: Counters, write_model: Callable[[Path], None], metric: float | None
    ) -> None:
        """Save a checkpoint with the metrics up to it; each number of updates is saved once."""
        if counters.updates == self._saved_updates:
            return

        def write(folder: Path) -> None:
            write_model(folder / MODEL)
            (folder / STATE).write_text(json.dumps(asdict(counters), indent=2) + "\n")
            self._config.named_metadata().save(folder / METADATA)

        self._racer_metrics.save()
        self.checkpoints.save(counters.updates, counters.steps, write, metric)
        self._saved_updates = counters.updates
        self._last_checkpoint = time.monotonic()
        self.write_status(counters)

    def preview(self, observation: npt.NDArray[np.uint8]) -> None:
        """Refresh the picture of what a car sees, (1, 120, 160), about once a second."""
        if time.monotonic() - self._last_preview >= PREVIEW_SECONDS:
            self._last_preview = time.monotonic()
            _, png = cv2.imencode(".png", observation[0])
            write_file(self.run.preview, png.tobytes())

    def reward_output(self, text: str) -> None:
        """Append what the reward functions printed."""
        if text:
            with reported("write", self.run.reward_output), self.run.reward_output.open("a") as log:
                log.write(text)

    def write_status(self, counters: Counters, **changes: Any) -> None:
        """Bring the status up to date."""
        status = self.run.status.model_copy(update=changes)
        if "state" not in changes:
            status.state = "running"
        status.steps, status.episodes = counters.steps, counters.episodes
        status.seconds = counters.seconds
        self.run.write_status(status)

    def close(self) -> None:
        """Write what is still in memory."""
        self._racer_metrics.save()
        self.logger.close()


def _merit(progress: float, lap_time: float | None) -> tuple[float, float]:
    return progress, -math.inf if lap_time is None else -lap_time
