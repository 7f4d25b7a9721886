"""Turns the text of a racer's file into functions, each in a module of its own."""

from __future__ import annotations

import builtins
import inspect
import io
import itertools
import sys
import types
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from deepracer_car.errors import RewardError, did_you_mean
from deepracer_sim.reward_legacy import LEGACY_NAMES
from deepracer_sim.reward_problem import RewardCode

FUNCTION_NAME = "reward_function"

_module_numbers = itertools.count()


def compile_source(code: RewardCode) -> types.CodeType:
    """Compile a racer's file.

    Raises:
        RewardError: a syntax error, with its line.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compile(code.source, code.filename, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise code.failed(error) from error
    except ValueError as error:
        raise RewardError(f"{code.filename} is not Python: {error}.") from error


def run_module(
    compiled: types.CodeType, code: RewardCode, write: Callable[[str], object]
) -> Callable[..., object]:
    """Run the file in a new module and return its reward function; ``write`` gets its prints.

    Raises:
        RewardError: an exception while the file is run, or no such function.
    """
    name = f"reward_function_{next(_module_numbers)}"
    module = types.ModuleType(name)
    module.__file__ = code.filename
    module.__dict__["__builtins__"] = {**vars(builtins), "print": partial(_print, write)}
    # Dataclasses and the like look up their module while the file runs.
    sys.modules[name] = module
    try:
        exec(compiled, module.__dict__)
    except (Exception, SystemExit) as error:
        raise code.failed(error) from error
    finally:
        del sys.modules[name]
    return _find_function(module, code)


def _find_function(module: types.ModuleType, code: RewardCode) -> Callable[..., object]:
    function = module.__dict__.get(FUNCTION_NAME)
    if function is None:
        functions = [name for name, value in vars(module).items() if inspect.isfunction(value)]
        raise code.error(
            f"there is no function {FUNCTION_NAME}.{did_you_mean(FUNCTION_NAME, functions)}",
            advice=f"Define it at the top level: def {FUNCTION_NAME}(params).",
        )
    if not callable(function):
        raise code.error(f"{FUNCTION_NAME} is not a function but {function!r}.")
    return function  # type: ignore[no-any-return]


def _print(write: Callable[[str], object], *values: object, **options: Any) -> None:
    """Stand in for ``print``; text for other files than the standard output goes there."""
    if options.get("file") not in (None, sys.stdout, sys.stderr):
        builtins.print(*values, **options)  # noqa: T201
        return
    text = io.StringIO()
    builtins.print(*values, **{**options, "file": text})  # noqa: T201
    write(text.getvalue())


def is_legacy(function: Callable[..., object], code: RewardCode) -> bool:
    """Whether the function takes the twelve parameters of 2018 rather than one.

    Raises:
        RewardError: it takes others, or is not a plain function.
    """
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise code.error(
            f"{FUNCTION_NAME} returns a coroutine or generator instead of a number.",
            _definition_line(function),
            advice="Write a plain function: no async, no yield.",
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return False  # Built in: what it takes shows at the first call.
    if _accepts(signature, 1):
        return False
    if _accepts(signature, len(LEGACY_NAMES)):
        return True
    raise code.error(
        f"{FUNCTION_NAME}{signature} cannot be called with one parameter.",
        _definition_line(function),
        advice=f"Write def {FUNCTION_NAME}(params), or the twelve parameters of 2018: "
        f"{', '.join(LEGACY_NAMES)}.",
    )


def _accepts(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _definition_line(function: Callable[..., object]) -> int | None:
    place = getattr(function, "__code__", None)
    return place.co_firstlineno if place else None
