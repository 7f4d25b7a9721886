"""What the recorder takes for the best policy of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deepracer_agent.config import TrainingConfig
from deepracer_agent.recorder import Counters, Recorder
from deepracer_agent.runs import RunDirectory
from deepracer_sim.episode import Episode

MakeEpisode = Callable[..., Episode]


@pytest.mark.parametrize(
    ("drives", "best"),
    [
        ([("off_track", 40), ("lap_complete", 50), ("off_track", 10)], 2),
        ([("lap_complete", 50), ("lap_complete", 40), ("lap_complete", 45)], 2),
        ([("lap_complete", 50), ("lap_complete", 50)], 2),
    ],
    ids=["more progress", "faster lap", "as good, and newer"],
)
def test_the_best_evaluation(
    run: RunDirectory, episode: MakeEpisode, drives: list[tuple[str, int]], best: int
) -> None:
    config = TrainingConfig.from_yaml("evaluation: {laps: 1}\nstop: {laps: 1}")
    recorder = Recorder(run, config, Counters())
    for number, (status, steps) in enumerate(drives, start=1):
        counters = Counters(updates=number, steps=100 * number)
        is_best = recorder.evaluation(counters, [episode(number, steps=steps, status=status)])
        recorder.save(counters, _write_model, 100.0 if is_best else None)
    recorder.close()
    assert run.status.best is not None
    assert run.status.best.checkpoint == best
    found = recorder.checkpoints.best()
    assert found is not None
    assert found.number == best


def _write_model(path: Path) -> None:
    path.write_bytes(b"model")
