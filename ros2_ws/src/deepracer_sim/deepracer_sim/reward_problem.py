"""What is wrong with a racer's reward function, in words that point at the racer's own line."""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from deepracer_car.errors import RewardError, did_you_mean


@dataclass(frozen=True)
class RewardProblem:
    """One thing that is wrong, or that may be.

    Attributes:
        message: what happened.
        line: number in the racer's file, from 1; None where no line is to blame.
        text: that line, without indentation.
        advice: what to do about it.
        state: the situation that brought it to light.
        severity: an ``error`` keeps the function from being trained with.
    """

    message: str
    line: int | None = None
    text: str = ""
    advice: str = ""
    state: str = ""
    severity: Literal["error", "warning"] = "error"

    def describe(self, filename: str) -> str:
        """Return the problem as a few lines of text, beginning with file and line."""
        place = filename if self.line is None else f"{filename}, line {self.line}"
        parts = [f"{place}: {self.message}{' ' * bool(self.advice)}{self.advice}"]
        parts += [f"    {self.text}"] if self.text else []
        parts += [f"It happened at {self.state}."] if self.state else []
        return "\n".join(parts)


class LocatedRewardError(RewardError):
    """A `RewardError` that knows the place in the racer's file."""

    def __init__(self, problem: RewardProblem, filename: str) -> None:
        super().__init__(problem.describe(filename))
        self.problem = problem
        self._filename = filename

    def __reduce__(self) -> tuple[type, tuple[RewardProblem, str]]:
        """Pickle, to get from one rank of a training to another."""
        return type(self), (self.problem, self._filename)


@dataclass(frozen=True)
class RewardCode:
    """A racer's file: finds the line an exception came from.

    Attributes:
        filename: as given by the racer; the name the code was compiled with.
        source: its text; empty if unknown, then lines are looked up in the file.
    """

    filename: str
    source: str = ""

    def text(self, line: int | None) -> str:
        """Return line number ``line`` without indentation, or an empty string."""
        if line is None:
            return ""
        if not self.source:
            return linecache.getline(self.filename, line).strip()
        lines = self.source.split("\n")
        return lines[line - 1].strip() if 0 < line <= len(lines) else ""

    def problem(
        self,
        message: str,
        line: int | None = None,
        *,
        advice: str = "",
        params: Mapping[str, Any] | None = None,
    ) -> RewardProblem:
        """Return a problem at ``line``, met with ``params``."""
        return RewardProblem(message, line, self.text(line), advice, describe_state(params or {}))

    def error(
        self,
        message: str,
        line: int | None = None,
        *,
        advice: str = "",
        params: Mapping[str, Any] | None = None,
    ) -> LocatedRewardError:
        """Return the same as an error to raise."""
        problem = self.problem(message, line, advice=advice, params=params)
        return LocatedRewardError(problem, self.filename)

    def failed(
        self, error: BaseException, params: Mapping[str, Any] | None = None
    ) -> LocatedRewardError:
        """Return the error to raise for an exception that came out of the racer's code."""
        if isinstance(error, SyntaxError) and error.filename == self.filename:
            return self.error(f"syntax error: {error.msg}.", error.lineno)
        message, advice = _explain(error, params or {})
        line = self._line_of(error.__traceback__)
        if isinstance(error, IndexError) and "objects_" in self.text(line):
            advice = "The lists of objects are empty when there are none on the track: test for it."
        return self.error(message, line, advice=advice, params=params)

    def _line_of(self, traceback: TracebackType | None) -> int | None:
        """Line of the innermost call that is in the racer's file."""
        line = None
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == self.filename:
                line = traceback.tb_lineno
            traceback = traceback.tb_next
        return line


def shorten(text: str, limit: int) -> str:
    """Return ``text``, or so much of it that it has ``limit`` characters."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def describe_state(params: Mapping[str, Any]) -> str:
    """Return the numbers of ``params`` by which a racer recognises the situation."""
    units = {"steps": "", "progress": " %", "x": " m", "y": " m", "speed": " m/s"}
    words = []
    for name, unit in units.items():
        value = params.get(name)
        if isinstance(value, (int, float)):
            words.append(f"{name} {round(value, 2):g}{unit}")
    return ", ".join(words)


def _explain(error: BaseException, params: Mapping[str, Any]) -> tuple[str, str]:
    """Message and advice for an exception of the racer's code."""
    kind, text = type(error).__name__, shorten(str(error), 300)
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], str):
        name = error.args[0]
        near = did_you_mean(name, params).strip()
        return (
            f"{kind}: there is no '{name}'.",
            near or "docs/reward-reference.md lists the names in params.",
        )
    if isinstance(error, SystemExit):
        return "it ended the program.", "Return a number instead of calling exit()."
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{kind}: {text}.", _import_advice(error.name)
    if isinstance(error, MemoryError):
        return f"{kind}: it ran out of memory.", "Keep less in global variables."
    return f"{kind}: {text.rstrip('.')}." if text else f"{kind}.", ""


def _import_advice(module: str) -> str:
    if module in ("scipy", "shapely"):
        return f"Install it with `pip install {module}`."
    return "A reward function may use math, random, numpy, scipy and shapely."


def read_source(path: Path) -> str:
    """Return the text of a racer's file.

    Raises:
        RewardError: there is no such file, or it is not text in UTF-8.
    """
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RewardError(
            f"{path} is not a text file in UTF-8 (byte {error.start}). Save it as UTF-8."
        ) from error
    except FileNotFoundError as error:
        near = did_you_mean(path.name, _python_files(path.parent))
        raise RewardError(f"There is no reward function file {path}.{near}") from error
    except OSError as error:
        raise RewardError(
            f"Reward function file {path} cannot be read: {error.strerror}."
        ) from error


def _python_files(folder: Path) -> Iterable[str]:
    return [file.name for file in folder.glob("*.py")] if folder.is_dir() else []
