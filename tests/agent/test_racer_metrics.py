"""Metrics in the racers' JSON form."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deepracer_agent.racer_metrics import TrainingMetrics, write_evaluation_metrics
from deepracer_agent.runs import RunDirectory
from deepracer_car.errors import RunError
from deepracer_sim.episode import TRACE_FIELDS, Episode

MakeEpisode = Callable[..., Episode]


def entries(run: RunDirectory) -> list[dict[str, Any]]:
    content = json.loads(run.training_metrics.read_text())
    assert content["version"] == 2.0
    assert content["best_model_metric"] == "progress"
    return content["metrics"]


def test_an_entry_per_training_episode(run: RunDirectory, episode: MakeEpisode) -> None:
    drives = [episode(n, start=10.0 * n) for n in range(4)]
    drives.append(episode(4, status="lap_complete", start=40.0))
    metrics = TrainingMetrics(run, 2)
    metrics.add(drives)
    metrics.save()
    got = entries(run)
    assert [e["episode"] for e in got] == [1, 2, 3, 4, 5]
    assert [e["trial"] for e in got] == [1, 2, 1, 2, 1]
    assert [e["reward_score"] for e in got] == [round(d.reward) for d in drives]
    assert {e["phase"] for e in got} == {"training"}
    assert got[3]["episode_status"] == "Off track"
    assert got[3]["completion_percentage"] == int(drives[3].progress)
    assert got[4] == {
        "reward_score": round(drives[4].reward),
        "metric_time": 42000,
        "start_time": 40000,
        "elapsed_time_in_milliseconds": 2000,
        "episode": 5,
        "trial": 1,
        "phase": "training",
        "completion_percentage": 100,
        "episode_status": "Lap complete",
    }


def test_evaluation_laps_repeat_the_last_episode(run: RunDirectory, episode: MakeEpisode) -> None:
    metrics = TrainingMetrics(run, 4)
    metrics.add_evaluation([episode(0)])
    metrics.add([episode(n) for n in range(6)])
    metrics.add_evaluation([episode(n) for n in range(12)])
    metrics.save()
    evaluation = [e for e in entries(run) if e["phase"] == "evaluation"]
    assert {(e["episode"], e["trial"]) for e in evaluation} == {(1, 1), (6, 2)}
    assert len(evaluation) == 13


def test_a_drive_of_several_laps_is_told_apart(
    run: RunDirectory, episode: MakeEpisode, three_laps: Episode
) -> None:
    drive = three_laps
    path = write_evaluation_metrics(run, run.new_evaluation(), [drive, episode(7)])
    laps = json.loads(path.read_text())["metrics"]
    assert path.parent == run.path / "metrics"
    assert [lap["trial"] for lap in laps] == [1, 2, 3, 4]
    assert [lap["completion_percentage"] for lap in laps[:3]] == [100, 100, 33]
    assert [lap["episode_status"] for lap in laps[:3]] == ["Lap complete"] * 2 + ["Time Up"]
    assert [lap["elapsed_time_in_milliseconds"] for lap in laps[:3]] == [2000, 3000, 1000]
    assert [lap["start_time"] for lap in laps[:3]] == [100000, 102000, 105000]
    assert [lap["off_track_count"] for lap in laps] == [0, 0, 1, 1]
    assert [lap["reset_count"] for lap in laps] == [0, 0, 1, 1]

    metrics = TrainingMetrics(run, 2)
    metrics.add_evaluation([drive])
    metrics.save()
    rewards = drive.trace[:, TRACE_FIELDS.index("reward")]
    parts = np.split(rewards, [31, 76])
    assert [e["reward_score"] for e in entries(run)] == [round(part.sum()) for part in parts]


def test_resuming_equals_never_having_stopped(run: RunDirectory, episode: MakeEpisode) -> None:
    drives = [episode(n) for n in range(10)]
    metrics = TrainingMetrics(run, 4)
    metrics.add(drives[:3])
    metrics.add_evaluation(drives[:2])
    metrics.add(drives[3:6])
    metrics.save()
    resumed = TrainingMetrics(run, 4, episodes_done=3)
    resumed.add(drives[3:])
    resumed.save()
    after_kill = entries(run)

    whole = TrainingMetrics(run, 4)
    whole.add(drives[:3])
    whole.add_evaluation(drives[:2])
    whole.add(drives[3:])
    whole.save()
    assert entries(run) == after_kill


def test_resuming_without_or_with_a_damaged_file(run: RunDirectory, episode: MakeEpisode) -> None:
    metrics = TrainingMetrics(run, 4, episodes_done=5)
    metrics.add([episode(5)])
    metrics.save()
    assert [(e["episode"], e["trial"]) for e in entries(run)] == [(6, 2)]
    run.training_metrics.write_text("{")
    with pytest.raises(RunError, match=r"TrainingMetrics.json is damaged.*Delete it"):
        TrainingMetrics(run, 4, episodes_done=5)
