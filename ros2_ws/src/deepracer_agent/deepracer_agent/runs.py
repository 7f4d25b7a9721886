"""The run directory: its layout, its status, and who may write in it."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deepracer_car.errors import RunError, did_you_mean

State = Literal["running", "finished", "stopped", "failed", "imported", "interrupted", "damaged"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class BestResult(BaseModel):
    """The best greedy evaluation so far.

    Attributes:
        text: the result in words, as shown to the user.
        checkpoint, steps: which policy it was.
        progress: mean percent of a lap, 0 to 100.
        clean_laps, laps: laps finished without leaving the road, laps tried.
        lap_time: fastest clean lap, s; None if there was none.
    """

    text: str
    checkpoint: int
    steps: int
    progress: float = Field(ge=0.0, le=100.0)
    clean_laps: int = 0
    laps: int = 0
    lap_time: float | None = None


class RunStatus(BaseModel):
    """What is known of a run without reading its metrics (``status.json``).

    Attributes:
        state: ``imported``: taken over from elsewhere, without weights that could go on learning.
            ``interrupted`` and ``damaged`` are never written: a run is interrupted when the
            process that wrote ``running`` is gone, and damaged when its status cannot be read.
        track: name of the track trained on.
        pid: process that trains, or trained.
        started, updated: UTC.
        steps, episodes: driven so far, over all resumptions.
        seconds: spent training, over all resumptions, s.
        best: best evaluation, if there was one.
        origin: run and checkpoint whose policy this one began with; empty if it began anew.
        stop_reason: which stop condition held, or who asked to stop.
        error: why it failed.
    """

    model_config = ConfigDict(validate_assignment=True, allow_inf_nan=False)

    state: State = "running"
    track: str = ""
    pid: int = Field(default_factory=os.getpid)
    started: datetime = Field(default_factory=lambda: datetime.now(timezone.utc))
    updated: datetime = Field(default_factory=lambda: datetime.now(timezone.utc))
    steps: int = 0
    episodes: int = 0
    seconds: float = 0.0
    best: BestResult | None = None
    origin: str = ""
    stop_reason: str = ""
    error: str = ""


@dataclass(frozen=True)
class RunDirectory:
    """One training run on disk: the racers' folder layout with a few files of our own.

    Attributes:
        path: the folder; its name is the name of the run.
    """

    path: Path

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.path.name

    @property
    def reward_function(self) -> Path:
        """The reward function as it was when the run began."""
        return self.path / "reward_function.py"

    @property
    def model_metadata(self) -> Path:
        """Sensors, network and action space."""
        return self.path / "model" / "model_metadata.json"

    @property
    def hyperparameters(self) -> Path:
        """The hyper-parameters under the racers' names."""
        return self.path / "ip" / "hyperparameters.json"

    @property
    def config(self) -> Path:
        """Snapshot of the whole training configuration."""
        return self.path / "config.yaml"

    @property
    def metrics(self) -> Path:
        """One JSON line per update and per evaluation."""
        return self.path / "metrics.jsonl"

    @property
    def training_metrics(self) -> Path:
        """Episodes and evaluation laps in the racers' format."""
        return self.path / "metrics" / "TrainingMetrics.json"

    @property
    def traces(self) -> Path:
        """Folder of the training traces."""
        return self.path / "training-simtrace"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard events."""
        return self.path / "tensorboard"

    @property
    def preview(self) -> Path:
        """What the car sees, refreshed while training."""
        return self.path / "preview.png"

    @property
    def plot(self) -> Path:
        """Reward and progress over training."""
        return self.path / "training.png"

    @property
    def best_lap(self) -> Path:
        """Video of the best lap."""
        return self.path / "best_lap.mp4"

    @property
    def bundle(self) -> Path:
        """Folder of its model bundle, if one was exported or imported."""
        return self.path / "bundle"

    @property
    def reward_output(self) -> Path:
        """What the reward function printed."""
        return self.path / "reward_output.log"

    @classmethod
    def create(
        cls,
        root: Path,
        name: str | None = None,
        *,
        track: str,
        write: Callable[[RunDirectory], None] | None = None,
    ) -> RunDirectory:
        """Create a run below ``root``; it appears complete or not at all.

        Args:
            root: the folder of all runs; made if missing.
            name: letters, digits, ``.``, ``_`` and ``-``; None makes one of track and time.
            track: name of the track, for the status.
            write: puts the first files into the new directory, which still has a temporary name.

        Raises:
            RunError: the name cannot be used or is taken, or the disk refuses.
        """
        chosen = _default_name(root, track) if name is None else _checked_name(name)
        if (root / chosen).exists():
            raise _taken(root, chosen)
        with reported("create the run", root / chosen):
            root.mkdir(parents=True, exist_ok=True)
            new = cls(Path(tempfile.mkdtemp(prefix=f".{chosen}.", dir=root)))
            try:
                new.path.chmod(0o755)
                for folder in ("model", "ip", "checkpoints", "metrics", "training-simtrace"):
                    (new.path / folder).mkdir()
                new.write_status(RunStatus(track=track))
                if write is not None:
                    write(new)
                new.path.rename(root / chosen)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise _taken(root, chosen) from None
                raise
            finally:
                shutil.rmtree(new.path, ignore_errors=True)
        return cls(root / chosen)

    @classmethod
    def open(cls, root: Path, name_or_path: str | Path) -> RunDirectory:
        """Find a run by its name below ``root``, or by the path of its folder.

        Raises:
            RunError: there is no such run.
        """
        for path in (root / name_or_path, Path(name_or_path)):
            with reported("open run", path):
                if (path / "status.json").is_file():
                    return cls(path)
        names = [run.name for run in list_runs(root)]
        if Path(name_or_path).is_dir():
            raise RunError(f"'{name_or_path}' is a folder but not a run: it has no status.json.")
        listed = f"Runs in {root}: {', '.join(names[-8:])}." if names else f"{root} holds no runs."
        raise RunError(
            f"There is no run '{name_or_path}'.{did_you_mean(str(name_or_path), names)} {listed}"
            " 'deepracer runs' lists them all."
        )

    @property
    def status(self) -> RunStatus:
        """The status as it is now; never raises, see `RunStatus.state`."""
        try:
            status = RunStatus.model_validate_json((self.path / "status.json").read_bytes())
        except (OSError, ValidationError) as error:
            started = datetime.fromtimestamp(self._modified(), timezone.utc)
            return RunStatus(
                state="damaged",
                pid=0,
                started=started,
                updated=started,
                error=f"status.json cannot be read: {error}",
            )
        if status.state == "running" and not self.is_locked():
            status.state = "interrupted"
        return status

    def write_status(self, status: RunStatus) -> None:
        """Replace the status, stamped with the time of now.

        Raises:
            RunError: the disk refuses.
        """
        status.updated = datetime.now(timezone.utc)
        write_file(self.path / "status.json", status.model_dump_json(indent=2) + "\n")

    def new_evaluation(self) -> str:
        """Make a folder ``evaluation-<stamp>`` and return the stamp: 14 digits of local time.

        Raises:
            RunError: the disk refuses.
        """
        moment = datetime.now()
        while True:
            stamp = f"{moment:%Y%m%d%H%M%S}"
            with reported("store the evaluation in", self.path):
                try:
                    (self.path / f"evaluation-{stamp}").mkdir()
                    return stamp
                except FileExistsError:
                    moment += timedelta(seconds=1)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for writing; the operating system lets go of it when the process dies.

        Raises:
            RunError: another process holds it.
        """
        with (self.path / ".lock").open("a+") as file:
            if not _flock(file.fileno(), fcntl.LOCK_EX, patience=0.5):
                file.seek(0)
                raise RunError(
                    f"Run '{self.name}' is being trained by process {file.read().strip() or '?'}. "
                    "Stop that one first (Ctrl-C or kill), or train under another name with --name."
                )
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def is_locked(self) -> bool:
        """Whether some process, this one included, is writing the run."""
        try:
            with (self.path / ".lock").open() as file:
                return not _flock(file.fileno(), fcntl.LOCK_SH)
        except OSError:
            return False

    def _modified(self) -> float:
        try:
            return self.path.stat().st_mtime
        except OSError:
            return 0.0


