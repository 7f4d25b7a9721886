"""Reads what `deepracer_car.drive_log` wrote, as far as it is whole."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

import cv2
import numpy as np
import numpy.typing as npt

from deepracer_car.actuation import Command
from deepracer_car.drive_log import FORMAT, FRAMES, LINES, drive_folders, parts
from deepracer_car.errors import ConfigError
from deepracer_car.safety import Event, State


class Picture(NamedTuple):
    """Where the picture of a record lies.

    Attributes:
        file: that holds it.
        offset: of its first byte.
        size: bytes.
        crc32: of them.
        shape: of the observation.
    """

    file: Path
    offset: int
    size: int
    crc32: int
    shape: Tuple[int, int, int]

    def load(self) -> Optional[npt.NDArray[np.uint8]]:
        """Return the observation as the network saw it; None if it is damaged or gone."""
        try:
            with self.file.open("rb") as file:
                file.seek(self.offset)
                data = file.read(self.size)
        except (OSError, ValueError):
            return None
        if len(data) != self.size or zlib.crc32(data) != self.crc32:
            return None
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_GRAYSCALE)
        if pixels is None or pixels.size != np.prod(self.shape):
            return None
        return np.asarray(pixels, dtype=np.uint8).reshape(self.shape)


class Record(NamedTuple):
    """A decision; times are s of the car's clock.

    Attributes:
        number: of the decision in its drive, from 1; those that are missing were lost.
        received: when the picture came.
        started: when it was its turn.
        sent: when the command had been sent.
        skipped: pictures before it that were never decided on.
        event: a good decision, or what was wrong.
        detail: in words.
        state: of the car after it.
        model: name of who decided.
        steering_angle: decided, rad; NaN if nothing was.
        speed: decided, m/s; NaN if nothing was.
        command: what was sent.
        picture: what the network saw; None if there was nothing to see.
    """

    number: int
    received: float
    started: float
    sent: float
    skipped: int
    event: Event
    detail: str
    state: State
    model: str
    steering_angle: float
    speed: float
    command: Command
    picture: Optional[Picture]


class StateChange(NamedTuple):
    """A state that was entered.

    Attributes:
        time: s of the car's clock.
        before: the state that was left.
        state: the state that was entered.
        reason: why, in words.
    """

    time: float
    before: State
    state: State
    reason: str


@dataclass(frozen=True)
class Drive:
    """A drive.

    Attributes:
        path: its folder.
        began: date and time, UTC, as the car's computer had it.
        records: its decisions, oldest first.
        changes: its changes of state, oldest first.
        damaged: lines that could not be read.
    """

    path: Path
    began: str
    records: List[Record]
    changes: List[StateChange]
    damaged: int

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.resolve().name

    @property
    def seconds(self) -> float:
        """From the first picture to the last command."""
        return self.records[-1].sent - self.records[0].received if self.records else 0.0

    @property
    def lost(self) -> int:
        """Decisions missing between the first and the last."""
        if not self.records:
            return 0
        return self.records[-1].number - self.records[0].number + 1 - len(self.records)

    def pictures(self) -> Iterator[Tuple[Record, npt.NDArray[np.uint8]]]:
        """Go through the records whose picture can be read, with it."""
        for record in self.records:
            observation = record.picture.load() if record.picture else None
            if observation is not None:
                yield record, observation


def read_drive(path: Path | str) -> Drive:
    """Read a drive; of a folder of drives, the newest one.

    Raises:
        ConfigError: there is no drive, or none that this version can read.
    """
    folder = find_drives(path)[-1]
    drive = Drive(folder, "", [], [], 0)
    began, damaged = "", 0
    for part in parts(folder):
        for file in part:
            if file.suffix == LINES:
                date, failures = _read_lines(file, drive)
                began, damaged = began or date, damaged + failures
    if not drive.records and not drive.changes:
        raise ConfigError(f"{folder} holds no drive that can be read: no picture was decided on.")
    return Drive(folder, began, drive.records, drive.changes, damaged)


def find_drives(path: Path | str) -> List[Path]:
    """Return the drives of a log folder, oldest first; a drive's own folder is the only one.

    Raises:
        ConfigError: there is none.
    """
    folder = Path(path)
    try:
        found = [drive for drive in (folder, *drive_folders(folder)) if parts(drive)]
    except OSError as error:
        raise ConfigError(f"There is no drive log '{path}' ({error.strerror}).") from None
    if not found:
        raise ConfigError(
            f"'{path}' holds no drive: give the folder that the car's node has as parameter 'log', "
            "or one of the folders in it, such as 0001-20260131-142501."
        )
    return found


def _read_lines(file: Path, drive: Drive) -> Tuple[str, int]:
    """Add what ``file`` holds to ``drive``; returns its date and the number of bad lines."""
    began, damaged = "", 0
    frames = file.with_suffix(FRAMES)
    for text in file.read_bytes().splitlines():
        try:
            line = json.loads(text)
            if "frame" in line:
                drive.records.append(_record(line, frames))
            elif "before" in line:
                drive.changes.append(_change(line))
            else:
                began = _date(line, file)
        except (ValueError, KeyError, TypeError, RecursionError):
            damaged += 1
    return began, damaged


def _date(header: Dict[str, Any], file: Path) -> str:
    if header["format"] != FORMAT:
        raise ConfigError(
            f"{file} is of format {header['format']!r}; this version reads format {FORMAT}. "
            "Read it with the version that wrote it."
        )
    return str(header["utc"])


def _record(line: Dict[str, Any], frames: Path) -> Record:
    place = line.get("picture")
    return Record(
        int(line["frame"]),
        float(line["received"]),
        float(line["started"]),
        float(line["sent"]),
        int(line["skipped"]),
        Event(line["event"]),
        str(line["detail"]),
        State(line["state"]),
        str(line["model"]),
        _number(line["steering_angle"]),
        _number(line["speed"]),
        Command(*(float(value) for value in line["command"])),
        place and _picture(place, frames),
    )


def _picture(place: Dict[str, Any], frames: Path) -> Picture:
    channels, rows, columns = (int(size) for size in place["shape"])
    shape = channels, rows, columns
    return Picture(frames, int(place["offset"]), int(place["bytes"]), int(place["crc32"]), shape)


def _change(line: Dict[str, Any]) -> StateChange:
    before, state = State(line["before"]), State(line["state"])
    return StateChange(float(line["time"]), before, state, str(line["reason"]))


def _number(value: Any) -> float:
    return nan if value is None else float(value)
