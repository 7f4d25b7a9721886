"""A car of the drive loop without hardware: a clock that the test sets, wheels that remember."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepracer_car.action_space import Action, DiscreteActionSpace
from deepracer_car.actuation import ActuationSettings, Command, FullScale
from deepracer_car.decision import Decision, Model
from deepracer_car.drive_loop import WATCH_PERIOD, DriveLoop, Limits
from deepracer_car.observation import OBSERVATION_SHAPE
from deepracer_car.safety import State

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
