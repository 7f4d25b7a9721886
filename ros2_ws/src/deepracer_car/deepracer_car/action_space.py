"""What the policy may choose: its raw output becomes a steering angle and a speed here.

A discrete space is a list of actions and the policy names one by its position; a continuous space
is a range of both values and the policy answers with two numbers in [-1, 1]. Inside the product
angles are radians, positive to the left; the files of the racers hold degrees, and this module is
where one becomes the other. Limits are those of the DeepRacer console.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import degrees, isfinite, radians
from typing import Any, Mapping, Sequence, Union

import numpy as np
import numpy.typing as npt

from deepracer_car.errors import ConfigError, did_you_mean
from deepracer_car.spec import CarSpec

MIN_ACTIONS = 2
MAX_ACTIONS = 30
STEERING_GRANULARITIES = (3, 5, 7)
SPEED_GRANULARITIES = (1, 2, 3)

_GRANULARITY_KEYS = (
    "max_steering_angle",
    "steering_granularity",
    "max_speed",
    "speed_granularity",
)

_CAR = CarSpec()
_MAX_DEGREES = degrees(_CAR.max_steering_angle)
_DECIMALS = 9
"""Of degrees in files: 30 degrees that were read are written as 30 degrees again."""
_ROUNDING = 1e-9
"""Slack of a limit, rad: 30 degrees stay 30 degrees however they were computed."""


@dataclass(frozen=True)
class Action:
    """One decision.

    Attributes:
        steering_angle: rad, positive to the left, at most 30 degrees either way.
        speed: m/s, 0.1 to 4.
    """

    steering_angle: float
    speed: float

    def __post_init__(self) -> None:
        _check_angle("steering_angle", self.steering_angle)
        _check_speed("speed", self.speed)


@dataclass(frozen=True)
class DiscreteActionSpace:
    """A list of 2 to 30 actions; the policy answers with a position in the list.

    The same action may be listed twice, as in the console: the policy then has two names for it.
    """

    actions: tuple[Action, ...]
    _table: npt.NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "actions", tuple(self.actions))
        count = len(self.actions)
        if not MIN_ACTIONS <= count <= MAX_ACTIONS:
            raise ConfigError(
                f"action_space: {count} action{'' if count == 1 else 's'} given, "
                f"{MIN_ACTIONS} to {MAX_ACTIONS} are allowed"
            )
        table = np.array([(a.steering_angle, a.speed) for a in self.actions], dtype=np.float64)
        table.setflags(write=False)
        object.__setattr__(self, "_table", table)

    def decode(self, raw: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Turn positions (N,) into commands (N, 2): steering angle rad, speed m/s.

        Raises:
            IndexError: a position is negative or beyond the last action.
        """
        raw = np.asarray(raw)
        if raw.size and raw.min() < 0:
            raise IndexError(f"action {raw.min()} of {len(self.actions)}")
        return np.asarray(self._table[raw])

    def encode(self, commands: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Turn commands (N, 2) into the positions (N,) of the nearest actions.

        Both values are measured by the car's full range; of equally near actions the first counts.
        """
        scale = np.array([_CAR.max_steering_angle, _CAR.max_speed])
        gaps = (np.asarray(commands, dtype=np.float64)[:, np.newaxis] - self._table) / scale
        return np.asarray(np.argmin(np.sum(gaps**2, axis=2), axis=1), dtype=np.int64)

    def to_metadata(self) -> list[dict[str, float]]:
        """Return the list as ``model_metadata.json`` holds it: degrees, m/s and the position."""
        return [
            {"steering_angle": _to_degrees(a.steering_angle), "speed": a.speed, "index": position}
            for position, a in enumerate(self.actions)
        ]

    @classmethod
    def from_metadata(cls, entries: Sequence[Any]) -> DiscreteActionSpace:
        """Read the ``action_space`` list of ``model_metadata.json``.

        The ``index`` values are for people: an action is named by its position.

        Raises:
            ConfigError: an entry has an unknown or missing key, or a value out of range.
        """
        return cls(tuple(_read_action(f"action_space[{i}]", e) for i, e in enumerate(entries)))

    @classmethod
    def from_granularity(
        cls,
        max_steering_angle: float,
        steering_granularity: int,
        max_speed: float,
        speed_granularity: int,
    ) -> DiscreteActionSpace:
        """Generate the list as the console does from two maxima and two counts.

        Angles are spread evenly from full right to full left; of ``n`` speeds the k-th is ``k/n``
        of the highest. Positions count the speeds inside each angle, from the right.

        Args:
            max_steering_angle: degrees, 1 to 30.
            steering_granularity: number of angles: 3, 5 or 7.
            max_speed: m/s, 0.1 to 4; the slowest speed must be at least 0.1.
            speed_granularity: number of speeds: 1, 2 or 3.

        Raises:
            ConfigError: one of the four is out of range.
        """
        angle = _number("max_steering_angle", max_steering_angle)
        if not 1 <= angle <= _MAX_DEGREES + _ROUNDING:
            raise ConfigError(
                f"max_steering_angle: {angle:g} degrees given, 1 to {_MAX_DEGREES:g} are allowed"
            )
        _check_choice("steering_granularity", steering_granularity, STEERING_GRANULARITIES)
        _check_choice("speed_granularity", speed_granularity, SPEED_GRANULARITIES)
        top = _number("max_speed", max_speed)
        _check_speed("max_speed", top)
        speeds = [top * k / speed_granularity for k in range(1, speed_granularity + 1)]
        _check_speed(f"max_speed / {speed_granularity}, the slowest speed", speeds[0])
        # Whole multiples of one step keep the middle angle at exactly zero.
        side = steering_granularity // 2
        return cls(
            tuple(
                Action(radians(round(angle * k / side, _DECIMALS)), speed)
                for k in range(-side, side + 1)
                for speed in speeds
            )
        )


@dataclass(frozen=True)
class ContinuousActionSpace:
    """A range of steering angles (rad) and one of speeds (m/s); the policy answers in [-1, 1]²."""

    steering_low: float
    steering_high: float
    speed_low: float
    speed_high: float
    _low: npt.NDArray[np.float64] = field(init=False, repr=False, compare=False)
    _span: npt.NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_angle("steering_angle low", self.steering_low, highest=0.0)
        _check_angle("steering_angle high", self.steering_high, lowest=0.0)
        _check_speed("speed low", self.speed_low)
        _check_speed("speed high", self.speed_high)
        for name, low, high in (
            ("steering_angle", _to_degrees(self.steering_low), _to_degrees(self.steering_high)),
            ("speed", self.speed_low, self.speed_high),
        ):
            if not low < high:
                raise ConfigError(
                    f"action_space {name}: low {low:g} and high {high:g} given, "
                    "low must be less than high"
                )
        low_corner = np.array([self.steering_low, self.speed_low], dtype=np.float64)
        high_corner = np.array([self.steering_high, self.speed_high], dtype=np.float64)
        object.__setattr__(self, "_low", low_corner)
        object.__setattr__(self, "_span", high_corner - low_corner)

    def decode(self, raw: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Turn answers (N, 2) into commands (N, 2): steering angle rad, speed m/s.

        Each answer is clipped to [-1, 1], then -1 is the low and 1 the high end of its range.
        """
        clipped = np.clip(np.asarray(raw, dtype=np.float64), -1.0, 1.0)
        return np.asarray(self._low + (clipped + 1.0) * 0.5 * self._span)

    def encode(self, commands: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Turn commands (N, 2) into answers (N, 2) in [-1, 1]; the inverse of ``decode``."""
        share = (np.asarray(commands, dtype=np.float64) - self._low) / self._span
        return np.asarray(np.clip(2.0 * share - 1.0, -1.0, 1.0))

    def to_metadata(self) -> dict[str, dict[str, float]]:
        """Return the ranges as ``model_metadata.json`` holds them, in degrees and m/s."""
        return {
            "steering_angle": {
                "low": _to_degrees(self.steering_low),
                "high": _to_degrees(self.steering_high),
            },
            "speed": {"low": self.speed_low, "high": self.speed_high},
        }

    @classmethod
    def from_metadata(cls, ranges: Mapping[str, Any]) -> ContinuousActionSpace:
        """Read the ``action_space`` object of ``model_metadata.json``.

        Raises:
            ConfigError: a key is unknown or missing, or a value out of range.
        """
        _check_keys("action_space", ranges, required=("steering_angle", "speed"))
        steering_low, steering_high = _read_range("action_space.steering_angle", ranges)
        speed_low, speed_high = _read_range("action_space.speed", ranges)
        return cls(radians(steering_low), radians(steering_high), speed_low, speed_high)


ActionSpace = Union[DiscreteActionSpace, ContinuousActionSpace]


def action_space_from_metadata(value: Any) -> ActionSpace:
    """Read ``action_space`` of ``model_metadata.json`` in any of its three forms.

    A list of actions is discrete, an object with ranges continuous. An object with
    ``max_steering_angle``, ``steering_granularity``, ``max_speed`` and ``speed_granularity``, what
    the console asks for, is the discrete list made from them.

    Raises:
        ConfigError: the value is none of these, or what is in it cannot be used.
    """
    if isinstance(value, (list, tuple)):
        return DiscreteActionSpace.from_metadata(value)
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"action_space: {value!r} given; a list of actions (discrete) or an object with "
            "steering_angle and speed ranges (continuous) is allowed"
        )
    if any(key in _GRANULARITY_KEYS for key in value):
        _check_keys("action_space", value, required=_GRANULARITY_KEYS)
        return DiscreteActionSpace.from_granularity(**value)
    return ContinuousActionSpace.from_metadata(value)


def _read_action(where: str, entry: Any) -> Action:
    _check_keys(where, entry, required=("steering_angle", "speed"), optional=("index",))
    angle = _number(f"{where}.steering_angle", entry["steering_angle"])
    speed = _number(f"{where}.speed", entry["speed"])
    try:
        return Action(radians(angle), speed)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _read_range(where: str, ranges: Mapping[str, Any]) -> tuple[float, float]:
    limits = ranges[where.rsplit(".", 1)[1]]
    _check_keys(where, limits, required=("low", "high"))
    return _number(f"{where}.low", limits["low"]), _number(f"{where}.high", limits["high"])


def _check_keys(
    where: str, given: Any, required: Sequence[str], optional: Sequence[str] = ()
) -> None:
    allowed = (*required, *optional)
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"{where}: {given!r} given, an object with {' and '.join(required)} is allowed"
        )
    for key in given:
        if key not in allowed:
            raise ConfigError(
                f"{where}: unknown key '{key}'; allowed are {', '.join(allowed)}."
                + did_you_mean(str(key), allowed)
            )
    for key in required:
        if key not in given:
            raise ConfigError(f"{where}: '{key}' is missing")


def _number(where: str, value: Any) -> float:
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value):
            return float(value)
    except OverflowError:
        pass
    raise ConfigError(f"{where}: {value!r} given, a number is allowed")


def _check_choice(where: str, value: int, allowed: Sequence[int]) -> None:
    if isinstance(value, bool) or value not in allowed:
        raise ConfigError(
            f"{where}: {value!r} given, one of {', '.join(map(str, allowed))} is allowed"
        )


def _check_angle(
    where: str,
    angle: float,
    lowest: float = -_CAR.max_steering_angle,
    highest: float = _CAR.max_steering_angle,
) -> None:
    if not lowest - _ROUNDING <= angle <= highest + _ROUNDING:
        raise ConfigError(
            f"{where}: {_to_degrees(angle):g} degrees given, "
            f"{_to_degrees(lowest):g} to {_to_degrees(highest):g} are allowed"
        )


def _check_speed(where: str, speed: float) -> None:
    if not _CAR.min_speed <= speed <= _CAR.max_speed:
        raise ConfigError(
            f"{where}: {speed:g} m/s given, {_CAR.min_speed:g} to {_CAR.max_speed:g} are allowed"
        )


def _to_degrees(angle: float) -> float:
    return round(degrees(angle), _DECIMALS) + 0.0
