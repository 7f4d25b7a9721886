"""From a decision to the servo: what the car's own software does with it, and our limits.

The car's servo and motor know no metres per second: they are told shares of their full range, and
full is whatever the model's action space holds at most. The throttle curve and the steering scale
are those of the unmodified car, so that a model drives as it did there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import copysign, isfinite
from typing import NamedTuple, Protocol

from deepracer_car.action_space import ActionSpace, DiscreteActionSpace
from deepracer_car.errors import ConfigError
from deepracer_car.spec import CarSpec

CURVE_SQUARE, CURVE_LINEAR = -1.2, 2.2
"""Of the throttle curve: half the full speed is 0.8 of the throttle, full speed all of it."""
_ROUNDING = 1e-6
"""A share this much above 1 is 1: it comes from rounding, not from a fault."""


class Command(NamedTuple):
    """What is sent to a car, in the words of a simulated one and in those of the physical one.

    Attributes:
        steering_angle: rad, positive to the left.
        speed: m/s.
        angle: share of the full steering, -1 to 1, positive to the left.
        throttle: share of the full throttle, -1 to 1, positive forward.
    """

    steering_angle: float = 0.0
    speed: float = 0.0
    angle: float = 0.0
    throttle: float = 0.0

    def bounded(self) -> Command:
        """Return the command with every share in [-1, 1]; what is no number becomes 0."""
        return Command(
            self.steering_angle if isfinite(self.steering_angle) else 0.0,
            self.speed if isfinite(self.speed) else 0.0,
            bounded(self.angle),
            bounded(self.throttle),
        )


NEUTRAL = Command()
"""Wheels straight, no throttle."""


class Actuator(Protocol):
    """What moves the car. Both methods may be called from any thread, one call at a time.

    Neither may wait for anything: the watchdog calls them too.
    """

    def apply(self, command: Command) -> None:
        """Send a command; its shares are in [-1, 1]. The same one may come again and again."""
        ...

    def power(self, on: bool) -> None:
        """Switch the power of motor and servo, where that can be done.

        It is called with True when the car is armed, with False at an emergency stop, a
        persistent fault and the end.
        """
        ...


class Actuators:
    """Several as one. Each gets every command, even if one before it fails."""

    def __init__(self, *actuators: Actuator) -> None:
        """Combine them."""
        self._actuators = actuators

    def apply(self, command: Command) -> None:
        """Send to each."""
        self._each("apply", command)

    def power(self, on: bool) -> None:
        """Switch each."""
        self._each("power", on)

    def _each(self, method: str, value: object) -> None:
        failure = None
        for actuator in self._actuators:
            try:
                getattr(actuator, method)(value)
            except Exception as error:  # the others must be told all the same
                failure = failure or error
        if failure is not None:
            raise failure


@dataclass(frozen=True)
class ActuationSettings:
    """How a decision is turned into shares of the servo's and the motor's range.

    Attributes:
        throttle_scale: what the throttle is multiplied by, 0 to 1. 0, as the unmodified car has it
            after its start: it steers and does not move.
        max_speed: a faster decision counts as this one, m/s.
        steering_trim: added to the angle, -1 to 1: a car that pulls to the right needs some more.
        throttle_slew: the throttle grows by at most this much a second, in either direction; 0: as
            fast as decided. It falls to zero at once.
        steering_slew: the angle changes by at most this much a second; 0: as fast as decided.
    """

    throttle_scale: float = 0.0
    max_speed: float = CarSpec().max_speed
    steering_trim: float = 0.0
    throttle_slew: float = 0.0
    steering_slew: float = 0.0

    def __post_init__(self) -> None:
        for name, lowest, highest in (
            ("throttle_scale", 0.0, 1.0),
            ("max_speed", 0.0, float("inf")),
            ("steering_trim", -1.0, 1.0),
            ("throttle_slew", 0.0, float("inf")),
            ("steering_slew", 0.0, float("inf")),
        ):
            value = getattr(self, name)
            if not (isfinite(value) and lowest <= value <= highest):
                allowed = f"{lowest:g} to {highest:g}" if isfinite(highest) else "0 or more"
                raise ConfigError(f"{name}: {value:g} given, {allowed} is allowed")


class FullScale(NamedTuple):
    """What a model's action space holds at most.

    Attributes:
        steering_angle: rad.
        speed: m/s.
    """

    steering_angle: float
    speed: float

    @classmethod
    def of(cls, space: ActionSpace) -> FullScale:
        """Return the largest magnitudes of ``space``."""
        if isinstance(space, DiscreteActionSpace):
            angles = [abs(action.steering_angle) for action in space.actions]
            return cls(max(angles), max(abs(action.speed) for action in space.actions))
        angle = max(abs(space.steering_low), abs(space.steering_high))
        return cls(angle, max(abs(space.speed_low), abs(space.speed_high)))


def throttle_curve(share: float) -> float:
    """Return the throttle for a share of the full speed; both in [-1, 1]."""
    return bounded(CURVE_SQUARE * share * share + CURVE_LINEAR * share)


def is_in_range(steering_angle: float, speed: float, full: FullScale) -> bool:
    """Whether an action space of that scale can mean this."""
    slack = 1.0 + _ROUNDING
    return abs(steering_angle) <= full.steering_angle * slack and abs(speed) <= full.speed * slack


def to_command(
    steering_angle: float, speed: float, full: FullScale, settings: ActuationSettings
) -> Command:
    """Return the command for a decision (rad, m/s) of a model, before slew limits."""
    speed = copysign(min(abs(speed), settings.max_speed), speed)
    angle = steering_angle / full.steering_angle if full.steering_angle else 0.0
    share = speed / full.speed if full.speed else 0.0
    return Command(
        steering_angle,
        speed,
        angle + settings.steering_trim,
        settings.throttle_scale * throttle_curve(share),
    ).bounded()


def slewed(
    wanted: Command, previous: Command, seconds: float, settings: ActuationSettings
) -> Command:
    """Return ``wanted`` as near as it may come, ``seconds`` after ``previous`` was sent."""
    angle, throttle = wanted.angle, wanted.throttle
    if settings.steering_slew:
        step = settings.steering_slew * seconds
        angle = min(max(angle, previous.angle - step), previous.angle + step)
    if settings.throttle_slew:
        # From the same direction, else from a standstill: towards zero there is no limit.
        start = previous.throttle if previous.throttle * throttle > 0.0 else 0.0
        reach = abs(start) + settings.throttle_slew * seconds
        throttle = copysign(min(abs(throttle), reach), throttle)
    return wanted._replace(angle=angle, throttle=throttle)


def bounded(value: float) -> float:
    """Return ``value`` clipped to [-1, 1]; 0 for what is no finite number."""
    return min(max(value, -1.0), 1.0) if isfinite(value) else 0.0
