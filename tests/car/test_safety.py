"""Every state and every event; and what no order of events can bring about."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepracer_car.errors import ConfigError
from deepracer_car.safety import (
    ACTIVE,
    CUTTING,
    FAULTS,
    Event,
    Patience,
    Safety,
    State,
    transition,
)

D, A, R, S, L, E = (
    State.DISARMED,
    State.ARMED,
    State.DRIVING,
    State.STOPPED,
    State.LATCHED,
    State.ENDED,
)
TABLE = {
    # from           D  A  R  S  L  E
    Event.ARM: (A, A, R, S, L, E),
    Event.DISARM: (D, D, D, D, L, E),
    Event.RESET: (D, A, R, S, D, E),
    Event.DECISION: (D, R, R, R, L, E),
    Event.STALE_FRAME: (D, S, S, S, L, E),
    Event.SLOW_INFERENCE: (D, S, S, S, L, E),
    Event.NOT_A_NUMBER: (D, S, S, S, L, E),
    Event.OUT_OF_RANGE: (D, S, S, S, L, E),
    Event.EXCEPTION: (D, S, S, S, L, E),
    Event.LOST_HEARTBEAT: (D, S, S, S, L, E),
    Event.PERSISTENT_FAULT: (D, D, D, D, L, E),
    Event.EMERGENCY_STOP: (L, L, L, L, L, E),
    Event.SHUTDOWN: (E, E, E, E, E, E),
}

events = st.sampled_from(Event)
moments = st.floats(0.0, 3.0)


@pytest.mark.parametrize(("state", "event"), product(State, Event))
def test_every_state_and_event(state: State, event: Event) -> None:
    assert transition(state, event) is TABLE[event][list(State).index(state)]


@given(st.lists(events))
def test_only_a_good_decision_of_an_armed_car_makes_it_drive(story: list[Event]) -> None:
    safety = Safety()
    for now, event in enumerate(story):
        before = safety.state
        safety.happen(event, float(now))
        if safety.may_move:
            assert before in ACTIVE
            assert event is Event.DECISION or (before is State.DRIVING and event not in FAULTS)
            assert event not in CUTTING
            assert event is not Event.DISARM


@given(st.lists(events), st.lists(events.filter(lambda e: e is not Event.RESET)))
def test_an_emergency_stop_latches(before: list[Event], after: list[Event]) -> None:
    safety = Safety()
    for event in [*before, Event.EMERGENCY_STOP]:
        safety.happen(event, 0.0)
    for event in after:
        safety.happen(event, 0.0)
        assert safety.state in (State.LATCHED, State.ENDED)


@given(st.lists(events), st.lists(events))
def test_nothing_leads_out_of_the_end(before: list[Event], after: list[Event]) -> None:
    safety = Safety()
    for event in [*before, Event.SHUTDOWN, *after]:
        safety.happen(event, 0.0)
    assert safety.state is State.ENDED


@given(st.lists(st.tuples(events, st.floats(0.0, 0.5))))
def test_changes_tell_the_whole_story(story: list[tuple[Event, float]]) -> None:
    safety, now, state = Safety(), 0.0, State.DISARMED
    for event, pause in story:
        now += pause
        for change in (safety.elapse(now), safety.happen(event, now)):
            if change is not None:
                assert (change.before, change.time) == (state, now)
                assert change.reason == safety.reason
                state = change.state
    assert safety.state is state


def driving(patience: Patience) -> Safety:
    safety = Safety(patience)
    safety.happen(Event.ARM, 0.0)
    safety.happen(Event.DECISION, 0.0)
    return safety


def test_a_fault_that_lasts_disarms() -> None:
    safety = driving(Patience(seconds=1.0, faults=0))
    safety.happen(Event.STALE_FRAME, 5.0, "no camera")
    assert safety.elapse(6.0) is None
    assert safety.state is State.STOPPED
    change = safety.elapse(6.01)
    assert change is not None
    assert (change.state, change.event) == (State.DISARMED, Event.PERSISTENT_FAULT)
    assert change.reason == "persistent fault: stale frame: no camera"
    assert safety.elapse(7.0) is None, "it is told once"


def test_two_good_decisions_end_the_waiting() -> None:
    safety = driving(Patience(seconds=1.0, faults=3))
    for now in range(10):
        safety.happen(Event.EXCEPTION, now)
        safety.happen(Event.EXCEPTION, now + 0.3)
        assert safety.state is State.STOPPED
        for _ in range(2):
            safety.happen(Event.DECISION, now + 0.6)
            assert safety.state is State.DRIVING
        assert safety.elapse(now + 0.9) is None


@pytest.mark.parametrize("patience", [Patience(1.0, 0), Patience(0.0, 10)], ids=str)
def test_where_every_other_decision_is_bad_the_car_is_disarmed(patience: Patience) -> None:
    safety = driving(patience)
    for frame in range(30):
        safety.happen(Event.EXCEPTION if frame % 2 else Event.DECISION, frame / 15)
    assert safety.state is State.DISARMED


def test_so_many_faults_in_a_row_disarm() -> None:
    safety = driving(Patience(seconds=0.0, faults=3))
    for _ in range(2):
        safety.happen(Event.NOT_A_NUMBER, 0.0)
    assert safety.state is State.STOPPED
    change = safety.happen(Event.OUT_OF_RANGE, 0.0, "12")
    assert change is not None
    assert (change.state, change.event) == (State.DISARMED, Event.PERSISTENT_FAULT)
    assert "out of range: 12" in change.reason


def test_endless_patience() -> None:
    safety = driving(Patience(seconds=0.0, faults=0))
    for now in range(1000):
        safety.happen(Event.STALE_FRAME, float(now))
        assert safety.elapse(float(now)) is None
    assert safety.state is State.STOPPED


@given(st.lists(st.tuples(events, moments)))
def test_faults_of_the_past_do_not_count_after_arming(story: list[tuple[Event, float]]) -> None:
    safety = Safety(Patience(seconds=1.0, faults=5))
    for event, now in sorted(story, key=lambda item: item[1]):
        safety.happen(event, now)
    if safety.state in (State.DISARMED, State.LATCHED):
        safety.happen(Event.RESET, 10.0)
        safety.happen(Event.ARM, 10.0)
        for _ in range(4):
            safety.happen(Event.STALE_FRAME, 10.5)
            assert safety.elapse(11.5) is None
            assert safety.state is State.STOPPED


@pytest.mark.parametrize("patience", [(-1.0, 0), (float("nan"), 0), (0.0, -1)])
def test_patience_that_makes_no_sense_is_refused(patience: tuple[float, int]) -> None:
    with pytest.raises(ConfigError, match="Patience"):
        Patience(*patience)
