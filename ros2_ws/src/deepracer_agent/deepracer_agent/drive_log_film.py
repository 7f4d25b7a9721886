"""A film of a drive of a car: what the network saw, what it decided and what was sent."""

from __future__ import annotations

from collections.abc import Iterator
from math import degrees, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from deepracer_agent.drive_log_summary import beginning
from deepracer_car.drive_records import Drive, Record
from deepracer_car.errors import ConfigError
from deepracer_car.safety import State
from deepracer_car.spec import CarSpec
from deepracer_sim.film import HEIGHT, WIDTH, write_film
from deepracer_sim.lettering import blend, rounded, write

if TYPE_CHECKING:
    from deepracer_agent.drive_log_replay import Replay

Pixels = npt.NDArray[np.uint8]

FPS = 30
LONGEST_PAUSE = 2.0
"""Of the film, s: a longer time without pictures is cut."""
VIEW_WIDTH = 960
LEFT, RIGHT = VIEW_WIDTH + 24, WIDTH - 24
GROUND, RAIL = (20, 24, 28), (58, 66, 74)
WHITE, SOFT = (255, 255, 255), (168, 178, 188)
DECIDED, OTHER = (255, 122, 24), (64, 176, 255)
COLORS = {State.DRIVING: (86, 200, 110), State.ARMED: (240, 200, 60), State.DISARMED: SOFT}
STANDING = (240, 80, 70)
"""Colour of the states in which something is wrong."""


def film_drive(path: Path, drive: Drive, replay: Replay | None = None) -> None:
    """Write a film of ``drive`` in its own time to an ``.mp4`` or a ``.gif``.

    Args:
        path: the file, which appears when it is complete.
        drive: what a car saw and did.
        replay: decisions of another model, to be shown beside those of the drive.

    Raises:
        ConfigError: another file ending, no picture can be read, or PyAV is not installed.
    """
    if not any(record.picture and record.picture.load() is not None for record in drive.records):
        raise ConfigError(f"{drive.path} holds no picture that can be read.")
    write_film(path, _frames(drive, replay), FPS)


def _frames(drive: Drive, replay: Replay | None) -> Iterator[Pixels]:
    """As many of each picture as it stayed the newest one; none where newer ones came at once."""
    others = {}
    if replay is not None:
        pairs = zip(replay.records, replay.replayed.tolist(), strict=True)
        others = {record.number: decision for record, decision in pairs}
    start, cut, shown = beginning(drive), 0.0, 0
    previous: Pixels | None = None
    last = start
    for record, observation in drive.pictures():
        time = record.received - start
        cut += max(record.received - last - LONGEST_PAUSE, 0.0)
        last = record.received
        until = round((time - cut) * FPS)
        while previous is not None and shown < until:
            yield previous
            shown += 1
        previous = _compose(record, observation, time, others.get(record.number), replay)
    assert previous is not None
    yield previous


def _compose(
    record: Record, observation: Pixels, time: float, other: Any, replay: Replay | None
) -> Pixels:
    picture = np.empty((HEIGHT, WIDTH, 3), dtype=np.uint8)
    picture[:] = GROUND
    _put_view(picture, observation)
    middle = (LEFT + RIGHT) // 2
    write(picture, f"{time:.2f} s", (LEFT, 66), 30.0)
    write(picture, f"FRAME {record.number}", (LEFT, 92), 9.0, SOFT)
    _state(picture, record)
    steer, speed = record.steering_angle, record.speed
    full = CarSpec()
    _row(picture, 250, "STEERING", f"{degrees(steer):+.1f} deg" if isfinite(steer) else "-")
    _bar(picture, 264, -steer / full.max_steering_angle, DECIDED, is_centred=True)
    _row(picture, 330, "SPEED", f"{speed:.2f} m/s" if isfinite(speed) else "-")
    _bar(picture, 344, speed / full.max_speed, DECIDED)
    if other is not None:
        _bar(picture, 276, -other[0] / full.max_steering_angle, OTHER, is_centred=True)
        _bar(picture, 356, other[1] / full.max_speed, OTHER)
    _row(picture, 430, "SENT: ANGLE", f"{record.command.angle:+.2f}")
    _bar(picture, 444, -record.command.angle, WHITE, is_centred=True)
    _row(picture, 500, "SENT: THROTTLE", f"{record.command.throttle:+.2f}")
    _bar(picture, 514, record.command.throttle, WHITE, is_centred=record.command.throttle < 0.0)
    _row(picture, 580, "LATENCY", f"{1e3 * (record.sent - record.received):.1f} ms")
    write(picture, _short(record.model), (LEFT, 660), 10.0, DECIDED)
    if replay is not None:
        write(picture, _short(replay.model), (LEFT, 684), 10.0, OTHER)
    if record.skipped:
        write(picture, f"{record.skipped} SKIPPED", (middle, 620), 9.0, SOFT, "middle")
    return picture


def _put_view(picture: Pixels, observation: Pixels) -> None:
    """What the network saw, both cameras of a pair beside each other."""
    wide = np.hstack(list(observation))
    scale = min(VIEW_WIDTH / wide.shape[1], HEIGHT / wide.shape[0])
    size = round(wide.shape[1] * scale), round(wide.shape[0] * scale)
    large = cv2.resize(wide, size, interpolation=cv2.INTER_NEAREST)
    top = (HEIGHT - size[1]) // 2
    picture[top : top + size[1], : size[0]] = np.asarray(large, np.uint8)[..., np.newaxis]


def _state(picture: Pixels, record: Record) -> None:
    color = COLORS.get(record.state, STANDING)
    write(picture, record.state.value.upper(), (LEFT, 150), 16.0, color)
    if record.state is not State.DRIVING and record.event.value != "good decision":
        write(picture, _short(record.event.value), (LEFT, 176), 10.0, color)


def _row(picture: Pixels, base: int, name: str, value: str) -> None:
    write(picture, name, (LEFT, base), 9.0, SOFT)
    write(picture, value, (RIGHT, base), 9.0, WHITE, "right")


def _bar(
    picture: Pixels, top: int, share: float, color: tuple[int, int, int], is_centred: bool = False
) -> None:
    """A bar from the left end, or the middle, of its rail; none for what is no number."""
    width = RIGHT - LEFT
    blend(picture, rounded(width, 8, 4), LEFT, top, RAIL)
    if is_centred:
        middle = LEFT + width // 2
        picture[top - 2 : top + 10, middle - 1 : middle + 1] = SOFT
    if not isfinite(share):
        return
    zero = 0.5 if is_centred else 0.0
    end = zero + (1.0 - zero) * min(max(share, -1.0), 1.0)
    low, high = (round(place * width) for place in sorted((zero, min(max(end, 0.0), 1.0))))
    if high - low >= 8:
        blend(picture, rounded(high - low, 8, 4), LEFT + low, top, color)


def _short(text: str) -> str:
    """As much of ``text`` as there is room for, in letters that can be drawn."""
    return text.encode("ascii", "replace").decode()[-30:]
