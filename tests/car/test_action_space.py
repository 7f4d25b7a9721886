"""Action spaces: from files and granularities, to commands and back."""

from __future__ import annotations

import json
from math import degrees, radians

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deepracer_car.action_space import (
    Action,
    ContinuousActionSpace,
    DiscreteActionSpace,
    action_space_from_metadata,
)
from deepracer_car.errors import ConfigError

angles = st.integers(-3000, 3000).map(lambda n: n / 100)
speeds = st.integers(10, 400).map(lambda n: n / 100)
discrete = st.lists(st.builds(Action, angles.map(radians), speeds), min_size=2, max_size=30).map(
    lambda actions: DiscreteActionSpace(tuple(actions))
)


@st.composite
def continuous(draw: st.DrawFn) -> ContinuousActionSpace:
    left = draw(st.integers(0, 300)) / 10
    right = draw(st.integers(-300, 0)) / 10
    slow, fast = sorted((draw(speeds), draw(speeds)))
    assume(right < left and slow < fast)
    return ContinuousActionSpace(radians(right), radians(left), slow, fast)


@given(discrete)
def test_every_discrete_action_survives_encode_and_decode(space: DiscreteActionSpace) -> None:
    commands = space.decode(np.arange(len(space.actions)))
    assert commands.dtype == np.float64
    assert commands.shape == (len(space.actions), 2)
    np.testing.assert_array_equal(space.decode(space.encode(commands)), commands)
    assert [tuple(row) for row in commands] == [(a.steering_angle, a.speed) for a in space.actions]


@given(continuous(), st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1))
def test_continuous_answers_survive_decode_and_encode(
    space: ContinuousActionSpace, answers: list[tuple[float, float]]
) -> None:
    raw = np.array(answers)
    commands = space.decode(raw)
    assert np.all(commands >= (space.steering_low - 1e-12, space.speed_low - 1e-12))
    assert np.all(commands <= (space.steering_high + 1e-12, space.speed_high + 1e-12))
    np.testing.assert_allclose(space.encode(commands), raw, atol=1e-10)


@given(st.one_of(discrete, continuous()))
def test_the_file_form_is_read_back_equal(
    space: DiscreteActionSpace | ContinuousActionSpace,
) -> None:
    text = json.dumps(space.to_metadata())
    again = action_space_from_metadata(json.loads(text))
    assert again == space
    assert json.dumps(again.to_metadata()) == text


def test_continuous_answers_are_clipped_then_mapped_linearly() -> None:
    space = ContinuousActionSpace(radians(-20), radians(30), 1.0, 3.0)
    raw = np.array([[-1, -1], [1, 1], [0, 0], [-7, 9]], dtype=np.float32)
    expected = [[radians(-20), 1], [radians(30), 3], [radians(5), 2], [radians(-20), 3]]
    np.testing.assert_allclose(space.decode(raw), expected, atol=1e-12)


def test_granularity_counts_speeds_inside_each_angle_from_the_right() -> None:
    space = DiscreteActionSpace.from_granularity(30, 3, 1.5, 3)
    listed = [(round(degrees(a.steering_angle), 9), round(a.speed, 9)) for a in space.actions]
    assert listed == [(angle, v) for angle in (-30, 0, 30) for v in (0.5, 1.0, 1.5)]


def test_granularity_can_stand_in_the_file() -> None:
    asked = {
        "max_steering_angle": 20,
        "steering_granularity": 5,
        "max_speed": 1.2,
        "speed_granularity": 2,
    }
    made = DiscreteActionSpace.from_granularity(20, 5, 1.2, 2)
    assert action_space_from_metadata(asked) == made
    assert action_space_from_metadata(made.to_metadata()) == made
    del asked["max_speed"]
    with pytest.raises(ConfigError, match="'max_speed' is missing"):
        action_space_from_metadata(asked)


