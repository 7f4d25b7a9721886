"""What the car saw and did, on its disk: lossless, bounded, and never in the way of driving.

::

    FOLDER/                      of all drives; the oldest parts go when it has become too large
    └── 0007-20260131-142501/    one drive: a number that only grows, and when it began (UTC)
        ├── 0001.jsonl           the beginning: one line per decision, after a line that dates it
        ├── 0001.frames          the PNG pictures that the lines point into
        ├── 0002.jsonl           its continuation, and so on
        └── 0002.frames

The driver hands its decisions over and drives on; another thread writes them. Where the disk is too
slow or full, decisions are left out and counted: their numbers are missing. A picture is written
before the line that points to it and both carry what shows damage, so that whatever a crash or a
power cut leaves can be read up to there. `deepracer_car.drive_records` reads.
"""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import threading
import time
import zlib
from contextlib import suppress
from datetime import datetime, timezone
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO, Dict, List, NamedTuple, Optional, Tuple, Union

import cv2
import numpy as np

from deepracer_car.decision import Decision
from deepracer_car.errors import ConfigError
from deepracer_car.safety import Change

FORMAT = 1
"""Of the files; raised when a reader of the old one would go wrong."""
LINES, FRAMES = ".jsonl", ".frames"
DRIVE = re.compile(r"(\d{4,})-\d{8}-\d{6}")
PART = re.compile(r"(\d{4,})\.(?:jsonl|frames)")

MAX_BYTES = 1 << 30
"""Of all drives together, unless told otherwise: 40 minutes and more at 30 pictures a second."""
PART_BYTES = 16 << 20
FREE_BYTES = 256 << 20
"""What the log leaves free on the disk for everybody else."""
WAITING = 90
"""Decisions that may wait for the disk; 3 s of driving."""
SYNC_SECONDS = 2.0
"""A power cut costs at most what was written in this time."""
RETRY_SECONDS = 5.0
"""Until a disk that refused is tried again."""
CLOSE_SECONDS = 5.0
"""How long the end waits for the disk."""
_FAST_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1)


class _Numbered(NamedTuple):
    number: int
    decision: Decision


