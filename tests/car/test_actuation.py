"""Commands as the unmodified car makes them, within our limits and never beyond the servo's."""

from __future__ import annotations

import math
from math import inf, nan, radians

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepracer_car.action_space import Action, ContinuousActionSpace, DiscreteActionSpace
from deepracer_car.actuation import (
    NEUTRAL,
    ActuationSettings,
    Actuators,
    Command,
    FullScale,
    is_in_range,
    slewed,
    throttle_curve,
    to_command,
)
from deepracer_car.errors import ConfigError

STOCK = ActuationSettings(throttle_scale=1.0)
FULL = FullScale(radians(30.0), 3.0)

anything = st.floats()
shares = st.floats(-1.0, 1.0)
settings = st.builds(
    ActuationSettings,
    throttle_scale=st.floats(0.0, 1.0),
    max_speed=st.floats(0.0, 10.0),
    steering_trim=shares,
    throttle_slew=st.floats(0.0, 100.0),
    steering_slew=st.floats(0.0, 100.0),
)


@pytest.mark.parametrize(
    ("share", "throttle"),
    [
        (0.0, 0.0),
        (0.25, 0.475),
        (0.5, 0.8),
        (0.75, 0.975),
        (1.0, 1.0),
        (-0.25, -0.625),
        (-0.5, -1.0),
        (-1.0, -1.0),
    ],
)
def test_the_throttle_curve_of_the_stock_car(share: float, throttle: float) -> None:
    assert throttle_curve(share) == pytest.approx(throttle)
    command = to_command(0.0, share * FULL.speed, FULL, STOCK)
    assert command.throttle == pytest.approx(throttle)
    half = to_command(0.0, share * FULL.speed, FULL, ActuationSettings(throttle_scale=0.5))
    assert half.throttle == pytest.approx(0.5 * throttle)


@pytest.mark.parametrize(("degrees", "angle"), [(30, 1.0), (15, 0.5), (0, 0.0), (-30, -1.0)])
def test_steering_is_a_share_of_the_largest(degrees: float, angle: float) -> None:
    assert to_command(radians(degrees), 1.0, FULL, STOCK).angle == pytest.approx(angle)


def test_the_full_scale_is_what_the_model_can_choose() -> None:
    actions = DiscreteActionSpace((Action(-0.2, 0.5), Action(0.1, 2.0)))
    assert FullScale.of(actions) == (0.2, 2.0)
    # The unmodified car divides by the high end; what exceeds 1 then, its servo ignores.
    assert FullScale.of(ContinuousActionSpace(-0.3, 0.1, 0.5, 2.5)) == (0.3, 2.5)
    straight = DiscreteActionSpace((Action(0.0, 1.0), Action(0.0, 2.0)))
    assert to_command(0.0, 1.0, FullScale.of(straight), STOCK).angle == 0.0


def test_without_settings_the_car_steers_and_stands() -> None:
    command = to_command(0.2, 3.0, FULL, ActuationSettings())
    assert command.throttle == 0.0
    assert command.angle > 0.0
    assert (command.steering_angle, command.speed) == (0.2, 3.0)


def test_a_speed_cap_counts_before_the_curve() -> None:
    capped = to_command(0.0, 3.0, FULL, ActuationSettings(throttle_scale=1.0, max_speed=1.5))
    assert capped == to_command(0.0, 1.5, FULL, STOCK)
    assert capped.speed == 1.5


def test_the_trim_shifts_the_middle() -> None:
    trimmed = ActuationSettings(steering_trim=0.1)
    assert to_command(0.0, 1.0, FULL, trimmed).angle == pytest.approx(0.1)
    assert to_command(FULL.steering_angle, 1.0, FULL, trimmed).angle == 1.0


@given(anything, anything, settings, shares, shares, st.floats(0.0, 1e6))
def test_no_command_leaves_the_servos_range(
    steering_angle: float,
    speed: float,
    settings: ActuationSettings,
    angle: float,
    throttle: float,
    seconds: float,
) -> None:
    wanted = to_command(steering_angle, speed, FULL, settings)
    sent = slewed(wanted, Command(0.0, 0.0, angle, throttle), seconds, settings)
    for command in (wanted, sent, sent.bounded()):
        assert all(map(math.isfinite, command))
        assert abs(command.angle) <= 1.0
        assert abs(command.throttle) <= 1.0
    assert abs(sent.throttle) <= abs(wanted.throttle)


@given(anything, anything, anything, anything)
def test_bounded_is_bounded(a: float, b: float, c: float, d: float) -> None:
    command = Command(a, b, c, d).bounded()
    assert all(map(math.isfinite, command))
    assert max(abs(command.angle), abs(command.throttle)) <= 1.0
    assert command.bounded() == command


def test_the_throttle_grows_slowly_and_falls_at_once() -> None:
    slow = ActuationSettings(throttle_scale=1.0, throttle_slew=2.0)
    full = Command(throttle=1.0)
    assert slewed(full, NEUTRAL, 0.1, slow).throttle == pytest.approx(0.2)
    assert slewed(full, Command(throttle=0.5), 0.1, slow).throttle == pytest.approx(0.7)
    assert slewed(Command(throttle=0.1), full, 0.1, slow).throttle == 0.1
    assert slewed(NEUTRAL, full, 0.0, slow).throttle == 0.0
    # From forwards to backwards it goes by way of a standstill.
    assert slewed(Command(throttle=-1.0), full, 0.1, slow).throttle == pytest.approx(-0.2)


def test_the_steering_turns_slowly_both_ways() -> None:
    slow = ActuationSettings(steering_slew=2.0)
    left = Command(angle=1.0)
    assert slewed(left, NEUTRAL, 0.1, slow).angle == pytest.approx(0.2)
    assert slewed(NEUTRAL, left, 0.1, slow).angle == pytest.approx(0.8)
    assert slewed(left, NEUTRAL, 10.0, slow).angle == 1.0


@pytest.mark.parametrize(
    ("angle", "speed", "fine"),
    [
        (radians(30.0), 3.0, True),
        (radians(-30.0), -3.0, True),
        (radians(30.1), 1.0, False),
        (0.0, 3.01, False),
        (0.0, inf, False),
        (nan, 1.0, False),
    ],
)
def test_what_the_action_space_cannot_mean(angle: float, speed: float, fine: bool) -> None:
    assert is_in_range(angle, speed, FULL) is fine


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("throttle_scale", 1.01),
        ("throttle_scale", -0.1),
        ("max_speed", -1.0),
        ("max_speed", nan),
        ("steering_trim", 1.5),
        ("throttle_slew", -1.0),
        ("steering_slew", inf),
    ],
)
def test_settings_that_make_no_sense_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: .* given, .* is allowed"):
        ActuationSettings(**{name: value})


class Wheel:
    def __init__(self, *, broken: bool = False) -> None:
        self.broken, self.told = broken, []

    def apply(self, command: Command) -> None:
        self.told.append(command)
        if self.broken:
            raise RuntimeError("came off")

    def power(self, on: bool) -> None:
        self.apply(on)


def test_each_of_several_is_told_even_if_one_fails() -> None:
    wheels = [Wheel(), Wheel(broken=True), Wheel()]
    together = Actuators(*wheels)
    with pytest.raises(RuntimeError, match="came off"):
        together.apply(NEUTRAL)
    with pytest.raises(RuntimeError, match="came off"):
        together.power(False)
    assert [wheel.told for wheel in wheels] == [[NEUTRAL, False]] * 3
