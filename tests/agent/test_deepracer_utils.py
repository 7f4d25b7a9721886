"""deepracer-utils, which racers analyse with, reads a run directory as it is."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deepracer_agent.evaluation import evaluate
from deepracer_agent.metrics import read_metrics
from deepracer_agent.racer_metrics import TrainingMetrics, write_evaluation_metrics
from deepracer_agent.runs import RunDirectory
from deepracer_agent.simtrace import TraceWriter, write_evaluation_trace
from deepracer_agent.training import train
from deepracer_agent.training_folder import load_training_folder
from deepracer_sim.episode import TRACE_FIELDS, Episode

MakeEpisode = Callable[..., Episode]

PER_ITERATION = 4
METADATA = {
    "action_space": [{"steering_angle": -30.0, "speed": 1.0}, {"steering_angle": 0, "speed": 2.5}],
    "sensor": ["FRONT_FACING_CAMERA"],
    "neural_network": "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW",
    "version": "5",
}


@pytest.fixture(scope="module")
def logs() -> Any:
    """The client's package; its own imports may warn, its reading may not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("deepracer.logs", reason="deepracer-utils is not installed")


@pytest.fixture(autouse=True)
def no_warning_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []


@pytest.fixture
def drives(episode: MakeEpisode) -> list[Episode]:
    """14 episodes of different lengths: three iterations and a half, five complete laps."""
    return [
        episode(
            n, steps=10 + n, status="lap_complete" if n % 3 == 1 else "off_track", start=9.0 * n
        )
        for n in range(14)
    ]


@pytest.fixture
def trained(run: RunDirectory, drives: list[Episode]) -> RunDirectory:
    """A run as training leaves it."""
    run.model_metadata.write_text(json.dumps(METADATA))
    run.hyperparameters.write_text(json.dumps({"num_episodes_between_training": PER_ITERATION}))
    writer, metrics = TraceWriter(run, PER_ITERATION), TrainingMetrics(run, PER_ITERATION)
    for first in range(0, len(drives), 5):
        writer.add(drives[first : first + 5])
        metrics.add(drives[first : first + 5])
        metrics.add_evaluation(drives[1:8])
    metrics.save()
    return run


def test_training_traces(logs: Any, trained: RunDirectory, drives: list[Episode]) -> None:
    log = logs.DeepRacerLog(model_folder=str(trained.path))
    log.load()
    frame = log.dataframe()
    assert len(frame) == sum(len(drive.trace) for drive in drives)
    assert sorted(frame["unique_episode"].unique()) == list(range(len(drives)))
    assert sorted(frame["iteration"].unique()) == [0, 1, 2, 3]
    for name, field in (("x", "x"), ("yaw", "yaw"), ("speed", "speed"), ("tstamp", "time"),
                        ("closest_waypoint", "closest_waypoint"), ("action", "action"),
                        ("steering_angle", "steering_angle"), ("done", "done"),
                        ("on_track", "all_wheels_on_track"), ("steps", "steps")):  # fmt: skip
        ours = [row[TRACE_FIELDS.index(field)] for drive in drives for row in drive.trace]
        assert frame[name].astype(float).tolist() == pytest.approx(ours, abs=1e-8)
    assert (frame["episode_status"] == "lap_complete").sum() == 5
    assert log.agent_and_network()["sensor_list"] == METADATA["sensor"]
    assert log.action_space() == METADATA["action_space"]
    assert log.hyperparameters() == {"num_episodes_between_training": PER_ITERATION}


def test_aggregates_equal_ours(logs: Any, trained: RunDirectory, drives: list[Episode]) -> None:
    log = logs.DeepRacerLog(model_folder=str(trained.path))
    log.load()
    table = logs.AnalysisUtils.simulation_agg(log.dataframe(), secondgroup="unique_episode")
    table = table.sort_values("unique_episode")
    assert table["reward"].tolist() == pytest.approx([d.reward for d in drives], abs=1e-6)
    assert table["progress"].tolist() == pytest.approx([d.progress for d in drives])
    assert table["steps"].tolist() == [d.steps + 1 for d in drives]
    assert table["time"].tolist() == pytest.approx([d.seconds for d in drives])
    assert (table["progress"] == 100).sum() == 5

    stability = log.stability.analyze()
    assert stability["iteration"].tolist() == [0, 1, 2, 3]
    assert stability["avg_ms"].tolist() == pytest.approx([1000.0 / 15.0] * 4)


def test_evaluation_traces(logs: Any, trained: RunDirectory, drives: list[Episode]) -> None:
    stamps = [trained.new_evaluation() for _ in range(2)]
    for stamp in stamps:
        write_evaluation_trace(trained, stamp, drives[:6])
        write_evaluation_metrics(trained, stamp, drives[:6])
    log = logs.DeepRacerLog(model_folder=str(trained.path))
    log.load_evaluation_trace()
    frame = log.dataframe()
    assert sorted(frame["stream"].unique()) == sorted(stamps)
    table = logs.AnalysisUtils.simulation_agg(frame, firstgroup="stream", is_eval=True)
    assert len(table) == 12
    assert table["off_track"].sum() == 2 * sum(d.off_tracks for d in drives[:6])
    assert table["time"].tolist() == pytest.approx(2 * [d.seconds for d in drives[:6]])


def test_training_metrics(
    logs: Any,
    trained: RunDirectory,
    drives: list[Episode],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"boto.*")
        metrics = logs.metrics.TrainingMetrics(None, fname=str(trained.training_metrics))
    assert "Training episodes: 14, Evaluation episodes: 21" in capsys.readouterr().out
    assert metrics.episodes_per_iteration == PER_ITERATION
    training = metrics.getTraining()
    assert training["reward"].tolist() == [round(d.reward) for d in drives]
    assert training["complete"].sum() == 5
    assert training["time"].tolist() == pytest.approx([d.seconds for d in drives], abs=5e-4)
    summary = metrics.getSummary()
    assert summary["train_episodes"].tolist() == [4, 4, 4, 2]
    assert summary["eval_episodes"].tolist() == pytest.approx([float("nan"), 7, 7, 7], nan_ok=True)


def test_a_real_training(logs: Any, tmp_path: Path) -> None:
    """What training really writes, from the first prepare row to the evaluation afterwards."""
    folder = Path(__file__).parents[2] / "examples" / "quickstart"
    settings = {"ranks": 1, "cars": 8, "stop.laps": None, "stop.steps": 2500,
                "evaluation.every_steps": 1000, "video": False}  # fmt: skip
    config, reward = load_training_folder(folder, settings)
    run = train(config, reward, name="real", root=tmp_path).run
    evaluate("real", laps=1, root=tmp_path)
    log = logs.DeepRacerLog(model_folder=str(run.path))
    log.load()
    table = logs.AnalysisUtils.simulation_agg(log.dataframe(), secondgroup="unique_episode")
    table = table.sort_values("unique_episode")
    updates, _ = read_metrics(run.metrics)
    rewards = [reward for update in updates for reward in update.rewards]
    laps = sum(s == "lap_complete" for update in updates for s in update.statuses)
    assert table["reward"].tolist() == pytest.approx(rewards, abs=1e-5)
    assert (table["progress"] == 100.0).sum() == laps
    assert len(log.action_space()) == 14
    assert log.hyperparameters()["batch_size"] == 256
    assert log.agent_and_network()["sensor_list"] == ["FRONT_FACING_CAMERA"]
    driven = logs.DeepRacerLog(model_folder=str(run.path))
    driven.load_evaluation_trace()
    assert (driven.dataframe()["iteration"] == 0).all()
