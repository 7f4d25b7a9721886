"""The switch and the pulses of servo and motor as the car's kernel offers them, without any node.

For the moment when nothing else is left: whoever held the car is dead, and the last pulse stays.
"""

from __future__ import annotations

from pathlib import Path
from typing import List

from deepracer_car.calibration import Calibration

SYSTEM = Path("/sys")
SWITCHES = ("class/gpio/gpio436/value", "class/gpio/gpio514/value")
"""Of servo and motor, in Ubuntu 20.04 and in 24.04; a car with a Raspberry Pi has none."""
OFF = "1"
CONTROLLER = "class/pwm/pwmchip0"
MOTOR, SERVO = 0, 1
"""Channels of the pulse controller."""
CHANNELS = 16
"""A controller with fewer is none of a car's."""


def cut_power(system: Path = SYSTEM) -> List[str]:
    """Switch servo and motor off; returns what was done, in words."""
    return [f"{system / name}: off" for name in SWITCHES if _write(system / name, OFF)]


def stand(calibration: Calibration, system: Path = SYSTEM) -> List[str]:
    """Set the pulses of a car that stands, wheels straight; returns what was done, in words."""
    controller = system / CONTROLLER
    try:
        if int((controller / "npwm").read_text(encoding="ascii")) < CHANNELS:
            return []
    except (OSError, ValueError):
        return []
    pulses = {MOTOR: calibration.motor.mid, SERVO: calibration.servo.mid}
    files = {controller / f"pwm{channel}" / "duty_cycle": mid for channel, mid in pulses.items()}
    return [f"{file}: {mid} ns" for file, mid in files.items() if _write(file, str(mid))]


def _write(file: Path, content: str) -> bool:
    try:
        if not file.exists():
            return False
        file.write_text(content, encoding="ascii")
    except OSError:
        return False
    return True
