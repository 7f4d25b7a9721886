"""One frame, one decision: what the car sees, what the model says, and what was made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite, nan
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional

import numpy as np
import numpy.typing as npt

from deepracer_car.action_space import ActionSpace
from deepracer_car.actuation import Command, FullScale, is_in_range
from deepracer_car.errors import ModelError, NotANumberError
from deepracer_car.model_bundle import ModelBundle
from deepracer_car.policy import OnnxPolicy, Policy
from deepracer_car.safety import Event, State


@dataclass(frozen=True)
class Model:
    """Who drives.

    Attributes:
        name: for people.
        policy: from observations to answers.
        action_space: from answers to steering angle and speed.
        full_scale: the most that the action space holds.
    """

    name: str
    policy: Policy
    action_space: ActionSpace
    full_scale: FullScale = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "full_scale", FullScale.of(self.action_space))

    @classmethod
    def open(cls, path: Path | str) -> Model:
        """Load a model bundle and try it on one picture.

        Raises:
            ModelError: it cannot be driven with.
        """
        bundle = ModelBundle.open(path)
        metadata = bundle.metadata
        if metadata.lidar is not None or metadata.camera_channels != 1:
            raise ModelError(
                f"{path} looks through {', '.join(metadata.sensor)}, and this car drives by one "
                "camera. Export it with --to stock-car for the car's own software."
            )
        return cls(bundle.name, OnnxPolicy(bundle), metadata.action_space)


class Frame(NamedTuple):
    """A picture on its way.

    Attributes:
        picture: whatever the camera's side gave; the loop's ``read`` understands it.
        received: when it came, or was taken where that is known, s of the loop's clock.
        skipped: how many frames before it were never decided on, for a newer one came.
    """

    picture: Any
    received: float
    skipped: int


class Answer(NamedTuple):
    """What a model makes of a frame.

    Attributes:
        event: a good decision, or what is wrong.
        detail: in words.
        observation: (1, 120, 160); None if it could not be made.
        raw: what the policy said, as the action space decodes it; None if it said nothing.
        steering_angle: rad; NaN if nothing was decided.
        speed: m/s; NaN if nothing was decided.
    """

    event: Event
    detail: str
    observation: Optional[npt.NDArray[np.uint8]]
    raw: Optional[npt.NDArray[Any]]
    steering_angle: float = nan
    speed: float = nan


class Decision(NamedTuple):
    """What became of a frame; all times are s of the loop's clock.

    Attributes:
        frame: the frame.
        answer: what the model made of it.
        event: a good decision, or what was wrong, with its time too.
        state: of the car after it.
        command: what was sent; neutral in every state but driving.
        started: when it was the frame's turn.
        sent: when the command had been sent.
        model: name of the model.
    """

    frame: Frame
    answer: Answer
    event: Event
    state: State
    command: Command
    started: float
    sent: float
    model: str


def decide(frame: Frame, model: Model, read: Callable[[Any], npt.NDArray[np.uint8]]) -> Answer:
    """Ask the model about a frame; whatever goes wrong is the answer.

    Args:
        frame: what the car sees.
        model: who is asked.
        read: from a picture to an observation.
    """
    observation = raw = None
    try:
        observation = read(frame.picture)
        raw = model.policy.predict(observation[None])
        ((angle, speed),) = model.action_space.decode(raw).tolist()
    except NotANumberError as error:
        return Answer(Event.NOT_A_NUMBER, str(error), observation, raw)
    except IndexError as error:  # of the action space: there is no such action
        return Answer(Event.OUT_OF_RANGE, str(error), observation, raw)
    except Exception as error:  # whatever it is, the car must stand
        return Answer(Event.EXCEPTION, in_words(error), observation, raw)
    event, detail = Event.DECISION, ""
    if not (isfinite(angle) and isfinite(speed)):
        event, detail = Event.NOT_A_NUMBER, f"steering angle {angle:g} rad, speed {speed:g} m/s"
    elif not is_in_range(angle, speed, model.full_scale):
        event, detail = Event.OUT_OF_RANGE, f"steering angle {angle:g} rad, speed {speed:g} m/s"
    return Answer(event, detail, observation, raw, angle, speed)


def in_words(error: Exception) -> str:
    """Return the kind of an error and what it says."""
    return f"{type(error).__name__}: {error}"
