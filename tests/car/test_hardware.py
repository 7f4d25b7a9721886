"""Stopping the car through files of the kernel, and the program that does it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepracer_car.calibration import Calibration
from deepracer_car.hardware import CONTROLLER, SWITCHES, cut_power, stand
from deepracer_car.ros import stop


def make(system: Path, *names: str) -> None:
    for name in names:
        (system / name).parent.mkdir(parents=True, exist_ok=True)
        (system / name).write_text("0")


def controller(system: Path, channels: int) -> Path:
    make(system, *(f"{CONTROLLER}/pwm{n}/duty_cycle" for n in (0, 1, 2)))
    (system / CONTROLLER / "npwm").write_text(f"{channels}\n")
    return system / CONTROLLER


@pytest.mark.parametrize("name", SWITCHES)
def test_the_switch_that_is_there_is_turned_off(tmp_path: Path, name: str) -> None:
    make(tmp_path, name)
    assert cut_power(tmp_path) == [f"{tmp_path / name}: off"]
    assert (tmp_path / name).read_text() == "1"
    assert list(tmp_path.rglob("value")) == [tmp_path / name]


def test_a_machine_without_a_switch_is_left_alone(tmp_path: Path) -> None:
    assert cut_power(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_the_pulses_are_those_of_a_car_that_stands(tmp_path: Path) -> None:
    chip = controller(tmp_path, 16)
    calibration = Calibration()
    assert len(stand(calibration, tmp_path)) == 2
    pulses = [int((chip / f"pwm{n}" / "duty_cycle").read_text()) for n in (0, 1, 2)]
    assert pulses == [calibration.motor.mid, calibration.servo.mid, 0]


def test_a_controller_that_is_none_of_a_cars_is_left_alone(tmp_path: Path) -> None:
    chip = controller(tmp_path, 2)
    assert stand(Calibration(), tmp_path) == []
    assert {file.read_text() for file in chip.glob("pwm*/duty_cycle")} == {"0"}


def test_the_program_stops_the_car_without_any_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stop, "_through_nodes", missing)
    make(tmp_path, SWITCHES[0])
    chip = controller(tmp_path, 17)
    file = tmp_path / "calibration.json"
    Calibration().trimmed(0.5).save(file)
    options = ["--system", str(tmp_path), "--calibration", str(file)]
    assert stop.main(options) == 0
    assert (tmp_path / SWITCHES[0]).read_text() == "1"
    mid = Calibration.load(file).servo.mid
    assert (chip / "pwm1" / "duty_cycle").read_text() == str(mid) != str(Calibration().servo.mid)
    assert capsys.readouterr().err == "The servo node is not told: no ROS here\n"


def test_without_patience_no_node_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stop, "_through_nodes", missing)
    make(tmp_path, SWITCHES[1])
    options = ["--system", str(tmp_path), "--calibration", str(tmp_path / "none")]
    assert stop.main([*options, "--timeout", "0"]) == 0
    told = capsys.readouterr()
    assert told.out == f"{tmp_path / SWITCHES[1]}: off\n"
    assert "The default calibration is used" in told.err
    assert "not told" not in told.err


def test_the_program_fails_where_there_is_nothing_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stop, "_through_nodes", missing)
    assert stop.main(["--system", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "error: Neither the kernel nor a servo node could be told" in told.err


def missing(*arguments: object) -> list[str]:
    raise ImportError("no ROS here")
