"""A model from elsewhere becomes a run: what can be read of it is taken over, the rest is named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from deepracer_agent.archives import MAX_FILE, ModelFiles, open_files
from deepracer_agent.imported_metrics import History, read_history
from deepracer_agent.imported_settings import Settings, read_settings
from deepracer_agent.inspection import Contents, extract_bundle
from deepracer_agent.runs import RunDirectory, RunStatus, write_file
from deepracer_agent.training_folder import DEFAULT_REWARD
from deepracer_car.errors import ConfigError, ModelError

_TRACE = re.compile(r"(?:(?:|.*/)(?P<worker>\d)/|(?:|.*/))training-simtrace/\d{1,6}-iteration\.csv")
_EVALUATION = re.compile(
    r"(?:|.*/)(?:evaluation-)?(?P<stamp>\d{14})[^/]{0,80}/evaluation-simtrace/0-iteration\.csv"
)
_MAX_TRACES = 512 << 20


@dataclass(frozen=True)
class Imported:
    """What was taken over.

    Attributes:
        run: the new run.
        taken: what it holds, in words.
        notes: what was left out or changed, in words.
        drives: whether it has a model bundle.
        trains: whether a training can start with its settings.
    """

    run: RunDirectory
    taken: tuple[str, ...]
    notes: tuple[str, ...]
    drives: bool
    trains: bool

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "run": self.run.name,
            "path": str(self.run.path),
            "taken": list(self.taken),
            "notes": list(self.notes),
            "drives": self.drives,
            "trains": self.trains,
        }

    def next_steps(self) -> list[str]:
        """Commands that can be given now."""
        steps = []
        if self.drives:
            where = "" if self.trains else f" --track {self.run.status.track or 'TRACK'}"
            steps.append(f"deepracer evaluate {self.run.path}{where}")
        if self.trains:
            steps.append(f"deepracer train {self.run.path} --name NAME")
        return steps


def import_model(path: Path, name: str | None = None, *, root: Path) -> Imported:
    """Make a run of a bundle, an archive, the folder of a model or a run; nothing of it is run.

    Args:
        path: see `deepracer_agent.inspection.inspect`.
        name: of the run; default: made of the name of the file or folder.
        root: folder of all runs.

    Raises:
        ModelError: it cannot be read, or must not be.
        RunError: the name is taken or cannot be used, or the disk refuses.
    """
    with open_files(path) as files:
        contents = Contents.of(files)
        if contents.kind == "frozen graph":
            raise ModelError(
                f"{path} is a frozen graph alone, which can neither learn nor drive here; give the "
                "archive or folder it is from. 'deepracer model inspect' tells what is in it."
            )
        settings = read_settings(files, contents)
        history = read_history(files, settings.metrics)
        notes = [*settings.notes, *history.notes, *_left_out(files, contents)]
        taken: list[str] = []

        def fill(run: RunDirectory) -> None:
            taken.extend(_settings_into(run, settings))
            taken.extend(_records_into(run, files, history, settings, notes))
            if contents.bundle is not None:
                _bundle_into(run, files, contents.bundle, taken, notes)
            run.write_status(_status(path, settings, history))

        chosen = _name_of(path) if name is None else name
        run = RunDirectory.create(root, chosen, track=settings.track, write=fill)
    drives = run.bundle.is_dir()
    return Imported(run, tuple(taken), tuple(notes), drives, settings.config is not None)


def _settings_into(run: RunDirectory, settings: Settings) -> list[str]:
    """Write what the training is made of; returns what that is."""
    taken = []
    write_file(run.reward_function, settings.reward or DEFAULT_REWARD.read_bytes())
    if settings.reward:
        taken.append("reward function")
    if settings.metadata:
        settings.metadata.save(run.model_metadata)
        taken.append("sensors and actions")
    if settings.hyperparameters:
        content = settings.hyperparameters.model_dump_json(indent=2)
        write_file(run.hyperparameters, content + "\n")
        taken.append("hyper-parameters")
    if settings.config:
        write_file(run.config, settings.config.to_yaml())
    return taken


def _records_into(
    run: RunDirectory, files: ModelFiles, history: History, settings: Settings, notes: list[str]
) -> list[str]:
    """Write metrics and traces as they were; returns what there was of them."""
    taken = []
    for file, content in history.files.items():
        write_file(run.path / "metrics" / file, content)
    if history.lines:
        write_file(run.metrics, history.lines)
        taken.append(f"metrics of {_count(history.episodes, 'episode')}")
    elif history.files:
        taken.append("metrics")
    traces = _traces(files)
    if sum(files.sizes[name] for name in traces.values()) > _MAX_TRACES:
        notes.append(f"the traces are left out: they are more than {_MAX_TRACES >> 20} MiB")
        return taken
    for place, name in traces.items():
        target = run.path / place
        target.parent.mkdir(parents=True, exist_ok=True)
        write_file(target, files.read(name, MAX_FILE))
    if traces:
        taken.append(_count(len(traces), "trace"))
    return taken


def _traces(files: ModelFiles) -> dict[str, str]:
    """Where in the run each trace belongs; of several trainings those of the last by name."""
    found: dict[str, dict[str, str]] = {}
    evaluations: dict[str, str] = {}
    for name in files.ending(".csv"):
        if match := _TRACE.fullmatch(name):
            folder = f"{match['worker']}/training-simtrace" if match["worker"] else ""
            path = PurePosixPath(name)
            where = found.setdefault(str(path.parent), {})
            where[f"{folder or 'training-simtrace'}/{path.name}"] = name
        elif match := _EVALUATION.fullmatch(name):
            place = f"evaluation-{match['stamp']}/evaluation-simtrace/0-iteration.csv"
            evaluations.setdefault(place, name)
    traces: dict[str, str] = {}
    for _, where in sorted(found.items()):
        if any(not place[0].isdigit() for place in where):
            traces = {place: n for place, n in traces.items() if place[0].isdigit()}
        traces.update(where)
    return {**traces, **evaluations}


def _bundle_into(
    run: RunDirectory, files: ModelFiles, folder: str, taken: list[str], notes: list[str]
) -> None:
    bundle = extract_bundle(files, folder, run.bundle)
    taken.append(f"the model bundle {bundle.name[:80]}")
    try:
        bundle.metadata.check_simulated()
    except ConfigError as error:
        notes.append(f"it drives cars, but no simulator here: {error}")


def _left_out(files: ModelFiles, contents: Contents) -> list[str]:
    notes = [f"{name} is a link or no file and was passed over" for name in files.skipped[:5]]
    learnt = [*contents.coach[-1:], *contents.graphs[-1:]]
    if learnt:
        count = len(contents.coach) + len(contents.graphs)
        notes.append(
            f"what was learnt is left out ({', '.join(learnt)}; {count} in all): weights of Coach "
            "and TensorFlow cannot continue training here. Train anew with the files beside them"
        )
    if contents.checkpoints:
        notes.append(
            f"{_count(len(contents.checkpoints), 'checkpoint')} left out: loading one runs Python "
            "code that is in it. If you trust where they come from, copy the run's folder "
            "into your runs"
        )
    return notes


def _status(path: Path, settings: Settings, history: History) -> RunStatus:
    status = settings.status or RunStatus(
        steps=history.steps,
        episodes=history.episodes,
        seconds=history.seconds,
        best=history.best,
    )
    changes = {"state": "imported", "pid": 0, "track": settings.track}
    return status.model_copy(update={**changes, "stop_reason": f"imported from {path.name}"})


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'s' * (number != 1)}"


def _name_of(path: Path) -> str:
    stem = re.sub(r"\.(tar\.gz|tgz|tar)$", "", path.resolve().name, flags=re.IGNORECASE)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-")[:100] or "imported"
