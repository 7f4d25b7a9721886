"""The drive loop against everything that can go wrong, by a clock that the test sets."""

from __future__ import annotations

from itertools import pairwise
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from scripted_car import PICTURE, Car

from deepracer_car.action_space import ContinuousActionSpace
from deepracer_car.actuation import NEUTRAL
from deepracer_car.drive_loop import WATCH_PERIOD
from deepracer_car.errors import ConfigError, NotANumberError
from deepracer_car.safety import Event, State


@pytest.fixture
def car() -> Car:
    return Car()


@pytest.mark.parametrize(
    ("fault", "event"),
    [
        (np.array([2]), Event.OUT_OF_RANGE),
        (np.array([-1]), Event.OUT_OF_RANGE),
        (NotANumberError("the network is broken"), Event.NOT_A_NUMBER),
        (RuntimeError("out of memory"), Event.EXCEPTION),
        (None, Event.EXCEPTION),
        (np.array([0, 1]), Event.EXCEPTION),
    ],
    ids=repr,
)
def test_a_bad_answer_stops_the_car_and_a_good_one_goes_on(
    car: Car, fault: Any, event: Event
) -> None:
    car.drive()
    car.policy.answer = fault
    decision = car.see()
    assert (decision.event, decision.state) == (event, State.STOPPED)
    assert decision.command == car.wheels.last == NEUTRAL
    assert car.loop.reason.startswith(event.value)
    car.policy.answer = np.array([0])
    assert car.see().state is State.DRIVING


@pytest.mark.parametrize(
    ("answer", "event"),
    [
        ((nan, 0.0), Event.NOT_A_NUMBER),
        ((0.0, inf), Event.DECISION),
        ((nan, nan), Event.NOT_A_NUMBER),
        ((7.0, -7.0), Event.DECISION),
    ],
)
def test_continuous_answers(answer: tuple[float, float], event: Event) -> None:
    car = Car(ContinuousActionSpace(-0.5, 0.5, 1.0, 2.0))
    car.policy.answer = np.zeros((1, 2))
    car.drive()
    car.policy.answer = np.array([answer])
    decision = car.see()
    assert decision.event is event
    assert max(abs(decision.command.angle), abs(decision.command.throttle)) <= 1.0
    assert (decision.command == NEUTRAL) is (event is not Event.DECISION)


class Reckless:
    """An action space whose decisions it cannot mean."""

    steering_low, steering_high, speed_low, speed_high = -0.5, 0.5, 0.1, 2.0

    def __init__(self, command: tuple[float, float]) -> None:
        self.command = command

    def decode(self, raw: Any) -> Any:
        return np.array([self.command])


@pytest.mark.parametrize("command", [(0.6, 1.0), (0.0, 2.1), (-9.0, 1.0), (0.0, -inf)])
def test_what_the_action_space_cannot_mean_stops_the_car(command: tuple[float, float]) -> None:
    car = Car(Reckless(command))
    car.loop.arm()
    expected = Event.NOT_A_NUMBER if command[1] == -inf else Event.OUT_OF_RANGE
    assert car.see().event is expected
    assert car.wheels.last == NEUTRAL


def test_garbage_from_the_camera_stops_the_car(car: Car) -> None:
    car.drive()
    decision = car.see(ConfigError("no picture"))
    assert (decision.event, decision.state) == (Event.EXCEPTION, State.STOPPED)
    assert car.loop.reason == "exception: ConfigError: no picture"
    assert decision.answer.observation is None
    assert car.see().state is State.DRIVING


def test_a_dead_camera_stops_the_car_in_time_and_it_is_told_again(car: Car) -> None:
    car.drive()
    last = car.clock.now
    car.wait(0.9)
    stops = [when - last for when, command in car.wheels.commands if when > last]
    assert {command for when, command in car.wheels.commands if when > last} == {NEUTRAL}
    assert stops[0] <= 0.2
    assert car.loop.state is State.STOPPED
    assert max(b - a for a, b in pairwise(stops)) <= 0.1, "at least 10 Hz"
    assert car.wheels.powers == [True]
    car.wait(0.4)
    assert car.loop.state is State.DISARMED
    assert car.wheels.powers == [True, False]
    assert "persistent fault: stale frame" in car.loop.reason
    assert car.see().state is State.DISARMED, "a picture alone does not start it again"
    assert car.loop.arm()
    assert car.wheels.powers == [True, False, True]
    assert car.see().state is State.DRIVING


def test_a_gap_of_the_camera_is_survived(car: Car) -> None:
    car.drive()
    car.wait(0.5)
    assert car.loop.state is State.STOPPED
    assert car.see().state is State.DRIVING


def test_old_pictures_do_not_count(car: Car) -> None:
    car.drive()
    car.loop.see(PICTURE, age=0.3)
    decision = car.loop.step()
    assert decision is not None
    assert (decision.event, decision.state) == (Event.STALE_FRAME, State.STOPPED)
    assert car.wheels.last == NEUTRAL


