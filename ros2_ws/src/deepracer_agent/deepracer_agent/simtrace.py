"""The per-step traces that racers analyse, as CSV files.

Columns are those of the original's ``<n>-iteration.csv``. Numbers have nine decimals at most and no
trailing zeros. Every file holds the same number of episodes, because the racers' tools number
episodes across files by the count they find in the first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deepracer_agent.runs import RunDirectory, reported, write_file
from deepracer_sim.episode import STATUSES, TRACE_FIELDS, Episode

Bytes = npt.NDArray[np.uint8]

HEADER = (
    "episode,steps,X,Y,yaw,steer,throttle,action,reward,done,all_wheels_on_track,progress,"
    "closest_waypoint,track_len,tstamp,episode_status,pause_duration\n"
)
DECIMALS = 9
ZERO, MINUS = b"0-"


class TraceWriter:
    """Appends episodes to ``training-simtrace/<n>-iteration.csv``.

    Args:
        run: the run.
        episodes_per_iteration: episodes in each file, the racers' num_episodes_between_training.
        episodes_done: episodes written before the checkpoint that training goes on from.
            Everything after them, rows torn by a kill included, is cut off.

    Raises:
        RunError: the disk is full or refuses.
    """

    def __init__(
        self, run: RunDirectory, episodes_per_iteration: int, episodes_done: int = 0
    ) -> None:
        self.folder = run.traces
        self.episodes_per_iteration = episodes_per_iteration
        self.episodes = episodes_done
        with reported("prepare the traces in", self.folder):
            self.folder.mkdir(exist_ok=True)
            self._cut()

    def add(self, episodes: Sequence[Episode]) -> None:
        """Append ``episodes`` in this order.

        Raises:
            RunError: the disk is full or refuses.
        """
        while episodes:
            iteration, filled = divmod(self.episodes, self.episodes_per_iteration)
            block = episodes[: self.episodes_per_iteration - filled]
            path = self._path(iteration)
            with reported("write", path), path.open("ab") as file:
                if file.tell() == 0:
                    file.write(HEADER.encode())
                file.write(format_rows(block, self.episodes))
            self.episodes += len(block)
            episodes = episodes[len(block) :]

    def _path(self, iteration: int) -> Path:
        return self.folder / f"{iteration}-iteration.csv"

    def _cut(self) -> None:
        iteration, filled = divmod(self.episodes, self.episodes_per_iteration)
        for path in self.folder.glob("*-iteration.csv"):
            match = re.match(r"(\d+)-", path.name)
            if match and int(match[1]) >= iteration + (filled > 0):
                path.unlink()
        path = self._path(iteration)
        if filled and path.exists():
            header, *rows = path.read_bytes().splitlines(keepends=True) or [b""]
            kept = [row for row in rows if _belongs_before(self.episodes, row)]
            with path.open("r+b") as file:
                file.truncate(len(header) + sum(map(len, kept)))
            if header != HEADER.encode():
                path.unlink()


def write_evaluation_trace(run: RunDirectory, stamp: str, drives: Sequence[Episode]) -> Path:
    """Write ``evaluation-<stamp>/evaluation-simtrace/0-iteration.csv``.

    Args:
        run: the run.
        stamp: 14 digits, see `RunDirectory.new_evaluation`.
        drives: in the order driven.

    Returns:
        the file.

    Raises:
        RunError: the disk is full or refuses.
    """
    path = run.path / f"evaluation-{stamp}" / "evaluation-simtrace" / "0-iteration.csv"
    with reported("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, HEADER.encode() + format_rows(drives, 0))
    return path


def format_rows(episodes: Sequence[Episode], first: int) -> bytes:
    """CSV rows of ``episodes``, numbered from ``first``, one line per row of their traces.

    All rows are formatted at once: each field becomes a column of characters of fixed width, with
    NUL for blanks, which are squeezed out at the end. Formatting number by number takes four times
    as long.
    """
    if not episodes:
        return b""
    trace = np.concatenate([episode.trace for episode in episodes])
    numbers = np.arange(first, first + len(episodes), dtype=np.float64)
    parts = [_integers(np.repeat(numbers, [len(episode.trace) for episode in episodes]))]
    for name, column in zip(TRACE_FIELDS, trace.T, strict=True):
        parts += [_constant(",", len(trace)), _characters(name, column)]
    parts.append(_constant(",0.0\n", len(trace)))
    table = np.hstack(parts)
    return bytes(table[table != 0])


def _characters(name: str, values: npt.NDArray[np.float64]) -> Bytes:
    """(N, width) characters of a column of the trace."""
    if name in ("steps", "action", "closest_waypoint"):
        return _integers(values)
    if name in ("done", "all_wheels_on_track"):
        return _words(("False", "True"), values)
    return _words(STATUSES, values) if name == "status" else _decimals(values)


def _constant(text: str, rows: int) -> Bytes:
    return np.tile(np.frombuffer(text.encode(), dtype=np.uint8), (rows, 1))


def _integers(values: npt.NDArray[np.float64]) -> Bytes:
    """(N, width) characters of whole numbers."""
    numbers = np.rint(values).astype(np.int64)
    return np.hstack([_sign(numbers), _digits(np.abs(numbers))])


def _decimals(values: npt.NDArray[np.float64]) -> Bytes:
    """(N, width) characters of numbers with at least one and at most `DECIMALS` decimals."""
    scaled = np.rint(values * 10.0**DECIMALS).astype(np.int64)
    whole, fraction = np.divmod(np.abs(scaled), 10**DECIMALS)
    parts = [_sign(scaled), _digits(whole), _constant(".", len(values)), _fraction(fraction)]
    return np.hstack(parts)


def _sign(numbers: npt.NDArray[np.int64]) -> Bytes:
    return np.where(numbers < 0, MINUS, 0).astype(np.uint8)[:, None]


def _digits(numbers: npt.NDArray[np.int64]) -> Bytes:
    """(N, width) digits of numbers below 2³², without leading zeros but for the last place."""
    width = len(str(numbers.max()))
    rest = numbers.astype(np.uint32)
    digits = np.empty((len(numbers), width), dtype=np.uint8)
    for place in reversed(range(width)):
        left = rest // 10
        digits[:, place] = rest - left * 10 + ZERO
        if place < width - 1:
            digits[:, place] *= rest > 0
        rest = left
    return digits


def _fraction(numbers: npt.NDArray[np.int64]) -> Bytes:
    """(N, DECIMALS) digits without trailing zeros but for the first place."""
    rest = numbers.astype(np.uint32)
    digits = np.empty((len(numbers), DECIMALS), dtype=np.uint8)
    seen = np.zeros(len(numbers), dtype=bool)
    for place in reversed(range(DECIMALS)):
        left = rest // 10
        digit = rest - left * 10
        seen |= (digit > 0) | (place == 0)
        digits[:, place] = (digit + ZERO) * seen
        rest = left
    return digits


def _words(words: Sequence[str], indices: npt.NDArray[np.float64]) -> Bytes:
    """(N, longest word) characters of ``words[index]``."""
    table = np.array([word.encode() for word in words])
    return table.view(np.uint8).reshape(len(words), -1)[indices.astype(np.int64)]


def _belongs_before(episodes: int, line: bytes) -> bool:
    number = line.split(b",", 1)[0]
    return line.endswith(b"\n") and number.isdigit() and int(number) < episodes
