"""The course of a training: one JSON line per update and per evaluation.

The console, the plot and whoever else follows a run read this file while it grows.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from deepracer_agent.laps import Lap, all_laps
from deepracer_agent.runs import reported, write_file
from deepracer_car.errors import RunError
from deepracer_sim.episode import Episode


@dataclass(frozen=True)
class Update:
    """One pass of learning, and the episodes that ended since the one before.

    Attributes:
        update: counts from 1.
        steps: environment steps so far.
        seconds: time spent training so far, s.
        episodes: ended so far.
        rewards, progress, statuses: of each episode that ended since the last update; progress in
            percent, statuses as in `deepracer_sim.episode.STATUSES`.
        learning: losses and the like, by name.
    """

    update: int
    steps: int
    seconds: float
    episodes: int
    rewards: tuple[float, ...] = ()
    progress: tuple[float, ...] = ()
    statuses: tuple[str, ...] = ()
    learning: dict[str, float] = field(default_factory=dict)
    kind: Literal["update"] = "update"


@dataclass(frozen=True)
class Evaluation:
    """Laps of the greedy policy.

    Attributes:
        update, steps, seconds, episodes: when, as in `Update`.
        rewards, progress, statuses: of each lap.
        lap_times: of each lap, or of the part that was driven, s of simulated time.
        off_tracks: times the car left the road, all laps together.
    """

    update: int
    steps: int
    seconds: float
    episodes: int
    rewards: tuple[float, ...] = ()
    progress: tuple[float, ...] = ()
    statuses: tuple[str, ...] = ()
    lap_times: tuple[float, ...] = ()
    off_tracks: int = 0
    kind: Literal["evaluation"] = "evaluation"

    @property
    def is_clean(self) -> bool:
        """All laps complete, and never off the road."""
        return not self.off_tracks and all(s == "lap_complete" for s in self.statuses)


ENTRY: TypeAdapter[Update | Evaluation] = TypeAdapter(
    Annotated[Update | Evaluation, Field(discriminator="kind")]
)


class MetricsLog:
    """Appends to ``metrics.jsonl``; every line is handed to the operating system at once.

    Args:
        path: the file.
        steps_done: environment steps at the checkpoint that training goes on from. Lines after
            it are cut off, and so is a line torn by a kill.

    Raises:
        RunError: the file is damaged, or the disk is full or refuses.
    """

    def __init__(self, path: Path, steps_done: int = 0) -> None:
        self.path = path
        kept = [line for line, entry in _lines(path) if entry.steps <= steps_done]
        write_file(path, "".join(f"{line}\n" for line in kept))

    def update(
        self,
        update: int,
        steps: int,
        seconds: float,
        episodes: int,
        ended: Sequence[Episode],
        learning: Mapping[str, float],
    ) -> None:
        """Append an `Update`; ``ended`` are the episodes that ended since the last one.

        Raises:
            RunError: the disk is full or refuses.
        """
        finite = {name: float(value) for name, value in learning.items() if math.isfinite(value)}
        when = (update, steps, round(seconds, 3), episodes)
        self._append(Update(*when, *_results(ended), finite))

    def evaluation(
        self, update: int, steps: int, seconds: float, episodes: int, drives: Sequence[Episode]
    ) -> None:
        """Append an `Evaluation`, lap by lap.

        Raises:
            RunError: the disk is full or refuses.
        """
        laps = all_laps(drives)
        times = tuple(round(lap.seconds, 4) for lap in laps)
        off_tracks = sum(drive.off_tracks for drive in drives)
        when = (update, steps, round(seconds, 3), episodes)
        self._append(Evaluation(*when, *_results(laps), times, off_tracks))

    def _append(self, entry: Update | Evaluation) -> None:
        line = json.dumps(dataclasses.asdict(entry), separators=(",", ":"), allow_nan=False)
        with reported("write", self.path), self.path.open("a") as file:
            file.write(line + "\n")


def read_metrics(path: Path) -> tuple[list[Update], list[Evaluation]]:
    """Read what has been written so far; a last line that is not complete yet is left out.

    Raises:
        RunError: another line is damaged.
    """
    entries = [entry for _, entry in _lines(path)]
    updates = [entry for entry in entries if isinstance(entry, Update)]
    return updates, [entry for entry in entries if isinstance(entry, Evaluation)]


def _results(
    drives: Sequence[Episode] | Sequence[Lap],
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[str, ...]]:
    return (
        tuple(round(drive.reward, 6) for drive in drives),
        tuple(round(drive.progress, 3) for drive in drives),
        tuple(drive.status for drive in drives),
    )


def _lines(path: Path) -> Iterator[tuple[str, Update | Evaluation]]:
    """Each complete line and what it says; an absent file has none."""
    with reported("read", path):
        text = path.read_text(errors="replace") if path.exists() else ""
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        try:
            yield line, ENTRY.validate_json(line)
        except ValidationError:
            raise RunError(
                f"{path}, line {number} is damaged: {line[:60]!r}. Delete that line to go on; "
                "only plots need it."
            ) from None
