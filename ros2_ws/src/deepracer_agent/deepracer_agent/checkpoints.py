"""Checkpoints of a run: saved whole or not at all, checked when read, thinned by rule."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deepracer_agent.runs import RunDirectory, reported, write_file
from deepracer_car.errors import RunError

FOLDER = re.compile(r"(\d+)_Step-(\d+)")
CHECKSUMS = "checksums.json"
MODEL = "model.zip"
METADATA = "model_metadata.json"
TEMPORARY = ".temporary-"


@dataclass(frozen=True)
class Checkpoint:
    """A saved state of training.

    Attributes:
        path: its folder, ``<number>_Step-<steps>``.
        number: counts up during a run.
        steps: environment steps trained on.
        metric: result of its evaluation, more is better; None if it was not evaluated.
        saved: Unix time, s.
        checksums: SHA-256 of each file by name; empty if that list cannot be read.
    """

    path: Path
    number: int
    steps: int
    metric: float | None
    saved: float
    checksums: dict[str, str]

    @property
    def model(self) -> Path:
        """The archive of the network, as Stable-Baselines3 saves it."""
        return self.path / MODEL

    def damage(self) -> str:
        """What is wrong with its files, or an empty string."""
        if not self.checksums:
            return f"{CHECKSUMS} is missing or unreadable"
        for name, expected in self.checksums.items():
            try:
                actual = _sha256(self.path / name)
            except OSError as error:
                return f"{name} cannot be read ({error.strerror})"
            if actual != expected:
                return f"{name} does not match its checksum"
        return ""


class CheckpointStore:
    """The checkpoints below ``<run>/checkpoints``, and ``model/deepracer_checkpoints.json``.

    The folders are the truth; the JSON file repeats it for the racers' tools. Only the process
    that holds the run's lock may save or rewind; anyone may read meanwhile.

    Args:
        run: the run.
        keep: how many of the newest stay, besides the best one; None keeps all.
    """

    def __init__(self, run: RunDirectory, keep: int | None = None) -> None:
        if keep is not None and keep < 1:
            raise RunError(f"Cannot keep {keep} checkpoints; keep 1 or more, or all.")
        self.run = run
        self.folder = run.path / "checkpoints"
        self.index = run.path / "model" / "deepracer_checkpoints.json"
        self.keep = keep

    def all(self) -> list[Checkpoint]:
        """All checkpoints, oldest first."""
        folders = self.folder.iterdir() if self.folder.is_dir() else ()
        found = [c for c in map(_read, folders) if c is not None]
        return sorted(found, key=lambda checkpoint: (checkpoint.number, checkpoint.steps))

    def best(self) -> Checkpoint | None:
        """The one with the highest metric, the newest of equals; None if none was evaluated."""
        return _best(self.all())

    def save(
        self, number: int, steps: int, write: Callable[[Path], None], metric: float | None = None
    ) -> Path:
        """Save a checkpoint: it is there complete, or (after an error or a kill) not at all.

        Args:
            number: above all earlier ones.
            steps: environment steps trained on.
            write: called with an empty folder; puts the files there.
            metric: result of the evaluation, more is better.

        Returns:
            the folder of the checkpoint.

        Raises:
            RunError: the disk is full or refuses; earlier checkpoints are untouched.
        """
        target = self.folder / f"{number}_Step-{steps}"
        with reported("save checkpoint", target):
            self.folder.mkdir(exist_ok=True)
            self._remove_leftovers()
            temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=self.folder))
            try:
                temporary.chmod(0o755)
                write(temporary)
                _seal(temporary, metric)
                temporary.rename(target)
                _sync(self.folder)
            except RuntimeError as error:
                # A model written through PyTorch reports a full disk without an errno.
                if shutil.disk_usage(self.folder).free > 1 << 20:
                    raise
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        self._thin()
        self._write_index()
        return target

    def rewind(self, number: int) -> None:
        """Drop all checkpoints after ``number``, from which training goes on."""
        for checkpoint in self.all():
            if checkpoint.number > number:
                self._remove(checkpoint)
        self._write_index()

    def resolve(self, which: Literal["best", "last"] | str | int = "best") -> Checkpoint:
        """Find a checkpoint and check its files.

        Args:
            which: ``best`` (the last where none was evaluated), ``last``, or a number.

        Raises:
            RunError: there is no such checkpoint, or it is damaged; the message names one to use.
        """
        found = self.all()
        if not found and self.run.status.state == "imported":
            raise RunError(
                f"Run '{self.run.name}' was imported: its weights cannot go on learning here. "
                f"Train a new run with its files: deepracer train {self.run.path} --name NAME."
            )
        if not found:
            raise RunError(f"Run '{self.run.name}' has no checkpoint yet; nothing to load from it.")
        if which == "last":
            chosen = found[-1]
        elif which == "best":
            chosen = self._unreadable_best(found) or _best(found) or found[-1]
        else:
            chosen = self._numbered(which, found)
        if damage := chosen.damage():
            good = next((c for c in reversed(found) if c != chosen and not c.damage()), None)
            instead = (
                f"The newest undamaged one is {good.number}: evaluate it with --checkpoint "
                f"{good.number}, or go on from it with --resume {self.run.name}:{good.number}."
                if good
                else "There is no undamaged one in this run."
            )
            raise RunError(
                f"Checkpoint {chosen.number} of run '{self.run.name}' is damaged: {damage} "
                f"(in {chosen.path}). {instead}"
            )
        return chosen

    def _numbered(self, which: str | int, found: list[Checkpoint]) -> Checkpoint:
        for checkpoint in found:
            if str(checkpoint.number) == str(which):
                return checkpoint
        numbers = [str(c.number) for c in found]
        listed = ", ".join(numbers if len(numbers) <= 12 else [*numbers[:3], "…", *numbers[-8:]])
        raise RunError(
            f"Run '{self.run.name}' has no checkpoint '{which}'. There are {listed}; 'best' and "
            "'last' work too."
        )

    def _unreadable_best(self, found: list[Checkpoint]) -> Checkpoint | None:
        """The one the index calls best, if its own record is lost: not to be passed over."""
        try:
            index = json.loads(self.index.read_bytes())
            name = str(index["best_checkpoint"]["name"]).removesuffix(".ckpt")
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return next((c for c in found if c.path.name == name and not c.checksums), None)

    def _remove_leftovers(self) -> None:
        """What a killed process left; the lock of the run keeps others from saving here now."""
        for path in self.folder.glob(f"{TEMPORARY}*"):
            shutil.rmtree(path, ignore_errors=True)

    def _thin(self) -> None:
        if self.keep is None:
            return
        found = self.all()
        best = _best(found)
        for checkpoint in found[: -self.keep]:
            if checkpoint != best:
                self._remove(checkpoint)

    def _remove(self, checkpoint: Checkpoint) -> None:
        """Out of sight first, so that a kill meanwhile leaves no half of it."""
        with reported("remove checkpoint", checkpoint.path):
            hidden = checkpoint.path.rename(self.folder / f"{TEMPORARY}{checkpoint.path.name}")
            shutil.rmtree(hidden)

    def _write_index(self) -> None:
        found = self.all()
        best = _best(found)
        entries = {"last_checkpoint": found[-1] if found else None, "best_checkpoint": best}
        index = {key: _index_entry(value) for key, value in entries.items() if value is not None}
        self.index.parent.mkdir(exist_ok=True)
        write_file(self.index, json.dumps(index, indent=2) + "\n")


def _best(checkpoints: list[Checkpoint]) -> Checkpoint | None:
    evaluated = [c for c in checkpoints if c.metric is not None]
    return max(evaluated, key=lambda c: (c.metric, c.number), default=None)


def _index_entry(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "name": f"{checkpoint.path.name}.ckpt",
        "avg_eval_metric": checkpoint.metric,
        "time_stamp": checkpoint.saved,
    }


def _seal(folder: Path, metric: float | None) -> None:
    """Write down the checksums of all files in ``folder`` and force everything to the disk."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sums = {path.relative_to(folder).as_posix(): _sha256(path) for path in files}
    record = {"metric": metric, "saved": round(time.time(), 3), "sha256": sums}
    (folder / CHECKSUMS).write_text(json.dumps(record, indent=2) + "\n")
    for path in (*files, folder / CHECKSUMS, folder):
        _sync(path)


def _read(folder: Path) -> Checkpoint | None:
    match = FOLDER.fullmatch(folder.name)
    if match is None:
        return None
    try:
        record = json.loads((folder / CHECKSUMS).read_bytes())
        sums = {str(name): str(value) for name, value in record["sha256"].items()}
        metric = None if record["metric"] is None else float(record["metric"])
        saved = float(record["saved"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        sums, metric, saved = {}, None, 0.0
    return Checkpoint(folder, int(match[1]), int(match[2]), metric, saved, sums)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
