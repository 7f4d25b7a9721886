"""A training whose one car drives in a simulator that is not ours; here a scripted one, no ROS."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

from deepracer_agent import trainer, training
from deepracer_agent.checkpoints import CheckpointStore
from deepracer_agent.config import TrainingConfig
from deepracer_agent.metrics import read_metrics
from deepracer_agent.progress import Progress
from deepracer_agent.runs import RunDirectory
from deepracer_agent.training import train
from deepracer_car.errors import ConfigError, SimulatorError
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.simulator import Floats
from deepracer_sim.track import Track


class Elsewhere(EmbeddedSimulator):
    """Counts what is asked of it; breaks, or is stopped, after so many steps."""

    opened: list[Elsewhere] = []  # noqa: RUF012
    breaks_after: int | None = None
    signal_after: int | None = None

    def __init__(self, name: str, track: Track, n_cars: int, *, rank: int, namespace: str) -> None:
        super().__init__(track, n_cars)
        self.asked_for = (name, n_cars, rank, namespace)
        self.places: list[tuple[float, ...]] = []
        self.steps, self.closed = 0, False
        self.opened.append(self)

    def place(self, cars: np.ndarray, poses: Floats, speeds: Floats) -> None:
        assert not speeds.any()
        self.places += [tuple(pose) for pose in poses.round(6).tolist()]
        super().place(cars, poses, speeds)

    def step(self, commands: Floats) -> None:
        self.steps += 1
        if self.steps == self.breaks_after and len(self.opened) == 1:
            raise SimulatorError("topic /odom is silent")
        if self.steps == self.signal_after:
            signal.raise_signal(signal.SIGINT)
        super().step(commands)

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> type[Elsewhere]:
    monkeypatch.setattr(trainer, "open_simulator", Elsewhere)
    monkeypatch.setattr(Elsewhere, "opened", [])
    for name in ("breaks_after", "signal_after"):
        monkeypatch.setattr(Elsewhere, name, None)
    return Elsewhere


def settings(**overrides: object) -> TrainingConfig:
    given = {
        "track": "Oval_track", "simulator": "gazebo", "namespace": "/left",
        "max_steps_per_episode": 40, "learning.max_steps_between_training": 64,
        "hyperparameters.lr": 1e-8, "stop.steps": 192, "stop.laps": None,
        "evaluation.every_steps": 64, "evaluation.laps": 1, "evaluation.starts": 3,
        "checkpoints.min_seconds_between": 0,
        **{key.replace("__", "."): value for key, value in overrides.items()},
    }  # fmt: skip
    return TrainingConfig().overridden({"cars": 1}, "test").overridden(given, "test")


def test_evaluations_and_training_share_one_car(elsewhere: type[Elsewhere], tmp_path: Path) -> None:
    run = train(settings(), root=tmp_path).run
    (simulator,) = elsewhere.opened
    assert simulator.asked_for == ("gazebo", 1, 0, "/left")
    assert simulator.closed
    updates, evaluations = read_metrics(run.metrics)
    assert [u.steps for u in updates] == [64, 128, 192]
    assert len(evaluations) == 3
    assert all(len(e.progress) == 3 for e in evaluations)
    assert len({e.progress for e in evaluations}) == 1
    # Each evaluation starts where the one before did: thirds of the lap, not multiples of 5 %.
    track_starts = set(simulator.places)
    thirds = {place for place in track_starts if simulator.places.count(place) >= 3}
    assert len(thirds) == 3


def test_the_first_frame_after_an_evaluation_is_of_a_new_episode(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first_frames, starts = [], []
    drive = trainer.RacingPPO.drive

    def drive_and_note(self: trainer.RacingPPO) -> object:
        first_frames.append((np.array(self._last_obs), self.env.task.simulator.frames()))
        starts.append(np.array(self._last_episode_starts))
        return drive(self)

    monkeypatch.setattr(trainer.RacingPPO, "drive", drive_and_note)
    train(settings(), root=tmp_path)
    assert len(first_frames) == 3
    assert all(np.array_equal(seen, there) for seen, there in first_frames)
    assert np.all(starts)


def test_a_broken_simulator_ends_the_training_and_is_closed(
    elsewhere: type[Elsewhere], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(elsewhere, "breaks_after", 300)
    with pytest.raises(SimulatorError, match="is silent"):
        train(settings(stop__steps=10_000), root=tmp_path, name="r")
    run = RunDirectory.open(tmp_path, "r")
    assert (run.status.state, run.status.error) == ("failed", "topic /odom is silent")
    assert run.status.steps == CheckpointStore(run).resolve("last").steps > 0
    assert [simulator.closed for simulator in elsewhere.opened] == [True]


def test_one_that_breaks_at_once_leaves_no_run(
    elsewhere: type[Elsewhere], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(elsewhere, "breaks_after", 1)
    with pytest.raises(SimulatorError, match="is silent"):
        train(settings(), root=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("breaks_after", [1, 300], ids=["at once", "later"])
def test_a_restart_goes_on_from_the_last_checkpoint(
    elsewhere: type[Elsewhere], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, breaks_after: int
) -> None:
    monkeypatch.setattr(elsewhere, "breaks_after", breaks_after)
    shown: list[Progress] = []
    run = train(settings(restarts=2, stop__steps=640), root=tmp_path, show=shown.append).run
    assert run.status.state == "finished"
    assert [progress.trouble for progress in shown if progress.trouble] == ["topic /odom is silent"]
    assert [simulator.closed for simulator in elsewhere.opened] == [True, True]
    updates, _ = read_metrics(run.metrics)
    assert [u.steps for u in updates] == list(range(64, 641, 64))


def test_a_stop_does_not_wait_for_the_rollout(
    elsewhere: type[Elsewhere], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(elsewhere, "signal_after", 300)
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        result = train(settings(stop__steps=10_000), root=tmp_path)
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
    assert result.reason == "stopped by SIGINT"
    assert result.run.status.state == "stopped"
    assert elsewhere.opened[0].steps == 300
    assert CheckpointStore(result.run).resolve("last").steps == result.run.status.steps > 0


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"cars": 2}, "cars: 2 given, but with simulator gazebo each rank drives one car"),
        ({"cars": 2, "ranks": 3}, "leave cars out, or give cars: 3"),
        ({"start": {"mode": "random", "max_speed": 1.5}}, "start.max_speed: 1.5 given"),
        ({"restarts": -1}, "at least 0 is allowed"),
        ({"simulator": "embedded", "restarts": 1}, "restarts: 1 given, but the embedded simulator"),
        ({"simulator": "embedded", "namespace": "/red"}, "namespace: /red given"),
    ],
)
def test_contradictions_are_refused(given: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        TrainingConfig.from_settings({"simulator": "gazebo", **given}, lambda _: "test")


def test_torchrun_restarts_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "under_torchrun", lambda: True)
    with pytest.raises(ConfigError, match="restarts: 2 given, but torchrun starts the ranks"):
        train(settings(restarts=2), root=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "cars"), [({}, 1), ({"ranks": "auto"}, 1), ({"ranks": 3}, 3), ({"cars": 1}, 1)]
)
def test_one_car_per_rank_without_being_told(given: dict[str, object], cars: int) -> None:
    config = TrainingConfig.from_settings({"simulator": "simulator_node", **given}, lambda _: "t")
    assert (config.cars, config.rank_count()) == (cars, cars)
    assert TrainingConfig.from_yaml(config.to_yaml()) == config
