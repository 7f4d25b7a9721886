"""Another model is loaded aside: the old one drives until it is there, and on if it is no good."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from deepracer_car.action_space import Action, DiscreteActionSpace
from deepracer_car.actuation import Command
from deepracer_car.decision import Model
from deepracer_car.drive_loop import DriveLoop
from deepracer_car.errors import ConfigError, ModelError
from deepracer_car.model_switch import ModelSwitch, Switched
from deepracer_car.observation import OBSERVATION_SHAPE

SPACE = DiscreteActionSpace((Action(-0.5, 1.0), Action(0.5, 1.0)))


class Always:
    def __init__(self, answer: int) -> None:
        self.answer = answer

    def predict(self, observations: Any) -> Any:
        return np.array([self.answer])


class Parked:
    def apply(self, command: Command) -> None: ...

    def power(self, on: bool) -> None: ...


class Shelf:
    """Models that arrive when the test says so."""

    def __init__(self) -> None:
        self.arrives = threading.Event()
        self.refusal: Exception | None = None

    def load(self, path: str) -> Model:
        assert self.arrives.wait(60.0)
        if self.refusal is not None:
            raise self.refusal
        return Model(path, Always(1), SPACE)


@pytest.fixture
def loop() -> DriveLoop:
    return DriveLoop(Model("old", Always(0), SPACE), Parked(), lambda picture: picture)


def driver_of(loop: DriveLoop) -> tuple[str, float]:
    """Who decides on a frame, and how."""
    loop.see(np.zeros(OBSERVATION_SHAPE, dtype=np.uint8))
    decision = loop.step()
    assert decision is not None
    return decision.model, decision.answer.steering_angle


def wait_for(switch: ModelSwitch) -> Switched:
    pause = threading.Event()
    for _ in range(2000):
        if switch.ended and not switch.is_loading:
            return switch.ended.popleft()
        pause.wait(0.01)
    raise AssertionError("it never ended")


def test_the_old_model_drives_until_the_new_one_is_there(loop: DriveLoop) -> None:
    shelf = Shelf()
    switch = ModelSwitch(loop, "old", shelf.load)
    switch.request("new")
    assert switch.is_loading
    for _ in range(100):
        assert driver_of(loop) == ("old", -0.5)
    shelf.arrives.set()
    assert wait_for(switch) == ("new", None)
    assert driver_of(loop) == ("new", 0.5)
    assert switch.path == "new"


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (ModelError("It is damaged."), "It is damaged."),
        (MemoryError("no room"), "MemoryError: no room"),
    ],
)
def test_a_bad_model_is_refused_and_the_old_one_drives_on(
    loop: DriveLoop, refusal: Exception, words: str
) -> None:
    shelf = Shelf()
    shelf.refusal = refusal
    shelf.arrives.set()
    switch = ModelSwitch(loop, "old", shelf.load)
    switch.request("new")
    assert wait_for(switch) == ("new", words)
    assert switch.path == "old"
    assert driver_of(loop) == ("old", -0.5)
    shelf.refusal = None
    switch.request("new")
    assert wait_for(switch) == ("new", None)


def test_one_at_a_time(loop: DriveLoop) -> None:
    shelf = Shelf()
    switch = ModelSwitch(loop, "old", shelf.load)
    switch.request("new")
    with pytest.raises(ConfigError, match="'newer' given while another model is being loaded"):
        switch.request("newer")
    shelf.arrives.set()
    assert wait_for(switch).path == "new"


def test_the_model_that_drives_is_not_loaded_again(loop: DriveLoop) -> None:
    switch = ModelSwitch(loop, "old", Shelf().load)
    switch.request("old")
    assert not switch.is_loading
    assert not switch.ended
