"""What a finished training is shown by: a table of laps, a plot, and a film of the best lap."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deepracer_agent.config import TrainingConfig
from deepracer_agent.evaluation import EvaluationResult, best_lap, evaluate, film, find_model
from deepracer_agent.plots import plot_training
from deepracer_agent.runs import RunDirectory


@dataclass(frozen=True)
class Results:
    """Where to find what a run has brought.

    Attributes:
        evaluation: laps of the best checkpoint; None if there is none.
        model: the best checkpoint.
        plot, video: None if not wanted, or if there is nothing to show yet.
    """

    evaluation: EvaluationResult | None
    model: Path | None
    plot: Path | None
    video: Path | None


def write_results(run: RunDirectory) -> Results:
    """Evaluate the best checkpoint of ``run`` and write its plot and film, as configured.

    Raises:
        DeepRacerError: the best checkpoint is damaged, or the disk refuses.
    """
    config = TrainingConfig.load(run.config)
    status = run.status
    plot = plot_training(run) if config.plot and status.episodes else None
    if not any((run.path / "checkpoints").iterdir()):
        return Results(None, None, plot, None)
    model = find_model(str(run.path))
    result = evaluate(model, laps=config.evaluation.laps, resets=0)
    video = None
    if config.video and len(result.observations):
        video = run.best_lap
        film(video, result, [best_lap(result)])
    return Results(result, model.path, plot, video)
