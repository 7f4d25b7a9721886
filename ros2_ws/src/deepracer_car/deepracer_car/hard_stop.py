"""Stop the car without ROS: cut the power of servo and motor, and put neutral pulses out.

For when nothing else can: ``python3 -m deepracer_car.hard_stop``, as root, on the car. It writes
what the kernel offers, a gate to the power (which the Raspberry Pi builds do not have) and the
channels of the PWM board, and needs nothing but Python.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import List

from deepracer_car.calibration import FILE, Calibration
from deepracer_car.errors import ConfigError

SYSTEM = Path("/")
GATES = (436, 514)
"""GPIO of the power gate: on Ubuntu 20.04, and on 24.04."""
CUT = 1
MOTOR, STEERING = 0, 1
"""Channels of the PWM board."""
BOARD_CHANNELS = 16
"""A PWM chip with fewer is another one, such as that of the processor."""


def hard_stop(system: Path = SYSTEM) -> List[str]:
    """Cut and put neutral whatever there is.

    Args:
        system: the root of the file system.

    Returns:
        What was written, in words; a part that failed says why.
    """
    kernel = system / "sys" / "class"
    told = [
        _write(value, CUT)
        for value in (kernel / "gpio" / f"gpio{gate}" / "value" for gate in GATES)
        if value.exists()
    ]
    calibration = _calibration(system)
    neutral = {MOTOR: calibration.motor.mid, STEERING: calibration.servo.mid}
    for chip in sorted(kernel.glob("pwm/pwmchip*")):
        if _channels(chip) >= BOARD_CHANNELS:
            told += [_write(chip / f"pwm{n}" / "duty_cycle", ns) for n, ns in neutral.items()]
    return told


def _calibration(system: Path) -> Calibration:
    try:
        return Calibration.load(system / FILE.relative_to("/"))
    except ConfigError:
        return Calibration()


def _channels(chip: Path) -> int:
    try:
        return int((chip / "npwm").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _write(file: Path, value: int) -> str:
    try:
        with file.open("r+", encoding="ascii") as out:  # which does not make a file
            out.write(f"{value}\n")
    except OSError as error:
        return f"{file}: FAILED, {error.strerror}"
    return f"{file}: {value}"


def main(system: Path = SYSTEM) -> int:
    """Stop the car; returns 0 if all that is there was written."""
    told = hard_stop(system)
    for line in told or ["There is neither a power gate nor a PWM board: is this the car?"]:
        sys.stderr.write(f"hard stop: {line}\n")
    return 0 if told and not any("FAILED" in line for line in told) else 1


if __name__ == "__main__":
    raise SystemExit(main())
