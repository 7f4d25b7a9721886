"""The course of a training elsewhere: its metrics, kept as they are and told in our own form."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deepracer_agent.archives import ModelFiles
from deepracer_agent.metrics import ENTRY, Evaluation, Update
from deepracer_agent.runs import BestResult
from deepracer_car.spec import CONTROL_HZ

MAX_METRICS = 64 << 20
TRAINING = ("TrainingMetrics", "training-")
EVALUATION = ("EvaluationMetrics", "evaluation-")


class Entry(BaseModel):
    """An episode of training, or a lap of an evaluation, as Amazon's simulator noted it."""

    model_config = ConfigDict(allow_inf_nan=False)

    phase: str = "training"
    episode: int = Field(ge=0, le=10**9)
    trial: int = Field(ge=0, le=10**6)
    reward_score: float = 0.0
    completion_percentage: float = Field(ge=0.0, le=100.0)
    episode_status: str = Field(max_length=40)
    elapsed_time_in_milliseconds: int = Field(ge=0, le=10**9)


@dataclass(frozen=True)
class History:
    """What was read.

    Attributes:
        files: metrics in the racers' form, by the name they have in a run.
        lines: the same as lines of ``metrics.jsonl``; empty if there is nothing to tell.
        episodes, steps: of training; steps are counted by the time they took.
        seconds: simulated, s: Amazon's simulator ran about as fast as its clock.
        best: best evaluation, if there was one.
        notes: what was left out, in words.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    lines: str = ""
    episodes: int = 0
    steps: int = 0
    seconds: float = 0.0
    best: BestResult | None = None
    notes: tuple[str, ...] = ()


def read_history(files: ModelFiles, own: str | None = None) -> History:
    """Read all metrics in the racers' form.

    Args:
        files: where they are looked for.
        own: the file of one of our own runs that tells more than they do.

    Raises:
        ModelError: a file cannot be read.
    """
    kept: dict[str, bytes] = {}
    notes: list[str] = []
    entries: list[Entry] = []
    for name in files.ending(".json"):
        base = PurePosixPath(name).name
        if not base.startswith(TRAINING + EVALUATION):
            continue
        target = "TrainingMetrics.json" if base.startswith("training-") else base
        if target in kept:
            notes.append(f"left out: {name}, another one of that name is there")
            continue
        content = files.read(name, MAX_METRICS)
        found, why = _entries(content, is_training=base.startswith(TRAINING))
        if why:
            notes.append(f"left out: {name}: {why}")
            continue
        kept[target] = content
        entries += found
    told = _tell(sorted(entries, key=lambda e: (e.episode, e.phase != "training")))
    if own is not None:
        lines, why = _own_lines(files.read(own, MAX_METRICS))
        notes += [f"left out: {own}: {why}"] if why else []
        told = dataclasses.replace(told, lines=lines or told.lines)
    return dataclasses.replace(told, files=kept, notes=tuple(notes))


def _entries(content: bytes, *, is_training: bool) -> tuple[list[Entry], str]:
    """The entries of a file of metrics, and why there are none."""
    try:
        given = json.loads(content)["metrics"]
        if not isinstance(given, list):
            return [], "it has no list 'metrics'"
        return ([Entry.model_validate(entry) for entry in given] if is_training else []), ""
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        return [], f"an entry's {where[:60]} cannot be used: {problem['msg']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return [], "it is no file of metrics, or damaged"


def _own_lines(content: bytes) -> tuple[str, str]:
    lines = content.decode(errors="replace").split("\n")[:-1]
    try:
        for line in lines:
            ENTRY.validate_json(line)
    except ValidationError:
        return "", "a line in it is damaged"
    return "".join(f"{line}\n" for line in lines), ""


def _tell(entries: Sequence[Entry]) -> History:
    """Each update and evaluation as a line; evaluations repeat the number of the last episode."""
    training = [entry for entry in entries if entry.phase == "training"]
    if not training:
        return History()
    each = max(1, *(entry.trial for entry in training))
    lines: list[Update | Evaluation] = []
    seconds, episodes = 0.0, 0
    best: tuple[tuple[float, int], BestResult] | None = None
    for number, group in groupby(entries, key=lambda e: max(e.episode - 1, 0) // each + 1):
        drives = list(group)
        learnt = [d for d in drives if d.phase == "training"]
        tried = [d for d in drives if d.phase != "training"]
        seconds += sum(d.elapsed_time_in_milliseconds for d in learnt) / 1000.0
        episodes += len(learnt)
        when = (number, round(seconds * CONTROL_HZ), round(seconds, 3), episodes)
        if learnt:
            lines.append(Update(*when, *_results(learnt)))
        if tried:
            times = tuple(d.elapsed_time_in_milliseconds / 1000.0 for d in tried)
            off = sum(_status(d) == "off_track" for d in tried)
            lines.append(Evaluation(*when, *_results(tried), times, off))
            result = _best(lines[-1])
            if best is None or (result.progress, number) >= best[0]:
                best = (result.progress, number), result
    text = "".join(json.dumps(dataclasses.asdict(line)) + "\n" for line in lines)
    steps = round(seconds * CONTROL_HZ)
    return History({}, text, episodes, steps, seconds, best[1] if best else None)


def _best(evaluation: Update | Evaluation) -> BestResult:
    times = getattr(evaluation, "lap_times", ())
    laps = [t for t, s in zip(times, evaluation.statuses, strict=True) if s == "lap_complete"]
    count = len(evaluation.progress)
    progress = sum(evaluation.progress) / count
    fastest = f", best lap {min(laps):.2f} s" if laps else ""
    return BestResult(
        text=f"elsewhere: {len(laps)} of {count} laps complete, {progress:.0f} %{fastest}",
        checkpoint=evaluation.update,
        steps=evaluation.steps,
        progress=progress,
        clean_laps=len(laps),
        laps=count,
        lap_time=min(laps, default=None),
    )


def _results(
    drives: Sequence[Entry],
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[str, ...]]:
    return (
        tuple(drive.reward_score for drive in drives),
        tuple(drive.completion_percentage for drive in drives),
        tuple(_status(drive) for drive in drives),
    )


def _status(drive: Entry) -> str:
    return drive.episode_status.strip().lower().replace(" ", "_")
