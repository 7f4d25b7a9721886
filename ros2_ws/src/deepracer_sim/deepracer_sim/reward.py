"""A racer's reward function: loaded from a file, one instance per car, its results checked."""

from __future__ import annotations

import inspect
import math
import numbers
import sys
import types
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from deepracer_car.errors import RewardError
from deepracer_sim.reward_legacy import LegacyCall, LegacyScale
from deepracer_sim.reward_module import FUNCTION_NAME, compile_source, is_legacy, run_module
from deepracer_sim.reward_problem import RewardCode, read_source, shorten

LARGEST_REWARD = 1e5
"""A reward lies between minus and plus this number."""

Reward = Callable[[dict[str, Any]], float]


class PrintBuffer:
    """Keeps what reward functions print until somebody takes it; what is too much is dropped."""

    def __init__(self, limit: int = 1_000_000) -> None:
        """Keep up to ``limit`` characters."""
        self._limit = limit
        self._size = 0
        self._texts: list[str] = []
        self.written = 0
        """Characters printed so far, kept or not."""

    def write(self, text: str) -> None:
        """Keep ``text`` if there is room."""
        self.written += len(text)
        if self._size < self._limit:
            text = text[: self._limit - self._size]
            self._texts.append(text)
            self._size += len(text)

    def take(self) -> str:
        """Return what was kept, and forget it."""
        text = "".join(self._texts)
        self._texts.clear()
        self._size = 0
        return text


class RewardFunction:
    """A reward function of which each car gets an instance of its own.

    Racers keep state in global variables. Each instance is therefore the file run once more, in
    a module of its own, so that cars do not disturb one another. `from_callable` cannot do that:
    there all cars share one function.

    Attributes:
        printed: what the function prints, unless `instances` is told where it shall go.
        is_legacy: it takes the twelve parameters of 2018.
    """

    def __init__(
        self,
        code: RewardCode,
        make: Callable[[Callable[[str], object]], Callable[..., object]],
        scale: LegacyScale,
    ) -> None:
        """Use `load`, `from_source` or `from_callable` instead.

        Args:
            code: where the function comes from.
            make: makes one more instance of it, given the receiver of its prints.
            scale: for functions of 2018.
        """
        self.printed = PrintBuffer()
        self._code = code
        self._make = make
        self._scale = scale
        self.is_legacy = is_legacy(make(self.printed.write), code)

    @classmethod
    def load(cls, path: Path, scale: LegacyScale | None = None) -> RewardFunction:
        """Load ``reward_function`` from a Python file.

        Raises:
            RewardError: the file cannot be read, or see `from_source`.
        """
        return cls.from_source(read_source(path), str(path), scale)

    @classmethod
    def from_source(
        cls, source: str, filename: str, scale: LegacyScale | None = None
    ) -> RewardFunction:
        """Load ``reward_function`` from the text of a Python file called ``filename``.

        Args:
            source: Python code.
            filename: for messages.
            scale: for functions of 2018; default: the limits of the car.

        Raises:
            RewardError: syntax error, exception while the file is run, no such function, or one
                that takes other parameters.
        """
        code = RewardCode(filename, source)
        compiled = compile_source(code)
        return cls(code, partial(run_module, compiled, code), scale or LegacyScale())

    @classmethod
    def from_callable(
        cls, function: Callable[..., Any], scale: LegacyScale | None = None
    ) -> RewardFunction:
        """Use a Python function. All cars share it, and it prints wherever it likes.

        Raises:
            RewardError: it cannot be called, or takes other parameters.
        """
        if not callable(function):
            raise RewardError(
                f"A reward function must be callable, not {function!r}. Give a function that takes "
                "params and returns a number."
            )
        code = RewardCode(_file_of(function))
        return cls(code, lambda write: function, scale or LegacyScale())

    def instances(self, count: int, write: Callable[[str], object] | None = None) -> list[Reward]:
        """Return one independent function per car.

        Each takes the dictionary ``params``, which the function may change, and returns a finite
        float of at most `LARGEST_REWARD` either way, or raises a `RewardError` that tells file,
        line and situation.

        Args:
            count: number of cars.
            write: receives what they print; default: `printed`.
        """
        write = write or self.printed.write
        return [self._checked(self._make(write)) for _ in range(count)]

    def _checked(self, function: Callable[..., object]) -> Reward:
        code = self._code
        if self.is_legacy:
            function = LegacyCall(function, self._scale)

        def reward_of(params: dict[str, Any]) -> float:
            try:
                reward = function(params)
            except (Exception, SystemExit) as error:
                raise code.failed(error, params) from error
            if isinstance(reward, (float, int)) and -LARGEST_REWARD <= reward <= LARGEST_REWARD:
                return float(reward)
            number = _to_number(reward)
            if number is not None and _is_reward(number):
                return number
            raise _unusable(reward, function, code, params)

        return reward_of


def _file_of(function: Callable[..., Any]) -> str:
    """File in which a function, method, partial or callable object is defined, or its name."""
    inner = inspect.unwrap(function.func if isinstance(function, partial) else function)
    for candidate in (inner, type(inner).__call__):
        if hasattr(candidate, "__code__"):
            return str(candidate.__code__.co_filename)
    return repr(function)


def _to_number(reward: object) -> float | None:
    """Return a reward as a float, or None for what is not a number.

    As ``float()``, but text is refused: int, bool, numpy scalars and arrays of one element do.
    """
    if isinstance(reward, np.generic) or (isinstance(reward, np.ndarray) and reward.size == 1):
        reward = reward.item()
    if not isinstance(reward, (float, int, numbers.Real, Decimal)):
        return None
    try:
        return float(reward)
    except OverflowError:  # A huge int.
        return math.inf


def _is_reward(number: float) -> bool:
    return -LARGEST_REWARD <= number <= LARGEST_REWARD  # Never true of NaN.


def _unusable(
    reward: object, function: Callable[..., object], code: RewardCode, params: dict[str, Any]
) -> RewardError:
    number = _to_number(reward)
    allowed = f"Return a finite number between {-LARGEST_REWARD:g} and {LARGEST_REWARD:g}."
    if reward is None:
        value, allowed = "None", f"{allowed} Is there a path without return?"
    elif number is None:
        value = f"{shorten(repr(reward), 60)}, a {type(reward).__name__}"
    else:
        value = f"{number:g}"
    line = _line_of_return(function, code, params)
    return code.error(f"{FUNCTION_NAME} returned {value}.", line, advice=allowed, params=params)


def _line_of_return(
    function: Callable[..., object], code: RewardCode, params: dict[str, Any]
) -> int | None:
    """Call once more, watching, to learn which line returns what is unusable."""
    line = None

    def watch(frame: types.FrameType, event: str, value: object) -> Any:
        nonlocal line
        if frame.f_code.co_filename != code.filename:
            return None
        if event == "return":
            line = frame.f_lineno
        return watch

    watched_before = sys.gettrace()
    sys.settrace(watch)
    try:
        number = _to_number(function(params))
    except (Exception, SystemExit):
        return None
    finally:
        sys.settrace(watched_before)
    # A function that remembers may answer differently the second time.
    return None if number is not None and _is_reward(number) else line