def list_runs(root: Path) -> list[RunDirectory]:
    """All runs below ``root``, by name; an absent folder holds none."""
    with suppress(OSError):
        folders = sorted(p for p in root.iterdir() if NAME.fullmatch(p.name))
        return [RunDirectory(p) for p in folders if (p / "status.json").is_file()]
    return []


def write_file(path: Path, data: str | bytes, *, durable: bool = False) -> None:
    """Replace ``path`` at once: whoever reads it finds the old content or the new one.

    One process may write a file at a time (see `RunDirectory.lock`). What a kill leaves under the
    temporary name is overwritten next time.

    Args:
        path: the file; its folder must exist.
        data: new content; text is written as UTF-8.
        durable: have it on the disk itself on return, so that it survives a power cut.

    Raises:
        RunError: the disk is full or refuses.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with reported("write", path):
        try:
            with temporary.open("wb") as file:
                file.write(data.encode() if isinstance(data, str) else data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def reported(doing: str, path: Path) -> Iterator[None]:
    """Turn an `OSError` inside into a `RunError` that says what could not be done, and why."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunError(
                f"Cannot {doing} {path}: the disk is full. What was saved before is intact. "
                "Free some space, then go on with --resume."
            ) from error
        raise RunError(f"Cannot {doing} {path}: {error.strerror or error}.") from error


def _default_name(root: Path, track: str) -> str:
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", track).strip("._-") or "run"
    stem = f"{stem[:60]}-{datetime.now():%Y%m%d-%H%M%S}"
    name, number = stem, 2
    while (root / name).exists():
        name, number = f"{stem}-{number}", number + 1
    return name


def _checked_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise RunError(
            f"'{name}' cannot be the name of a run. Use up to 100 letters, digits, '.', '_' and "
            "'-', beginning with a letter or a digit."
        )
    return name


def _taken(root: Path, name: str) -> RunError:
    return RunError(
        f"There is already a run '{name}' in {root}. Go on with it by --resume, or give the new "
        "one another name with --name."
    )


def _flock(descriptor: int, mode: int, patience: float = 0.0) -> bool:
    """Try for ``patience`` seconds: whoever asks `is_locked` holds the lock for an instant."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
            return True
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
