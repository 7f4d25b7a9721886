"""Whether the car may move: a state machine without clock, thread or hardware.

::

    DISARMED ──ARM──▶ ARMED ──DECISION──▶ DRIVING ──fault──▶ STOPPED ──DECISION──▶ DRIVING
       ▲                 └───────────fault─────────────────────▲ │
       └──────────DISARM, or a fault that persists───────────────┘

The wheels turn in `State.DRIVING` only. A fault stops the car; the next good decision goes on, and
where none comes for too long the car is disarmed and its power cut. An emergency stop latches
until it is reset, after which the car must be armed again. Nothing leaves `State.ENDED`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Dict, NamedTuple, Optional

from deepracer_car.errors import ConfigError


class State(Enum):
    """What the car may do."""

    DISARMED = "disarmed"
    """Stands until somebody arms it."""
    ARMED = "armed"
    """Stands until the first good decision."""
    DRIVING = "driving"
    """Does what is decided."""
    STOPPED = "stopped"
    """Stands because of a fault, until the next good decision."""
    LATCHED = "emergency stop"
    """Stands until it is reset, then is disarmed."""
    ENDED = "ended"
    """Stands for ever: the program ends."""


class Event(Enum):
    """What happens to the car; the value is what people are told."""

    ARM = "armed by request"
    DISARM = "disarmed by request"
    RESET = "emergency stop reset"
    DECISION = "good decision"
    STALE_FRAME = "stale frame"
    SLOW_INFERENCE = "slow inference"
    NOT_A_NUMBER = "not a number"
    OUT_OF_RANGE = "out of range"
    EXCEPTION = "exception"
    LOST_HEARTBEAT = "lost heartbeat"
    PERSISTENT_FAULT = "persistent fault"
    EMERGENCY_STOP = "emergency stop"
    SHUTDOWN = "shutdown"


FAULTS = frozenset(
    {
        Event.STALE_FRAME,
        Event.SLOW_INFERENCE,
        Event.NOT_A_NUMBER,
        Event.OUT_OF_RANGE,
        Event.EXCEPTION,
        Event.LOST_HEARTBEAT,
    }
)
"""What stops the car until the next good decision."""

CUTTING = frozenset({Event.PERSISTENT_FAULT, Event.EMERGENCY_STOP, Event.SHUTDOWN})
"""After what motor and servo have no power until the car is armed again."""

_FAULTY: Dict[Event, State] = dict.fromkeys(FAULTS, State.STOPPED)
_ACTIVE: Dict[Event, State] = {
    Event.DECISION: State.DRIVING,
    Event.DISARM: State.DISARMED,
    Event.PERSISTENT_FAULT: State.DISARMED,
    **_FAULTY,
}
_MOVES: Dict[State, Dict[Event, State]] = {
    State.DISARMED: {Event.ARM: State.ARMED},
    State.ARMED: _ACTIVE,
    State.DRIVING: _ACTIVE,
    State.STOPPED: _ACTIVE,
    State.LATCHED: {Event.RESET: State.DISARMED},
    State.ENDED: {},
}
_ANYWHERE: Dict[Event, State] = {
    Event.EMERGENCY_STOP: State.LATCHED,
    Event.SHUTDOWN: State.ENDED,
}
ACTIVE = frozenset({State.ARMED, State.DRIVING, State.STOPPED})
"""States in which the car moves, or will as soon as a good decision comes."""


def transition(state: State, event: Event) -> State:
    """Return the state after ``event``; what means nothing in ``state`` changes nothing."""
    if state is State.ENDED:
        return state
    return _ANYWHERE.get(event) or _MOVES[state].get(event, state)


class Change(NamedTuple):
    """A state that was entered.

    Attributes:
        time: s, of the clock that the events were told by.
        before: the state that was left.
        state: the state that was entered.
        event: why.
        reason: why, in words.
    """

    time: float
    before: State
    state: State
    event: Event
    reason: str


@dataclass(frozen=True)
class Patience:
    """How long a fault may last before the car is disarmed and its power cut.

    Attributes:
        seconds: since the first fault; 0: for ever.
        faults: that many of them; 0: any number.

    Two good decisions one after the other make an end of a fault. One does not: where every other
    decision is bad, or cannot be sent, something is wrong.
    """

    seconds: float = 1.0
    faults: int = 10

    def __post_init__(self) -> None:
        for name in ("seconds", "faults"):
            if not 0 <= getattr(self, name) < inf:
                raise ConfigError(
                    f"Patience with faults: {name} {getattr(self, name)} given, 0 (endless) or "
                    "more is allowed"
                )


class Safety:
    """The state of a car, and why it is in it.

    Attributes:
        state: disarmed in the beginning.
        reason: why, in words.
    """

    def __init__(self, patience: Optional[Patience] = None) -> None:
        """Begin disarmed; without ``patience``, with that by default."""
        self.state = State.DISARMED
        self.reason = "not armed yet"
        self._patience = patience or Patience()
        self._faults = 0
        self._faulty_since = 0.0

    @property
    def may_move(self) -> bool:
        """Whether commands may reach the wheels."""
        return self.state is State.DRIVING

    @property
    def is_active(self) -> bool:
        """Whether the car moves, or will as soon as a good decision comes."""
        return self.state in ACTIVE

    def happen(self, event: Event, now: float, detail: str = "") -> Optional[Change]:
        """Take an event at time ``now``, s; returns the change of state, if there is one.

        A fault that persists by now disarms; see `Patience`.
        """
        before = self.state
        self._enter(event, detail)
        if event is Event.DECISION:
            self._faults = 0 if before is State.DRIVING else self._faults
        elif not self.is_active or before is State.DISARMED:
            self._faults = 0
        elif event in FAULTS:
            self._faulty_since = self._faulty_since if self._faults else now
            self._faults += 1
        if self.state is State.STOPPED and self._persists(now):
            event, detail = Event.PERSISTENT_FAULT, self.reason
            self._enter(event, detail)
            self._faults = 0
        return self._change(before, event, now)

    def elapse(self, now: float) -> Optional[Change]:
        """Disarm if a fault has persisted by time ``now``, s; returns the change, if there is one.

        It must be asked often, for a fault such as a dead camera causes no further events.
        """
        if self.state is State.STOPPED and self._persists(now):
            return self.happen(Event.PERSISTENT_FAULT, now, self.reason)
        return None

    def _enter(self, event: Event, detail: str) -> None:
        state = transition(self.state, event)
        if state is not self.state or (event in FAULTS and state is State.STOPPED):
            self.reason = f"{event.value}: {detail}" if detail else event.value
        self.state = state

    def _persists(self, now: float) -> bool:
        patience = self._patience
        return bool(
            (patience.faults and self._faults >= patience.faults)
            or (patience.seconds and now - self._faulty_since > patience.seconds)
        )

    def _change(self, before: State, event: Event, now: float) -> Optional[Change]:
        if self.state is before:
            return None
        return Change(now, before, self.state, event, self.reason)
