"""A drive that was recorded is told, filmed, and looked at by other models."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from math import nan
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from deepracer_agent import drive_log_film, drive_log_replay
from deepracer_agent.cli import main
from deepracer_agent.drive_log_replay import replay
from deepracer_agent.drive_log_summary import summarize
from deepracer_agent.export import export_bundle
from deepracer_car.actuation import NEUTRAL, ActuationSettings, Command
from deepracer_car.decision import Answer, Decision, Frame, Model
from deepracer_car.drive_log import DriveLog
from deepracer_car.drive_loop import DriveLoop
from deepracer_car.drive_records import read_drive
from deepracer_car.errors import ConfigError, NotANumberError
from deepracer_car.safety import Change, Event, State
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.track_library import load_track

LivelyRun = Callable[[str], Path]
STEPS = 45
HZ = 15


class Wheels:
    """An actuator of a simulated car."""

    def __init__(self) -> None:
        self.command = NEUTRAL

    def apply(self, command: Command) -> None:
        self.command = command

    def power(self, on: bool) -> None:
        pass


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


def drive(root: Path, bundle: Path) -> list[Decision]:
    """Drive a simulated car through the car's own loop, with a log."""
    track = load_track("reinvent_base")
    simulator, wheels, clock = EmbeddedSimulator(track, 1), Wheels(), Clock()
    simulator.place(np.arange(1), np.array([track.pose_at(0.0)]), np.zeros(1))
    log = DriveLog(root)
    loop = DriveLoop(
        Model.open(bundle),
        wheels,
        lambda picture: picture,
        settings=ActuationSettings(throttle_scale=1.0),
        clock=clock,
        told=log.record,
    )
    decisions: list[Decision] = []
    loop.arm()
    for _ in range(STEPS):
        loop.see(simulator.frames()[0].copy())
        decision = loop.step()
        assert decision is not None
        decisions.append(decision)
        simulator.step(np.array([[wheels.command.steering_angle, wheels.command.speed]]))
        clock.now += 1.0 / HZ
    loop.emergency_stop()
    for change in loop.changes:
        log.note(change)
    log.close()
    assert log.lost == 0
    return decisions


@pytest.fixture
def driven(lively_run: LivelyRun, tmp_path: Path) -> tuple[Path, Path, list[Decision]]:
    """Folder of the drives, the run that drove, and what it decided."""
    run = lively_run("discrete")
    decisions = drive(tmp_path / "drives", export_bundle(str(run)).path)
    return tmp_path / "drives", run, decisions


def test_a_model_decides_again_as_it_did(driven: tuple[Path, Path, list[Decision]]) -> None:
    folder, run, decisions = driven
    result = replay(read_drive(folder), str(run / "bundle"))
    assert len(result.records) == len(decisions) == STEPS
    expected = np.array([(d.answer.steering_angle, d.answer.speed) for d in decisions])
    assert len(np.unique(expected, axis=0)) > 3, "a policy that does one thing proves nothing"
    np.testing.assert_array_equal(result.recorded, expected)
    np.testing.assert_array_equal(result.replayed, expected)
    told = result.to_json()
    assert (told["same"], told["compared"], told["unreadable"]) == (STEPS, STEPS, 0)
    assert (told["same_share"], told["worst"]) == (1.0, [])
    assert told["model"] == told["recorded_models"][0] == "lively:2"


