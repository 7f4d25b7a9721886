"""The car's own calibration file, and the pulses its servo node makes."""

from __future__ import annotations

import json
from math import inf, nan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepracer_car.calibration import PERIOD, Calibration, Channel
from deepracer_car.errors import ConfigError

DEFAULT = Calibration()


@st.composite
def channels(draw: st.DrawFn) -> Channel:
    pulses = draw(st.lists(st.integers(1, PERIOD - 1), min_size=3, max_size=3, unique=True))
    low, mid, high = sorted(pulses)
    return Channel(high, mid, low, draw(st.sampled_from([-1, 1])))


@pytest.mark.parametrize(
    ("angle", "pulse"),
    [(1.0, 1_700_000), (0.5, 1_575_000), (0.0, 1_450_000), (-1.0, 1_200_000)],
)
def test_pulses_of_the_steering(angle: float, pulse: int) -> None:
    assert DEFAULT.servo.pulse(angle) == pulse


@pytest.mark.parametrize(
    ("throttle", "pulse"),
    [(1.0, 1_311_000), (0.5, 1_378_500), (0.0, 1_446_000), (-1.0, 1_603_500)],
)
def test_pulses_of_the_motor_get_shorter_ahead(throttle: float, pulse: int) -> None:
    assert DEFAULT.motor.pulse(throttle) == pulse


@pytest.mark.parametrize("value", [1.0001, -1.0001, inf, -inf])
def test_what_is_out_of_range_is_ignored_by_the_car(value: float) -> None:
    assert DEFAULT.servo.pulse(value) is None


def test_what_is_no_number_means_the_middle() -> None:
    assert DEFAULT.motor.pulse(nan) == DEFAULT.motor.mid


@given(channels(), st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_more_is_more_and_stays_within(channel: Channel, one: float, other: float) -> None:
    low, high = channel.pulse(min(one, other)), channel.pulse(max(one, other))
    assert low is not None
    assert high is not None
    assert channel.min <= low <= channel.max
    assert (high - low) * channel.polarity >= 0


@given(channels(), channels())
def test_a_written_file_is_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, servo: Channel, motor: Channel
) -> None:
    file = tmp_path_factory.mktemp("car") / "calibration.json"
    calibration = Calibration(servo, motor)
    calibration.save(file)
    assert Calibration.load(file) == calibration
    assert list(file.parent.iterdir()) == [file]


def test_the_file_has_the_form_of_the_car(tmp_path: Path) -> None:
    file = tmp_path / "calibration.json"
    DEFAULT.save(file)
    assert json.loads(file.read_text()) == {
        "Calibration": {
            "Motor": {"max": 1603500, "mid": 1446000, "min": 1311000, "polarity": -1},
            "Servo": {"max": 1700000, "mid": 1450000, "min": 1200000, "polarity": 1},
        },
        "version": 1,
    }


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "calibration.json"
    DEFAULT.save(file)
    monkeypatch.setattr("os.fsync", lambda number: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        DEFAULT.trimmed(0.1).save(file)
    assert Calibration.load(file) == DEFAULT


def test_a_trim_becomes_the_middle() -> None:
    trimmed = DEFAULT.trimmed(0.1)
    assert trimmed.servo.pulse(0.0) == DEFAULT.servo.pulse(0.1)
    assert (trimmed.servo.max, trimmed.motor) == (DEFAULT.servo.max, DEFAULT.motor)
    for trim in (1.1, 1.0, -1.0):
        with pytest.raises(ConfigError):
            DEFAULT.trimmed(trim)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not valid JSON"),
        ("[]", "is allowed"),
        ('{"Calibration": {"Motor": {}}}', "is allowed"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_calibration_is_refused(
    tmp_path: Path, text: str | None, reason: str
) -> None:
    file = tmp_path / "calibration.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=reason):
        Calibration.load(file)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mid": 1_800_000}, "must grow"),
        ({"max": PERIOD}, "must grow"),
        ({"polarity": 2}, "1 or -1"),
        ({"min": 1.5}, "whole number"),
        ({"min": True}, "whole number"),
    ],
)
def test_pulses_that_make_no_sense_are_refused(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    file = tmp_path / "calibration.json"
    DEFAULT.save(file)
    content = json.loads(file.read_text())
    content["Calibration"]["Servo"].update(change)
    file.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=reason):
        Calibration.load(file)
