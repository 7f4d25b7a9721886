"""The drive loop against everything that can go wrong, by a clock that the test sets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepracer_car.action_space import Action, ContinuousActionSpace, DiscreteActionSpace
from deepracer_car.actuation import NEUTRAL, ActuationSettings, Command, FullScale, to_command
from deepracer_car.decision import Decision, Model
from deepracer_car.drive_loop import LAST_WORDS, WATCH_PERIOD, DriveLoop, Limits
from deepracer_car.errors import ConfigError, NotANumberError
from deepracer_car.observation import OBSERVATION_SHAPE
from deepracer_car.safety import Event, Patience, State

LEFT, RIGHT = Action(0.5, 2.0), Action(-0.25, 1.0)
SPACE = DiscreteActionSpace((LEFT, RIGHT))
FULL = FullScale.of(SPACE)
STOCK = ActuationSettings(throttle_scale=1.0)
PICTURE = np.zeros(OBSERVATION_SHAPE, dtype=np.uint8)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Wheels:
    """An actuator that remembers what it was told, and when."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.commands: list[tuple[float, Command]] = []
        self.powers: list[bool] = []
        self.breaks = False

    def apply(self, command: Command) -> None:
        self.commands.append((self.clock.now, command))
        if self.breaks:
            raise OSError("no such device")

    def power(self, on: bool) -> None:
        self.powers.append(on)
        if self.breaks:
            raise OSError("no such device")

    @property
    def last(self) -> Command:
        return self.commands[-1][1]


class Scripted:
    """A policy that answers what it is told to, after a while."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.answer: Any = np.array([0])
        self.seconds = 0.0

    def predict(self, observations: Any) -> Any:
        assert observations.shape == (1, *OBSERVATION_SHAPE)
        self.clock.now += self.seconds
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Car:
    """A loop with everything around it scripted."""

    def __init__(self, space: Any = SPACE, **limits: Any) -> None:
        self.clock = Clock()
        self.wheels = Wheels(self.clock)
        self.policy = Scripted(self.clock)
        self.decisions: list[Decision] = []
        self.loop = DriveLoop(
            Model("scripted", self.policy, space),
            self.wheels,
            self.read,
            settings=STOCK,
            limits=Limits(**limits),
            clock=self.clock,
            told=self.decisions.append,
        )

    def read(self, picture: Any) -> Any:
        if isinstance(picture, Exception):
            raise picture
        return picture

    def see(self, picture: Any = PICTURE) -> Decision:
        """Show a picture and decide on it."""
        self.loop.see(picture)
        decision = self.loop.step()
        assert decision is not None
        return decision

    def drive(self) -> Car:
        """Arm it and give it one good picture."""
        assert self.loop.arm()
        assert self.see().state is State.DRIVING
        assert self.wheels.last.throttle > 0.0
        return self

    def wait(self, seconds: float) -> None:
        """Let time pass, with the watchdog at work."""
        for _ in range(round(seconds / WATCH_PERIOD)):
            self.clock.now += WATCH_PERIOD
            self.loop.watch()


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
