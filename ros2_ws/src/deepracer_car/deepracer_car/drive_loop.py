"""The drive loop: frame, observation, policy, action, safety, actuator. The newest frame wins.

It knows neither ROS nor a camera. Somebody shows it frames; one thread of its own decides on them,
and a second one, the watchdog, sees to it that the car stands when the first one has nothing good
to say, whether it is the camera, the policy or the machine that fails. All that reaches the
actuator is sent under one lock, so that nothing late can overtake a stop.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any, Callable, Deque, List, Optional, Tuple

import numpy as np
import numpy.typing as npt

from deepracer_car.actuation import (
    NEUTRAL,
    ActuationSettings,
    Actuator,
    Command,
    slewed,
    to_command,
)
from deepracer_car.decision import Answer, Decision, Frame, Model, decide, in_words
from deepracer_car.drive_report import Report, Tally
from deepracer_car.errors import ConfigError
from deepracer_car.safety import CUTTING, Change, Event, Patience, Safety, State

WATCH_PERIOD = 0.02
"""Between two looks of the watchdog, s."""
REPEAT_PERIOD = 0.05
"""A car that must stand is told so again after this time, s: messages get lost."""
SHORTEST_LIMIT = 3 * WATCH_PERIOD
"""Of anything that the watchdog measures, s."""
LAST_WORDS = 6
"""How often a car is told to stand at the end, `WATCH_PERIOD` apart."""
HOPELESS = 10.0
"""A decision that takes longer will never come, s: only a new start helps."""
REMEMBERED_CHANGES = 100


@dataclass(frozen=True)
class Limits:
    """When something counts as a fault. A limit of 0 never does.

    Attributes:
        frame_age: this long after the last good frame came, the car has been told to stand, s.
            0 for a simulated world that waits for the car; it is not told twice either.
        inference_time: longest time from a frame's turn to the decision on it, s.
        heartbeat_age: longest time since the last heartbeat, s.
        patience: how long a fault may last before the car is disarmed and its power cut.
    """

    frame_age: float = 0.2
    inference_time: float = 0.15
    heartbeat_age: float = 0.0
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        for name in ("frame_age", "inference_time", "heartbeat_age"):
            value = getattr(self, name)
            if not (value == 0.0 or SHORTEST_LIMIT <= value < inf):
                raise ConfigError(
                    f"{name}: {value:g} s given, 0 (never) or from {SHORTEST_LIMIT:g} on is allowed"
                )

    @property
    def usable_age(self) -> float:
        """How old a frame may be, s: the watchdog's next look may come two periods later."""
        return self.frame_age - 2 * WATCH_PERIOD if self.frame_age else inf


