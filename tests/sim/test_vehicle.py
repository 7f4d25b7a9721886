"""The simulated car moves as a car of these dimensions does."""

from __future__ import annotations

from math import radians, tan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepracer_car.spec import CarSpec
from deepracer_sim.vehicle import (
    FORWARD_SPEED,
    STATE_SIZE,
    STEERING,
    YAW,
    YAW_RATE,
    Vehicle,
    X,
    Y,
)

SPEC = CarSpec()
angles = st.floats(-radians(30), radians(30))
speeds = st.floats(0.1, 4.0)


def drive(
    angle: float, speed: float, seconds: float, state: np.ndarray | None = None
) -> np.ndarray:
    state = np.zeros((1, STATE_SIZE)) if state is None else state.copy()
    vehicle = Vehicle()
    for _ in range(round(seconds * 15)):
        vehicle.step(state, np.array([[angle, speed]]))
    return state


@given(speeds)
def test_zero_steering_drives_straight(speed: float) -> None:
    state = drive(0.0, speed, 2.0)[0]
    assert state[X] > 0.1
    assert state[[Y, YAW, YAW_RATE]] == pytest.approx(0.0, abs=1e-12)


@given(angles, speeds)
def test_mirrored_steering_mirrors_the_path(angle: float, speed: float) -> None:
    left, right = drive(angle, speed, 1.0)[0], drive(-angle, speed, 1.0)[0]
    mirror = np.array([1.0, -1.0, -1.0, 1.0, -1.0, -1.0, -1.0])
    assert left * mirror == pytest.approx(right, abs=1e-9)


@given(st.floats(-3.0, 3.0), st.floats(-9.0, 9.0))
def test_limits_hold_whatever_is_commanded(angle: float, speed: float) -> None:
    state = drive(angle, speed, 3.0)[0]
    assert np.isfinite(state).all()
    assert abs(state[STEERING]) <= SPEC.max_steering_angle + 1e-9
    assert 0.0 <= state[FORWARD_SPEED] <= 100.0 * SPEC.wheel_radius + 1e-9


def test_commanded_speed_is_turned_into_wheel_speed() -> None:
    # Commands are divided by 0.035 m, but the wheel that rolls has 0.036 m.
    assert drive(0.0, 2.0, 5.0)[0, FORWARD_SPEED] == pytest.approx(2.0 * 36 / 35, rel=1e-3)
    assert drive(0.0, 4.0, 8.0)[0, FORWARD_SPEED] == pytest.approx(3.6, rel=1e-3)


@pytest.mark.parametrize("degrees", [10.0, 20.0, 30.0])
def test_slow_cars_follow_the_kinematic_circle(degrees: float) -> None:
    state = drive(radians(degrees), 0.35, 3.0)[0]
    curvature = state[YAW_RATE] / state[FORWARD_SPEED]
    assert curvature == pytest.approx(tan(radians(degrees)) / SPEC.wheelbase, rel=0.02)


def test_fast_cars_slide_within_the_grip_of_their_tyres() -> None:
    state = drive(radians(30), 3.0, 3.0)[0]
    speed = np.hypot(state[FORWARD_SPEED], state[4])
    sideways = speed * abs(state[YAW_RATE])
    assert sideways <= SPEC.friction * 9.81 * 1.05
    # At 3 m/s the kinematic circle of 0.28 m would need 30 m/s2.
    assert abs(state[YAW_RATE]) < 0.4 * speed * tan(radians(30)) / SPEC.wheelbase


def test_actuators_lag() -> None:
    one_step = drive(radians(30), 2.0, 1 / 15)[0]
    assert 0.4 * radians(30) < one_step[STEERING] < 0.95 * radians(30)
    assert 0.05 < one_step[FORWARD_SPEED] < 1.0


def test_cars_do_not_influence_one_another() -> None:
    rng = np.random.default_rng(1)
    commands = np.stack([rng.uniform(-0.5, 0.5, 8), rng.uniform(0.1, 4.0, 8)], axis=1)
    together = np.zeros((8, STATE_SIZE))
    alone = [np.zeros((1, STATE_SIZE)) for _ in range(8)]
    vehicle = Vehicle()
    for _ in range(30):
        vehicle.step(together, commands)
        for k, state in enumerate(alone):
            vehicle.step(state, commands[k : k + 1])
    assert np.array_equal(together, np.concatenate(alone))
