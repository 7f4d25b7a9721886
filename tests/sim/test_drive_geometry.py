"""Commands of the joints."""

from __future__ import annotations

from math import cos, hypot, sin, tan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepracer_car.spec import CarSpec
from deepracer_sim.drive_geometry import GEOMETRIES, joint_commands

SPEC = CarSpec()
ANGLES = st.floats(-SPEC.max_steering_angle, SPEC.max_steering_angle)
SPEEDS = st.floats(0.1, 2.0)


def test_legacy_is_the_originals_way() -> None:
    commands = joint_commands(0.3, 1.75)
    assert commands.hinges == (0.3, 0.3)
    assert commands.wheels == pytest.approx((50.0,) * 4)


@given(ANGLES, SPEEDS)
def test_ackermann_wheels_roll_around_one_point(angle: float, speed: float) -> None:
    commands = joint_commands(angle, speed, "ackermann")
    turn = speed * tan(angle) / SPEC.wheelbase
    for (x, y), direction, wheel in zip(
        SPEC.wheel_centers, (*commands.hinges, 0.0, 0.0), commands.wheels, strict=True
    ):
        along, across = speed - turn * y, turn * (x - SPEC.rear_axle_x)
        assert along * sin(direction) - across * cos(direction) == pytest.approx(0.0, abs=1e-9)
        assert wheel * SPEC.command_wheel_radius == pytest.approx(hypot(along, across))


@given(ANGLES, SPEEDS, st.sampled_from(GEOMETRIES))
def test_left_mirrors_right(angle: float, speed: float, geometry: str) -> None:
    one, other = joint_commands(angle, speed, geometry), joint_commands(-angle, speed, geometry)
    assert one.hinges == pytest.approx((-other.hinges[1], -other.hinges[0]))
    front_left, front_right, rear_left, rear_right = one.wheels
    # Front and rear wheels stand at slightly different distances from the middle.
    assert other.wheels == pytest.approx((front_right, front_left, rear_right, rear_left))


@given(st.floats(-9.0, 9.0), st.floats(-9.0, 9.0), st.sampled_from(GEOMETRIES))
def test_commands_stay_within_the_cars_limits(angle: float, speed: float, geometry: str) -> None:
    commands = joint_commands(angle, speed, geometry)
    assert all(0.0 <= wheel <= SPEC.max_wheel_speed for wheel in commands.wheels)
    assert all(abs(hinge) < 1.0 for hinge in commands.hinges)
    if geometry == "legacy":
        assert all(abs(hinge) <= SPEC.max_steering_angle for hinge in commands.hinges)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_straight_ahead_all_wheels_go_alike(geometry: str) -> None:
    commands = joint_commands(0.0, 0.7, geometry)
    assert commands.hinges == (0.0, 0.0)
    assert commands.wheels == pytest.approx((20.0,) * 4)