class DriveLog:
    """Writes a drive into a folder.

    Attributes:
        path: of this drive.
        problem: why nothing is written at the moment; None if all is well.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        max_bytes: int = MAX_BYTES,
        part_bytes: int = PART_BYTES,
        free_bytes: int = FREE_BYTES,
        waiting: int = WAITING,
    ) -> None:
        """Begin a new drive.

        Args:
            folder: of all drives; it is made where it is missing.
            max_bytes: of all drives together.
            part_bytes: after which a drive goes on in the next pair of files; what is deleted at
                a time.
            free_bytes: what is left free on the disk.
            waiting: decisions that may wait for the disk.

        Raises:
            ConfigError: the folder cannot be written to, or a size cannot be used.
        """
        if not 0 < 2 * part_bytes <= max_bytes:
            raise ConfigError(
                f"max_bytes: {max_bytes} given, at least two parts of {part_bytes} are needed"
            )
        self.problem: Optional[str] = None
        self._root, self._max, self._part_bytes = Path(folder), max_bytes, part_bytes
        self._free = free_bytes
        self.path = _new_drive(self._root)
        self._waiting: queue.Queue[Union[_Numbered, Change]] = queue.Queue(waiting)
        self._closing = threading.Event()
        self._number = self._refused = self._failed = 0
        self._part: Optional[_Part] = None
        self._parts = 0
        self._synced, self._retry = time.monotonic(), 0.0
        self._thread = threading.Thread(target=self._work, name="drive log", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Decisions and changes that could not be written."""
        return self._refused + self._failed

    def record(self, decision: Decision) -> None:
        """Take a decision; it is written soon, or lost where the disk does not keep up."""
        self._number += 1
        answer, frame = decision.answer, decision.frame._replace(picture=None)
        if answer.observation is not None:
            # A camera may use the memory of its picture again.
            answer = answer._replace(observation=answer.observation.copy())
        self._take(_Numbered(self._number, decision._replace(frame=frame, answer=answer)))

    def note(self, change: Change) -> None:
        """Take a change of state."""
        self._take(change)

    def close(self) -> None:
        """Write what waits; a disk that hangs is waited for a few seconds."""
        self._closing.set()
        self._thread.join(CLOSE_SECONDS)

    def _take(self, entry: Union[_Numbered, Change]) -> None:
        try:
            self._waiting.put_nowait(entry)
        except queue.Full:
            self._refused += 1

    def _work(self) -> None:
        while not (self._closing.is_set() and self._waiting.empty()):
            entry: Union[_Numbered, Change, None] = None
            with suppress(queue.Empty):
                entry = self._waiting.get(timeout=0.1)
            try:
                self._write(entry)
            except (OSError, cv2.error) as error:
                self._failed += entry is not None
                self._give_up(f"{type(error).__name__}: {error}")
        self._end_part()

    def _write(self, entry: Union[_Numbered, Change, None]) -> None:
        now = time.monotonic()
        if entry is not None:
            if now < self._retry:
                self._failed += 1
                return
            if self._part is None:
                self._part = self._next_part()
                self.problem = None
            self._part.add(entry)
            if self._part.size >= self._part_bytes:
                self._end_part()
        if self._part is not None and now - self._synced >= SYNC_SECONDS:
            self._synced = now
            self._part.sync()

    def _next_part(self) -> _Part:
        make_room(self._root, self._max - self._part_bytes, self._free + self._part_bytes)
        self.path.mkdir(exist_ok=True)
        self._parts += 1
        return _Part(self.path / f"{self._parts:04d}", self.path.name)

    def _end_part(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            try:
                part.sync()
            except OSError as error:
                self.problem = f"{type(error).__name__}: {error}"
            part.close()

    def _give_up(self, problem: str) -> None:
        """Leave the disk alone for a while; what was begun stays as it is."""
        self.problem = problem
        self._retry = time.monotonic() + RETRY_SECONDS
        part, self._part = self._part, None
        if part is not None:
            part.close()


class _Part:
    """A pair of files that is being written."""

    def __init__(self, stem: Path, drive: str) -> None:
        self.size = 0
        self._offset = 0
        self._lines: BinaryIO = stem.with_name(stem.name + LINES).open("xb", buffering=0)
        try:
            self._frames: BinaryIO = stem.with_name(stem.name + FRAMES).open("xb", buffering=0)
        except OSError:
            self._lines.close()
            raise
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        header = {"format": FORMAT, "drive": drive, "utc": now, "clock": time.monotonic()}
        self._put(header)

    def add(self, entry: Union[_Numbered, Change]) -> None:
        """Write an entry; the operating system has it on return."""
        if isinstance(entry, Change):
            self._put(_change_line(entry))
            return
        line = _decision_line(entry)
        observation = entry.decision.answer.observation
        if observation is not None:
            line["picture"] = self._put_picture(observation)
        self._put(line)

    def sync(self) -> None:
        """Have it on the disk itself."""
        os.fsync(self._frames.fileno())
        os.fsync(self._lines.fileno())

    def close(self) -> None:
        """Close both files."""
        self._lines.close()
        self._frames.close()

    def _put_picture(self, observation: Any) -> Dict[str, Any]:
        flat = observation.reshape(-1, observation.shape[-1])
        _, png = cv2.imencode(".png", flat, _FAST_PNG)
        data = np.asarray(png).tobytes()
        _write_all(self._frames, data)
        place = {"offset": self._offset, "bytes": len(data), "crc32": zlib.crc32(data)}
        self._offset += len(data)
        self.size += len(data)
        return {**place, "shape": list(observation.shape)}

    def _put(self, line: Dict[str, Any]) -> None:
        data = (json.dumps(line, separators=(",", ":")) + "\n").encode("ascii")
        _write_all(self._lines, data)
        self.size += len(data)


def _write_all(file: BinaryIO, data: bytes) -> None:
    """Write ``data``: a disk that is nearly full takes a piece of it and says so by the count."""
    while data:
        data = data[file.write(data) :]


def _decision_line(entry: _Numbered) -> Dict[str, Any]:
    decision, answer = entry.decision, entry.decision.answer
    raw = None if answer.raw is None else [_plain(v) for v in np.ravel(answer.raw).tolist()]
    return {
        "frame": entry.number,
        "received": decision.frame.received,
        "started": decision.started,
        "sent": decision.sent,
        "skipped": decision.frame.skipped,
        "event": decision.event.value,
        "detail": answer.detail,
        "state": decision.state.value,
        "model": decision.model,
        "raw": raw,
        "steering_angle": _plain(answer.steering_angle),
        "speed": _plain(answer.speed),
        "command": [_plain(value) for value in decision.command],
    }


def _change_line(change: Change) -> Dict[str, Any]:
    return {
        "time": change.time,
        "before": change.before.value,
        "state": change.state.value,
        "event": change.event.value,
        "reason": change.reason,
    }


def _plain(value: Any) -> Any:
    """What JSON knows: it has no NaN."""
    return value if isfinite(value) else None


def drive_folders(root: Path) -> List[Path]:
    """Return the drives in ``root``, oldest first."""
    found = [(DRIVE.fullmatch(path.name), path) for path in root.iterdir()]
    drives = [(int(match[1]), path) for match, path in found if match and path.is_dir()]
    return [path for _, path in sorted(drives)]


def parts(drive: Path) -> List[Tuple[Path, ...]]:
    """Return the files of a drive that belong together, oldest first."""
    together: Dict[int, List[Path]] = {}
    for path in drive.iterdir():
        match = PART.fullmatch(path.name)
        if match:
            together.setdefault(int(match[1]), []).append(path)
    return [tuple(sorted(together[number])) for number in sorted(together)]


def make_room(root: Path, max_bytes: int, free_bytes: int) -> None:
    """Delete the oldest parts until the drives are small enough and enough of the disk is free.

    Raises:
        OSError: that would not be enough, so that nothing was deleted for it; or it failed.
    """
    found = [part for drive in drive_folders(root) for part in parts(drive)]
    sized = [(sum(path.stat().st_size for path in part), part) for part in found]
    total = sum(size for size, _ in sized)
    missing = free_bytes - shutil.disk_usage(root).free
    if missing > total:
        raise OSError(f"less than {free_bytes >> 20} MiB are free on the disk of {root}")
    excess = max(missing, total - max_bytes)
    for size, part in sized:
        if excess <= 0:
            return
        for path in part:
            path.unlink()
        excess -= size
        with suppress(OSError):  # it holds more
            part[0].parent.rmdir()


def _new_drive(root: Path) -> Path:
    try:
        root.mkdir(parents=True, exist_ok=True)
        while True:
            last = [int(path.name.partition("-")[0]) for path in drive_folders(root)[-1:]]
            number = 1 + max(last, default=0)
            path = root / f"{number:04d}-{datetime.now(timezone.utc):%Y%m%d-%H%M%S}"
            try:
                path.mkdir()
            except FileExistsError:
                continue  # another program was quicker
            return path
    except OSError as error:
        raise ConfigError(
            f"log: drives cannot be written to '{root}' ({error.strerror}); give a folder that "
            "this user may write to, or none to keep no log."
        ) from None
