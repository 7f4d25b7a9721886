"""The computer on the car: how warm it is, and the service manager that looks after us."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Optional

THERMAL_ZONES = Path("/sys/class/thermal")
NOTIFY_SOCKET = "NOTIFY_SOCKET"
"""Where systemd wants to be told, when it runs us."""


def temperature(zones: Path = THERMAL_ZONES) -> Optional[float]:
    """Return the temperature of the warmest sensor, degrees Celsius; None if none can be read."""
    readings = []
    for file in zones.glob("thermal_zone*/temp"):
        try:
            readings.append(int(file.read_text(encoding="ascii")) / 1000.0)
        except (OSError, ValueError):
            continue
    return max(readings, default=None)


def notify(message: str) -> bool:
    """Tell systemd, such as ``READY=1`` or ``WATCHDOG=1``; returns whether it was told."""
    address = os.environ.get(NOTIFY_SOCKET)
    if not address:
        return False
    # An address that begins with @ is in the abstract namespace: there, with a zero.
    address = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto(message.encode("ascii"), address)
    except OSError:
        return False
    return True
