"""Another model looks at what a car saw: would it have decided the same?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from math import degrees
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deepracer_agent.drive_log_summary import beginning
from deepracer_agent.evaluation import find_model, load_policy
from deepracer_agent.training import RUNS
from deepracer_car.action_space import ActionSpace
from deepracer_car.drive_records import Drive, Record
from deepracer_car.errors import ConfigError, NotANumberError
from deepracer_car.observation import OBSERVATION_HEIGHT, OBSERVATION_WIDTH
from deepracer_car.policy import Policy

BATCH = 64
WORST = 5
"""Pictures that are named."""
SAME = 1e-3
"""Decisions that differ by no more are the same, rad and m/s: runtimes round differently."""


@dataclass(frozen=True)
class Replay:
    """Decisions of two models on the same pictures, in order.

    Attributes:
        drive: the drive that was replayed.
        model: name of the model that looked at it again.
        records: the decisions on the N pictures that could be read.
        recorded: (N, 2) steering angle, rad, and speed, m/s, as decided on the car; NaN where
            nothing was.
        replayed: (N, 2) the same of the model; NaN where it answered with no number.
        unreadable: pictures that are damaged or of another shape than the model takes.
    """

    drive: Drive
    model: str
    records: list[Record]
    recorded: npt.NDArray[np.float64]
    replayed: npt.NDArray[np.float64]
    unreadable: int

    @property
    def differences(self) -> npt.NDArray[np.float64]:
        """(N, 2) replayed minus recorded; NaN where one of them decided nothing."""
        return self.replayed - self.recorded

    def to_json(self) -> dict[str, Any]:
        """How far the two agree, as plain values."""
        apart = np.abs(self.differences)
        compared = np.isfinite(apart).all(axis=1)
        apart = apart[compared]
        same = (apart <= SAME).all(axis=1)
        return {
            "drive": self.drive.name,
            "recorded_models": list(dict.fromkeys(r.model for r in self.records)),
            "model": self.model,
            "frames": len(self.records),
            "unreadable": self.unreadable,
            "compared": int(compared.sum()),
            "not_a_number": int(np.isnan(self.replayed).any(axis=1).sum()),
            "same": int(same.sum()),
            "same_share": round(float(same.mean()), 4) if same.size else None,
            "steering_angle_degrees": _sizes(np.degrees(apart[:, 0])),
            "speed": _sizes(apart[:, 1]),
            "worst": [self._described(index) for index in self._worst()],
        }

    def _worst(self) -> list[int]:
        """Where the wheels would have been turned most differently."""
        apart = np.abs(self.differences)
        size = np.nan_to_num(apart[:, 0] + 0.1 * apart[:, 1], nan=0.0)
        order = np.argsort(-size, kind="stable")[:WORST]
        return [int(index) for index in order if apart[index].max() > SAME]

    def _described(self, index: int) -> dict[str, Any]:
        record = self.records[index]
        (old_angle, old_speed), (angle, speed) = self.recorded[index], self.replayed[index]
        return {
            "frame": record.number,
            "time": round(record.received - beginning(self.drive), 3),
            "recorded": {"steering_angle": round(degrees(old_angle), 2), "speed": old_speed},
            "replayed": {"steering_angle": round(degrees(angle), 2), "speed": speed},
        }


def replay(drive: Drive, model: str, *, checkpoint: str = "best", root: Path = RUNS) -> Replay:
    """Show the pictures of ``drive`` to a model.

    Args:
        drive: what a car saw and did.
        model: see `deepracer_agent.evaluation.find_model`.
        checkpoint: of a run: ``best``, ``last`` or a number.
        root: folder of all runs.

    Raises:
        DeepRacerError: there is no such model, or no picture that it could look at.
    """
    found = find_model(model, checkpoint, root)
    if found.metadata.lidar:
        raise ConfigError(
            f"{found.name} looks through a {found.metadata.lidar} too, and the drive log holds "
            "pictures only; give a model with cameras alone."
        )
    shape = (found.metadata.camera_channels, OBSERVATION_HEIGHT, OBSERVATION_WIDTH)
    policy, space = load_policy(found), found.metadata.action_space
    records: list[Record] = []
    decisions: list[npt.NDArray[np.float64]] = []
    seen = ((record, look) for record, look in drive.pictures() if look.shape == shape)
    while batch := list(islice(seen, BATCH)):
        records += [record for record, _ in batch]
        decisions.append(_decide(policy, space, np.stack([look for _, look in batch])))
    if not records:
        raise ConfigError(
            f"{drive.path} holds no picture of the shape {shape} that {found.name} looks at; there "
            "is nothing to replay."
        )
    recorded = np.array([(r.steering_angle, r.speed) for r in records])
    missing = len(drive.records) - len(records)
    return Replay(drive, found.name, records, recorded, np.concatenate(decisions), missing)


def _decide(
    policy: Policy, space: ActionSpace, pictures: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float64]:
    try:
        return space.decode(policy.predict(pictures))
    except NotANumberError:
        if len(pictures) == 1:
            return np.full((1, 2), np.nan)
        # Which of them it is, the policy does not say.
        return np.concatenate([_decide(policy, space, picture[None]) for picture in pictures])


def write_table(path: Path, replay: Replay) -> None:
    """Write both decisions on every picture as a CSV file.

    Raises:
        ConfigError: it cannot be written.
    """
    lines = ["frame,time,steering_angle,speed,replayed_steering_angle,replayed_speed"]
    start = beginning(replay.drive)
    both = np.hstack([replay.recorded, replay.replayed])
    both[:, ::2] = np.degrees(both[:, ::2])
    for record, values in zip(replay.records, both, strict=True):
        numbers = ",".join("" if np.isnan(value) else f"{value:.6g}" for value in values)
        lines.append(f"{record.number},{record.received - start:.4f},{numbers}")
    try:
        path.write_text("\n".join(lines) + "\n", encoding="ascii")
    except OSError as error:
        raise ConfigError(f"Cannot write {path}: {error.strerror}.") from error


def _sizes(values: npt.NDArray[np.float64]) -> dict[str, float] | None:
    if not values.size:
        return None
    return {"mean": round(float(values.mean()), 4), "max": round(float(values.max()), 4)}