def test_another_model_decides_otherwise_and_it_is_told_where(
    driven: tuple[Path, Path, list[Decision]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, run, decisions = driven
    table, film = tmp_path / "both.csv", tmp_path / "both.mp4"
    given = ["drive-log", "replay", str(folder), f"{run}:1"]
    assert main([*given, "--csv", str(table), "--video", str(film), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == "lively:1"
    assert told["same"] < told["compared"] == STEPS
    assert 1 <= len(told["worst"]) <= 5
    assert told["steering_angle_degrees"]["max"] <= 60.0
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == STEPS
    for row, decision in zip(rows, decisions, strict=True):
        angle = np.degrees(decision.answer.steering_angle)
        assert float(row["steering_angle"]) == pytest.approx(angle, abs=1e-3)
        assert float(row["speed"]) == pytest.approx(decision.answer.speed)
    worst = told["worst"][0]
    row = rows[worst["frame"] - 1]
    assert float(row["time"]) == pytest.approx(worst["time"], abs=1e-3)
    replayed = worst["replayed"]["steering_angle"]
    assert float(row["replayed_steering_angle"]) == pytest.approx(replayed, abs=1e-2)
    assert film.stat().st_size > 0
    assert main(given) == 0
    out = capsys.readouterr().out
    assert f"of {STEPS} decisions are the same" in out
    assert "Most different" in out


def test_a_drive_is_told(
    driven: tuple[Path, Path, list[Decision]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _, decisions = driven
    assert main(["drive-log", "show", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["frames"], told["lost"], told["skipped"]) == (STEPS, 0, 0)
    assert told["models"] == ["lively:2"]
    assert told["faults"] == {}
    assert told["frames_per_second"] == pytest.approx(HZ, rel=0.1)
    assert told["mean_speed"] == pytest.approx(np.mean([d.command.speed for d in decisions]), 1e-3)
    assert told["latency_ms"]["p50"] >= told["decision_ms"]["p50"] > 0.0
    assert [c["state"] for c in told["changes"]] == ["armed", "driving", "emergency stop"]
    assert main(["drive-log", "show", str(folder)]) == 0
    out = capsys.readouterr().out
    assert f"{STEPS}, " in out
    assert "emergency stop" in out
    assert main(["drive-log", "show", str(folder), "--all"]) == 0
    assert "0001-" in capsys.readouterr().out


def test_a_drive_is_filmed_in_its_own_time(
    driven: tuple[Path, Path, list[Decision]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _, _ = driven
    film = tmp_path / "drive.mp4"
    assert main(["drive-log", "video", str(folder), "-o", str(film)]) == 0
    with av.open(str(film)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        rate = file.streams.video[0].average_rate
    assert frames[0].shape == (720, 1280, 3)
    assert len(frames) / float(rate or 0) == pytest.approx(STEPS / HZ, rel=0.15)
    _, seen = next(read_drive(folder).pictures())
    shown = frames[0][3:720:6, 3:960:6, 0].astype(int)
    assert np.abs(shown - seen[0]).mean() < 6.0, "the picture is the one that the network saw"


def record(number: int, **changed: Any) -> Decision:
    time = 10.0 + number / 10.0
    rng = np.random.default_rng(number)
    picture = rng.integers(0, 256, (1, 120, 160), dtype=np.uint8)
    usual = Decision(
        Frame(None, time, 0),
        Answer(Event.DECISION, "", picture, None, 0.1, 1.0),
        Event.DECISION,
        State.DRIVING,
        Command(0.1, 1.0, 0.2, 0.5),
        time + 0.002,
        time + 0.006,
        "m",
    )
    return usual._replace(**changed)


def log_of(folder: Path, *decisions: Decision) -> Path:
    log = DriveLog(folder)
    for decision in decisions:
        log.record(decision)
    log.close()
    return log.path


def test_a_drive_with_faults_in_numbers(tmp_path: Path) -> None:
    nothing = Answer(Event.EXCEPTION, "ConfigError: no picture", None, None, nan, nan)
    fault = {"answer": nothing, "event": Event.EXCEPTION, "state": State.STOPPED}
    path = log_of(
        tmp_path,
        *(record(k) for k in range(6)),
        record(6, frame=Frame(None, 10.6, 4), **fault),
        record(7, **fault),
        record(8),
        record(308, sent=41.0),
    )
    told = summarize(read_drive(path))
    assert told["faults"] == {"exception": 2}
    assert told["skipped"] == 4
    assert told["seconds"] == pytest.approx(31.0)
    assert told["frames_per_second"] == pytest.approx(10.0), "a pause is no slow camera"
    # 0 to 6 and 8 to its end, which counts as 1 s.
    assert told["seconds_driving"] == pytest.approx(0.6 + 1.0, abs=0.01)
    assert told["latency_ms"] == {"p50": 6.0, "p99": pytest.approx(181.0, abs=20), "max": 200.0}
    assert (told["mean_speed"], told["mean_throttle"]) == (1.0, 0.5)


def test_changes_without_a_picture_can_be_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = DriveLog(tmp_path)
    log.note(Change(5.0, State.ARMED, State.STOPPED, Event.STALE_FRAME, "stale frame: no camera"))
    log.close()
    assert main(["drive-log", "show", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "stale frame: no camera" in out
    assert main(["drive-log", "video", str(tmp_path), "-o", str(tmp_path / "x.mp4")]) == 1
    assert "holds no picture" in capsys.readouterr().err
    assert not (tmp_path / "x.mp4").exists()


def test_pictures_that_are_gone_are_left_out(lively_run: LivelyRun, tmp_path: Path) -> None:
    bundle = export_bundle(str(lively_run("continuous"))).path
    nothing = Answer(Event.EXCEPTION, "", None, None, nan, nan)
    odd = record(2).answer._replace(observation=np.zeros((1, 84, 84), dtype=np.uint8))
    undecided = record(3).answer._replace(steering_angle=nan, speed=nan)
    path = log_of(
        tmp_path / "drives",
        record(0),
        record(1, answer=nothing),
        record(2, answer=odd),
        record(3, answer=undecided),
    )
    result = replay(read_drive(path), str(bundle))
    assert [r.number for r in result.records] == [1, 4]
    told = result.to_json()
    assert (told["frames"], told["unreadable"], told["compared"]) == (2, 2, 1)
    only_odd = log_of(tmp_path / "odd", record(2, answer=odd))
    with pytest.raises(ConfigError, match="holds no picture of the shape"):
        replay(read_drive(only_odd), str(bundle))


class Blind:
    """Answers a dark picture with no number."""

    def predict(self, observations: Any) -> Any:
        if (observations.max(axis=(1, 2, 3)) == 0).any():
            raise NotANumberError("broken")
        return np.zeros(len(observations), dtype=int)


def test_a_model_that_fails_on_one_picture_is_compared_on_the_others(
    lively_run: LivelyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lively_run("discrete")
    monkeypatch.setattr(drive_log_replay, "load_policy", lambda model: Blind())
    dark = record(1).answer._replace(observation=np.zeros((1, 120, 160), dtype=np.uint8))
    path = log_of(tmp_path / "drives", record(0), record(1, answer=dark), record(2))
    told = replay(read_drive(path), str(run)).to_json()
    assert (told["frames"], told["not_a_number"], told["compared"]) == (3, 1, 2)


def test_models_with_a_lidar_are_refused(lively_run: LivelyRun, tmp_path: Path) -> None:
    run = lively_run("discrete")
    file = run / "model" / "model_metadata.json"
    metadata = json.loads(file.read_text())
    file.write_text(json.dumps({**metadata, "sensor": ["FRONT_FACING_CAMERA", "LIDAR"]}))
    with pytest.raises(ConfigError, match="looks through a LIDAR too"):
        replay(read_drive(log_of(tmp_path / "drives", record(0))), str(run))


def test_long_pauses_are_cut_from_the_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames: list[Any] = []
    monkeypatch.setattr(
        drive_log_film, "write_film", lambda path, pictures, fps: frames.extend(pictures)
    )
    drive_log_film.film_drive(
        tmp_path / "x.mp4", read_drive(log_of(tmp_path, record(0), record(1), record(6001)))
    )
    assert len(frames) == round((0.1 + drive_log_film.LONGEST_PAUSE) * drive_log_film.FPS) + 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["show", "nowhere"], 1, "There is no drive log 'nowhere'"),
        (["video", "nowhere", "-o", "x.avi"], 2, "a film ends with .mp4 or .gif"),
        (["replay", "nowhere", "model"], 1, "There is no drive log"),
        (["replay", "nowhere"], 2, "Missing argument"),
        (["shwo"], 2, "No such command"),
    ],
)
def test_mistakes_are_explained(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["drive-log", *arguments]) == code
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())
