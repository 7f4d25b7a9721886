"""The drive loop, by a clock that the test sets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from math import nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_car import FULL, LEFT, PICTURE, RIGHT, SPACE, STOCK, Car, Clock, Scripted, Wheels

from deepracer_car.action_space import ContinuousActionSpace
from deepracer_car.actuation import NEUTRAL, ActuationSettings, Command, to_command
from deepracer_car.decision import Model
from deepracer_car.drive_loop import LAST_WORDS, DriveLoop, Limits
from deepracer_car.errors import ConfigError, NotANumberError
from deepracer_car.observation import OBSERVATION_SHAPE
from deepracer_car.safety import Event, Patience, State


@pytest.fixture
def car() -> Car:
    return Car()


def test_a_car_that_was_not_armed_stands_but_is_told_of(car: Car) -> None:
    decision = car.see()
    assert (decision.state, decision.event) == (State.DISARMED, Event.DECISION)
    assert (decision.answer.steering_angle, decision.answer.speed) == (0.5, 2.0)
    assert decision.command == car.wheels.last == NEUTRAL
    assert car.decisions == [decision]
    assert car.wheels.powers == []


def test_an_armed_car_does_what_is_decided(car: Car) -> None:
    car.drive()
    assert car.wheels.powers == [True]
    for index, action in enumerate((LEFT, RIGHT)):
        car.policy.answer = np.array([index])
        decision = car.see()
        expected = to_command(action.steering_angle, action.speed, FULL, STOCK)
        assert decision.command == car.wheels.last == expected
        assert decision.model == "scripted"
        assert decision.answer.observation is PICTURE


def test_the_newest_frame_wins(car: Car) -> None:
    frames = [np.full(OBSERVATION_SHAPE, k, dtype=np.uint8) for k in range(4)]
    for frame in frames:
        car.loop.see(frame)
    decision = car.loop.step()
    assert decision is not None
    assert decision.frame.picture is frames[-1]
    assert decision.frame.skipped == 3
    assert car.loop.step() is None, "no frame is decided on twice"
    assert car.loop.report().skipped == 3


def test_another_model_decides_from_the_next_frame_on(car: Car) -> None:
    car.drive()
    other = Scripted(car.clock)
    other.answer = np.array([[1.0, 1.0]])
    space = ContinuousActionSpace(-0.1, 0.1, 0.5, 1.0)
    car.loop.model = Model("other", other, space)
    decision = car.see()
    assert decision.model == "other"
    assert decision.command == Command(0.1, 1.0, 1.0, 1.0)


def test_the_throttle_grows_no_faster_than_allowed(car: Car) -> None:
    car.loop.settings = ActuationSettings(throttle_scale=1.0, throttle_slew=2.0)
    car.loop.arm()
    throttles = []
    for _ in range(8):
        throttles.append(car.see().command.throttle)
        car.wait(0.1)
    np.testing.assert_allclose(throttles, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0], atol=1e-9)


def test_the_end_is_told_several_times_and_is_for_ever(car: Car) -> None:
    car.drive()
    before = len(car.wheels.commands)
    car.loop.close()
    words = [command for _, command in car.wheels.commands[before:]]
    assert len(words) >= LAST_WORDS
    assert set(words) == {NEUTRAL}
    assert car.wheels.powers == [True, False]
    assert not car.loop.arm()
    car.loop.reset()
    assert car.see().command == NEUTRAL
    assert car.loop.state is State.ENDED


def test_the_report_counts_and_begins_anew(car: Car) -> None:
    car.drive()
    for seconds in (0.01, 0.02, 0.03):
        car.policy.seconds = seconds
        car.see()
    car.policy.answer = np.array([9])
    car.see()
    report = car.loop.report()
    assert (report.frames, report.faults, report.model) == (5, 1, "scripted")
    assert report.state is State.STOPPED
    assert "out of range" in report.reason
    assert report.last_fault.startswith("out of range")
    assert report.latency(0.5) == pytest.approx(0.02)
    assert report.latency(0.99) == pytest.approx(0.03)
    assert report.seconds == pytest.approx(0.09)
    assert report.frames_per_second == pytest.approx(5 / 0.09)
    assert car.loop.report().frames == 0


@pytest.mark.parametrize(
    "limits", [{"frame_age": 0.05}, {"inference_time": -1.0}, {"heartbeat_age": nan}]
)
def test_limits_that_cannot_be_kept_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(limits))):
        Limits(**limits)


answers = st.one_of(
    st.just(np.array([0])),
    st.just(np.array([1])),
    st.builds(lambda k: np.array([k]), st.integers(-3, 5)),
    st.just(NotANumberError("broken")),
    st.just(RuntimeError("broken")),
)
acts = st.one_of(
    st.sampled_from(["arm", "disarm", "emergency_stop", "reset", "beat"]),
    st.tuples(st.just("see"), answers, st.floats(0.0, 0.3)),
    st.tuples(st.just("wait"), st.floats(0.0, 2.0)),
    st.tuples(st.just("break"), st.booleans()),
)


@given(st.lists(acts, max_size=30), st.sampled_from([0.0, 0.5]))
def test_whatever_happens_a_car_that_must_stand_was_told_so(
    story: list[Any], heartbeat: float
) -> None:
    car = Car(heartbeat_age=heartbeat, patience=Patience(1.0, 5))
    for act in story:
        if isinstance(act, str):
            getattr(car.loop, act)()
        elif act[0] == "see":
            car.policy.answer, car.policy.seconds = act[1], act[2]
            car.see()
        elif act[0] == "wait":
            car.wait(act[1])
        else:
            car.wheels.breaks = act[1]
        if car.loop.state is not State.DRIVING and car.wheels.commands:
            assert car.wheels.last == NEUTRAL
    good = [d for d in car.decisions if d.event is Event.DECISION]
    for when, command in car.wheels.commands:
        assert max(abs(command.angle), abs(command.throttle)) <= 1.0
        if command.throttle:
            assert any(0.0 <= when - d.frame.received <= 0.2 for d in good)


def test_a_policy_that_hangs_hopelessly_is_no_longer_running(car: Car) -> None:
    assert not car.loop.is_running, "it was not started"
    car.loop.start()
    seen: list[bool] = []

    def hang(observations: Any) -> Any:
        for seconds in (0.0, 9.0, 2.0):
            car.clock.now += seconds
            seen.append(car.loop.is_running)
        return np.array([0])

    car.policy.predict = hang  # type: ignore[method-assign]
    try:
        car.loop.see(PICTURE)
        until(lambda: len(seen) == 3)
        assert seen == [True, True, False]
        until(lambda: car.loop.is_running)
    finally:
        car.loop.close()


def until(condition: Callable[[], bool], loop_patience: float = 20.0) -> None:
    """Wait until ``condition`` holds; far longer than it should take."""
    pause = threading.Event()
    for _ in range(round(loop_patience / 0.01)):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it never came to that")


class Stuck:
    """A policy that hangs until it is let go."""

    def __init__(self) -> None:
        self.hangs, self.asked = threading.Event(), threading.Event()

    def predict(self, observations: Any) -> Any:
        self.asked.set()
        self.hangs.wait(60.0)
        return np.array([0])


def test_by_threads_a_policy_that_hangs_does_not_keep_the_car_from_stopping() -> None:
    policy, wheels = Stuck(), Wheels(Clock())
    policy.hangs.set()
    loop = DriveLoop(Model("stuck", policy, SPACE), wheels, lambda p: p, settings=STOCK)
    loop.start()
    assert loop.is_running
    loop.arm()
    try:

        def drives() -> bool:
            loop.see(PICTURE)
            return loop.state is State.DRIVING

        until(drives)
        policy.hangs.clear()
        policy.asked.clear()
        until(lambda: loop.see(PICTURE) is None and policy.asked.is_set())
        until(lambda: loop.state is State.DISARMED)
        assert wheels.last == NEUTRAL
        assert wheels.powers == [True, False]
        loop.emergency_stop()
        assert loop.state is State.LATCHED, "it can still be told"
    finally:
        loop.close()
        policy.hangs.set()
    until(lambda: not loop.is_running)
    assert wheels.last == NEUTRAL