def test_armed_without_a_camera_it_is_disarmed(car: Car) -> None:
    car.loop.arm()
    car.wait(0.1)
    assert car.loop.state is State.ARMED
    car.wait(1.3)
    assert car.loop.state is State.DISARMED


def test_a_slow_answer_is_not_driven_by(car: Car) -> None:
    car.drive()
    car.policy.seconds = 0.16
    decision = car.see()
    assert (decision.event, decision.command) == (Event.SLOW_INFERENCE, NEUTRAL)


def test_while_the_policy_hangs_the_watchdog_stops_the_car() -> None:
    car = Car(frame_age=10.0)
    car.drive()

    def hang(observations: Any) -> Any:
        car.wait(0.14)
        assert car.loop.state is State.DRIVING
        car.wait(0.04)
        assert car.loop.state is State.STOPPED
        assert car.wheels.last == NEUTRAL
        assert "slow inference: no answer for" in car.loop.reason
        car.wait(1.2)
        assert car.loop.state is State.DISARMED
        assert car.wheels.powers[-1] is False
        return np.array([0])

    car.policy.predict = hang  # type: ignore[method-assign]
    assert car.see().command == NEUTRAL


def test_a_stop_in_the_middle_of_a_decision_is_not_overtaken(car: Car) -> None:
    car.drive()

    def stop(observations: Any) -> Any:
        car.loop.emergency_stop()
        return np.array([0])

    car.policy.predict = stop  # type: ignore[method-assign]
    assert car.see().command == NEUTRAL
    assert car.loop.state is State.LATCHED


def test_an_emergency_stop_latches_until_reset_and_armed(car: Car) -> None:
    car.drive()
    car.loop.emergency_stop()
    assert car.wheels.last == NEUTRAL
    assert car.wheels.powers == [True, False]
    assert not car.loop.arm()
    assert car.see().command == NEUTRAL
    car.loop.reset()
    assert car.loop.state is State.DISARMED
    assert car.see().command == NEUTRAL
    assert car.wheels.powers == [True, False]
    car.drive()
    assert car.wheels.powers == [True, False, True]


def test_power_is_cut_by_an_emergency_stop_of_a_car_that_was_never_armed(car: Car) -> None:
    car.loop.emergency_stop()
    assert car.wheels.powers == [False]


def test_disarming_stops_and_keeps_the_power(car: Car) -> None:
    car.drive()
    car.loop.disarm()
    assert car.wheels.last == NEUTRAL
    assert car.wheels.powers == [True]
    assert car.see().command == NEUTRAL


def test_a_car_with_a_heartbeat_needs_it() -> None:
    car = Car(heartbeat_age=0.5)
    car.loop.arm()
    assert car.see().event is Event.LOST_HEARTBEAT
    assert "none came yet" in car.loop.reason
    car.loop.beat()
    car.see()
    assert car.loop.state is State.DRIVING
    for _ in range(24):
        car.wait(WATCH_PERIOD)
        car.see()
    assert car.loop.state is State.DRIVING
    for _ in range(4):
        car.wait(WATCH_PERIOD)
        car.see()
    assert car.loop.state is State.STOPPED
    assert car.wheels.last == NEUTRAL
    assert car.loop.reason.startswith("lost heartbeat: none for")


def test_wheels_that_cannot_be_reached_are_a_fault(car: Car) -> None:
    car.drive()
    car.wheels.breaks = True
    decision = car.see()
    assert decision.state is State.STOPPED
    assert decision.command == car.wheels.last == NEUTRAL, "it is tried all the same"
    assert "OSError: no such device" in car.loop.reason
    for _ in range(10):
        car.see()
    assert car.loop.state is State.DISARMED
    assert car.wheels.powers == [True, False]
    car.wheels.breaks = False
    assert car.loop.arm()
    assert car.see().state is State.DRIVING


def test_a_listener_that_fails_stops_the_car(car: Car) -> None:
    car.drive()
    car.loop._told = lambda decision: 1 / 0  # type: ignore[assignment,misc]
    car.see()
    assert car.loop.state is State.STOPPED
    assert car.wheels.last == NEUTRAL
    assert "ZeroDivisionError" in car.loop.reason


def test_a_world_that_waits_is_not_hurried() -> None:
    car = Car(frame_age=0.0, inference_time=0.0)
    car.loop.arm()
    car.policy.seconds = 5.0
    assert car.see().state is State.DRIVING
    told = len(car.wheels.commands)
    car.wait(3.0)
    assert car.loop.state is State.DRIVING
    car.loop.disarm()
    car.wait(3.0)
    assert len(car.wheels.commands) == told + 1, "each command is a step of such a world"