@pytest.mark.parametrize("angle_count", [3, 5, 7])
@pytest.mark.parametrize("speed_count", [1, 2, 3])
def test_granularity_is_symmetric_and_goes_straight_exactly(
    angle_count: int, speed_count: int
) -> None:
    space = DiscreteActionSpace.from_granularity(25, angle_count, 4, speed_count)
    assert len(space.actions) == angle_count * speed_count
    steering = [a.steering_angle for a in space.actions]
    assert 0.0 in steering
    assert steering == sorted(steering)
    assert steering == [-a for a in reversed(steering)]
    assert max(a.speed for a in space.actions) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((31, 3, 1, 1), "31 degrees given, 1 to 30"),
        ((30, 4, 1, 1), "steering_granularity: 4 given, one of 3, 5, 7"),
        ((30, 5, 4.1, 1), "max_speed: 4.1 m/s given, 0.1 to 4"),
        ((30, 5, 1, 4), "speed_granularity: 4 given, one of 1, 2, 3"),
        ((30, 5, 0.2, 3), "slowest speed: 0.0666667 m/s given"),
        (("wide", 5, 1, 1), "'wide' given, a number"),
    ],
)
def test_granularity_out_of_range_is_refused(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DiscreteActionSpace.from_granularity(*arguments)


GOOD = {"steering_angle": 10, "speed": 1.0}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "None given; a list of actions"),
        ([GOOD], "1 action given, 2 to 30"),
        ([GOOD] * 31, "31 actions given"),
        ([GOOD, {"steering_angle": 31, "speed": 1}], r"action_space\[1\]: .*31 degrees given"),
        ([GOOD, {"steering_angle": 3, "speed": 0}], r"\[1\]: speed: 0 m/s given"),
        ([GOOD, {"steering_angle": 3}], "'speed' is missing"),
        ([GOOD, {"steering_angle": 3, "sped": 1}], "Did you mean 'speed'"),
        ([GOOD, {"steering_angle": 3, "speed": "1"}], "'1' given, a number"),
        ([GOOD, {"steering_angle": 3, "speed": True}], "True given, a number"),
        ([GOOD, {"steering_angle": float("nan"), "speed": 1}], "nan given, a number"),
        ([GOOD, {"steering_angle": 10**400, "speed": 1}], "given, a number"),
        ([GOOD, 5], "5 given, an object"),
        ({"steering_angle": {"low": -30, "high": 30}}, "'speed' is missing"),
        ({"steering_angle": {"low": -30, "high": 30}, "speed": 1}, "1 given, an object with low"),
        (
            {"steering_angle": {"low": 5, "high": 30}, "speed": {"low": 1, "high": 2}},
            "low: 5 degrees given, -30 to 0",
        ),
        (
            {"steering_angle": {"low": 0, "high": 0}, "speed": {"low": 1, "high": 2}},
            "low must be less than high",
        ),
        (
            {"steering_angle": {"low": -9, "high": 9}, "speed": {"low": 2, "high": 2}},
            "low must be less than high",
        ),
        (
            {"steering_angle": {"low": -9, "high": 9}, "speed": {"low": 2, "hihg": 2}},
            "Did you mean 'high'",
        ),
    ],
)
def test_unusable_file_forms_are_refused(value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        action_space_from_metadata(value)


def test_positions_outside_the_list_are_refused() -> None:
    space = DiscreteActionSpace.from_granularity(30, 3, 1, 1)
    for position in (-1, 3):
        with pytest.raises(IndexError):
            space.decode(np.array([position]))


def test_the_same_action_twice_keeps_both_positions() -> None:
    space = action_space_from_metadata([GOOD, GOOD])
    assert isinstance(space, DiscreteActionSpace)
    assert len(space.actions) == 2


def test_encode_names_the_nearest_action() -> None:
    space = DiscreteActionSpace.from_granularity(30, 3, 4, 2)
    nearest = space.encode(np.array([[radians(28), 2.2], [radians(-3), 3.9]]))
    np.testing.assert_array_equal(nearest, [4, 3])