class DriveLoop:
    """Decides on the newest frame and tells the actuator, within what safety allows.

    Attributes:
        model: who drives. It may be exchanged at any time; the next frame is decided on by the
            new one.
        settings: from decisions to commands. They may be exchanged at any time, too.
        changes: states that were entered, oldest first; whoever tells of them takes them out.
    """

    def __init__(
        self,
        model: Model,
        actuator: Actuator,
        read: Callable[[Any], npt.NDArray[np.uint8]],
        *,
        settings: Optional[ActuationSettings] = None,
        limits: Optional[Limits] = None,
        clock: Callable[[], float] = time.monotonic,
        told: Callable[[Decision], None] = lambda decision: None,
    ) -> None:
        """Begin disarmed, without threads; see `start`.

        Args:
            model: who drives.
            actuator: what moves the car.
            read: from a picture to an observation, (1, 120, 160).
            settings: from decisions to commands; None: as they are by default.
            limits: when something counts as a fault; None: as they are by default.
            clock: seconds, never going back.
            told: called with every decision after its command was sent, before the next frame's
                turn: it must be quick. What it raises is a fault.
        """
        self.model = model
        self.settings = settings or ActuationSettings()
        self.changes: Deque[Change] = deque(maxlen=REMEMBERED_CHANGES)
        self._actuator, self._read, self._told = actuator, read, told
        self._limits, self._clock = limits or Limits(), clock
        self._safety = Safety(self._limits.patience)
        self._lock = threading.RLock()
        self._arrival = threading.Condition()
        self._closed = threading.Event()
        self._threads: List[threading.Thread] = []
        self._newest: Optional[Frame] = None
        self._busy_since: Optional[float] = None
        self._fresh = self._beaten = -inf
        self._command, self._commanded = NEUTRAL, clock()
        self._tally = Tally(clock())

    @property
    def state(self) -> State:
        """What the car may do now."""
        return self._safety.state

    @property
    def reason(self) -> str:
        """Why, in words."""
        return self._safety.reason

    def see(self, picture: Any, age: float = 0.0) -> None:
        """Take a picture that was made ``age`` s ago; the one that still waits is skipped."""
        with self._arrival:
            waiting = self._newest
            skipped = 0 if waiting is None else waiting.skipped + 1
            self._newest = Frame(picture, self._clock() - age, skipped)
            self._arrival.notify()

    def beat(self) -> None:
        """Take a heartbeat."""
        with self._lock:
            self._beaten = self._clock()

    def arm(self) -> bool:
        """Let the car drive from the next good decision on; returns whether it will."""
        with self._lock:
            now = self._clock()
            if self._safety.state is State.DISARMED:
                self._fresh = max(self._fresh, now)  # A dead camera shows from here on.
                self._happen(Event.ARM, now)
                self._power(True)
            return self._safety.is_active

    def disarm(self) -> None:
        """Stop the car until it is armed again."""
        self._tell(Event.DISARM)

    def emergency_stop(self) -> None:
        """Stop the car and cut its power, until the stop is reset and the car armed again."""
        self._tell(Event.EMERGENCY_STOP)

    def reset(self) -> None:
        """Take an emergency stop back; the car stays disarmed."""
        self._tell(Event.RESET)

    def start(self) -> None:
        """Decide and watch in two threads, until `close`."""
        for name, work in (("driver", self._drive), ("watchdog", self._guard)):
            self._threads.append(threading.Thread(target=work, name=name, daemon=True))
        for thread in self._threads:
            thread.start()

    @property
    def is_running(self) -> bool:
        """Whether both threads are alive, and no decision has taken hopelessly long."""
        busy = 0.0 if self._busy_since is None else self._clock() - self._busy_since
        alive = all(thread.is_alive() for thread in self._threads)
        return bool(self._threads) and alive and busy < HOPELESS

    def close(self) -> None:
        """Stop the car for ever, tell it several times, and end the threads."""
        self._tell(Event.SHUTDOWN)
        self._closed.set()
        with self._arrival:
            self._arrival.notify_all()
        for _ in range(LAST_WORDS):
            with self._lock:
                self._send(NEUTRAL, self._clock())
            time.sleep(WATCH_PERIOD)
        for thread in self._threads:
            # One that hangs in the policy is left behind: it can move nothing any more.
            thread.join(WATCH_PERIOD)

    def step(self) -> Optional[Decision]:
        """Decide on the newest frame, if there is one, and send the command."""
        with self._arrival:
            frame, self._newest = self._newest, None
        if frame is None:
            return None
        model, started = self.model, self._clock()
        self._busy_since = started
        answer = decide(frame, model, self._read)
        with self._lock:
            decision = self._act(frame, model, started, answer)
        try:
            self._told(decision)
        except Exception as error:  # whatever it is, the car must not drive on unseen
            self._tell(Event.EXCEPTION, in_words(error))
        return decision

    def watch(self) -> None:
        """Stop the car where the loop is late, and repeat that it must stand."""
        with self._lock:
            now = self._clock()
            if self._safety.state in (State.ARMED, State.DRIVING):
                overdue = self._overdue(now)
                if overdue is not None:
                    self._happen(overdue[0], now, overdue[1])
            self._follow(self._safety.elapse(now), now)
            is_due = now - self._commanded >= REPEAT_PERIOD
            if is_due and self._limits.frame_age and not self._safety.may_move:
                self._send(NEUTRAL, now)

    def report(self) -> Report:
        """Tell how it went since the last report."""
        with self._lock:
            return self._tally.report(self._clock(), self.state, self.reason, self.model.name)

    def _drive(self) -> None:
        while not self._closed.is_set():
            with self._arrival:
                while self._newest is None and not self._closed.is_set():
                    self._arrival.wait()
            self.step()

    def _guard(self) -> None:
        while not self._closed.wait(WATCH_PERIOD):
            self.watch()

    def _act(self, frame: Frame, model: Model, started: float, answer: Answer) -> Decision:
        now = self._clock()
        self._busy_since = None
        late = self._late(frame, started, now) if answer.event is Event.DECISION else None
        event, detail = late or (answer.event, answer.detail)
        if event is Event.DECISION:
            self._fresh = max(self._fresh, frame.received)
        self._happen(event, now, detail)
        command = NEUTRAL
        if event is Event.DECISION and self._safety.may_move:
            command = to_command(
                answer.steering_angle, answer.speed, model.full_scale, self.settings
            )
            command = slewed(command, self._command, now - self._commanded, self.settings)
        self._send(command, now)
        decision = Decision(
            frame, answer, event, self.state, self._command, started, self._clock(), model.name
        )
        self._tally.count(decision)
        return decision

    def _late(self, frame: Frame, started: float, now: float) -> Optional[Tuple[Event, str]]:
        """Return what is too late about a good decision on ``frame``."""
        if self._limits.inference_time and now - started > self._limits.inference_time:
            return Event.SLOW_INFERENCE, f"it took {now - started:.3f} s"
        age = now - frame.received
        if age > self._limits.usable_age:
            return Event.STALE_FRAME, f"{age:.3f} s old when it had been decided on"
        return self._lost_heartbeat(now)

    def _overdue(self, now: float) -> Optional[Tuple[Event, str]]:
        """Return what should have happened by now and has not."""
        busy = 0.0 if self._busy_since is None else now - self._busy_since
        if self._limits.inference_time and busy > self._limits.inference_time:
            return Event.SLOW_INFERENCE, f"no answer for {busy:.3f} s"
        age = now - self._fresh
        if age > self._limits.usable_age:
            return Event.STALE_FRAME, f"no good one for {age:.3f} s"
        return self._lost_heartbeat(now)

    def _lost_heartbeat(self, now: float) -> Optional[Tuple[Event, str]]:
        age = now - self._beaten
        if not self._limits.heartbeat_age or age <= self._limits.heartbeat_age:
            return None
        return Event.LOST_HEARTBEAT, f"none for {age:.3f} s" if isfinite(age) else "none came yet"

    def _tell(self, event: Event, detail: str = "") -> None:
        with self._lock:
            self._happen(event, self._clock(), detail)

    def _happen(self, event: Event, now: float, detail: str = "") -> None:
        change = self._safety.happen(event, now, detail)
        self._follow(change, now)
        if change is None and event in CUTTING:
            self._power(False)  # Whoever asks once more has reason to.

    def _follow(self, change: Optional[Change], now: float) -> None:
        """Do at once what a change of state asks for."""
        if change is None:
            return
        self.changes.append(change)
        if change.state is not State.DRIVING:
            self._send(NEUTRAL, now)
        if change.event in CUTTING:
            self._power(False)

    def _send(self, command: Command, now: float) -> None:
        # Each failure leads to a state further from driving, so that this comes to an end.
        self._command, self._commanded = command.bounded(), now
        try:
            self._actuator.apply(self._command)
        except Exception as error:  # whatever it is, the car must stand
            self._happen(Event.EXCEPTION, now, in_words(error))

    def _power(self, on: bool) -> None:
        try:
            self._actuator.power(on)
        except Exception as error:  # whatever it is, the car must stand
            self._tell(Event.EXCEPTION, in_words(error))
