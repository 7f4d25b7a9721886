"""The car's calibration: which pulses mean straight, full left, stop and full speed.

The file is the one that the car's own software reads and writes, and the pulses are those that its
servo node makes of a command, so that what we plan is what the car does.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from math import isnan
from pathlib import Path
from typing import Any, Dict, Optional

from deepracer_car.errors import ConfigError

FILE = Path("/opt/aws/deepracer/calibration.json")
"""Where the car keeps it."""
PERIOD = 20_000_000
"""From one pulse to the next, ns."""
VERSION = 1
"""Without it, a car replaces the file by its defaults."""

_KEYS = ("max", "mid", "min", "polarity")


@dataclass(frozen=True)
class Channel:
    """Pulses of the servo or of the motor, ns.

    Attributes:
        max: longest.
        mid: straight ahead, or a standstill.
        min: shortest.
        polarity: 1, or -1 where the shorter pulse means more.
    """

    max: int
    mid: int
    min: int
    polarity: int

    def __post_init__(self) -> None:
        for name in _KEYS:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise ConfigError(f"{name}: {value!r} given, a whole number is allowed")
        if not 0 < self.min < self.mid < self.max < PERIOD:
            raise ConfigError(
                f"min {self.min}, mid {self.mid}, max {self.max} given; they must grow in this "
                f"order, from above 0 to below {PERIOD} ns"
            )
        if self.polarity not in (-1, 1):
            raise ConfigError(f"polarity: {self.polarity} given, 1 or -1 is allowed")

    def pulse(self, value: float) -> Optional[int]:
        """Return the pulse for a command, ns; None if the car ignores it, being beyond [-1, 1].

        What is not a number means the middle to the car.
        """
        if isnan(value):
            return self.mid
        if not -1.0 <= value <= 1.0:
            return None
        share = value * self.polarity
        reach = self.max - self.mid if share > 0.0 else self.mid - self.min
        return int(self.mid + share * reach)


@dataclass(frozen=True)
class Calibration:
    """Both channels; by default those of a car that was never calibrated.

    Attributes:
        servo: 1 is full left.
        motor: 1 is full speed ahead.
    """

    servo: Channel = field(default_factory=lambda: Channel(1_700_000, 1_450_000, 1_200_000, 1))
    motor: Channel = field(default_factory=lambda: Channel(1_603_500, 1_446_000, 1_311_000, -1))

    @classmethod
    def load(cls, path: Path | str = FILE) -> Calibration:
        """Read a calibration file.

        Raises:
            ConfigError: it cannot be read, or holds something that cannot be used.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path}: is not valid JSON: {error}") from None
        try:
            channels = content["Calibration"]
            return cls(servo=_channel(channels["Servo"]), motor=_channel(channels["Motor"]))
        except (KeyError, TypeError):
            raise ConfigError(
                f'{path}: {{"Calibration": {{"Motor": ..., "Servo": ...}}}} is allowed, each with '
                f"{', '.join(_KEYS)}. `Calibration().save(path)` writes a file of defaults."
            ) from None
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    def save(self, path: Path | str = FILE) -> None:
        """Write a calibration file, whole or not at all, even if the power fails."""
        file, part = Path(path), Path(f"{path}.part")
        channels: Dict[str, Any] = {"Motor": asdict(self.motor), "Servo": asdict(self.servo)}
        content = {"Calibration": channels, "version": VERSION}
        with part.open("w", encoding="utf-8") as out:
            out.write(json.dumps(content, indent=4) + "\n")
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)

    def trimmed(self, trim: float) -> Calibration:
        """Return a calibration whose straight ahead is what ``trim`` of the full steering was.

        Args:
            trim: -1 to 1, exclusive; with it as ``steering_trim`` the car drove straight.
        """
        mid = self.servo.pulse(trim)
        if mid is None:
            raise ConfigError(f"trim: {trim:g} given, -1 to 1 is allowed")
        return replace(self, servo=replace(self.servo, mid=mid))


def _channel(content: Dict[str, Any]) -> Channel:
    return Channel(**{key: content[key] for key in _KEYS})
