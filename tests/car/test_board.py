"""What the car's computer tells, and what its service manager is told."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from deepracer_car.board import NOTIFY_SOCKET, notify, temperature


def test_the_warmest_sensor_counts_and_a_broken_one_does_not(tmp_path: Path) -> None:
    assert temperature(tmp_path) is None
    for number, text in enumerate(["41000\n", "63500\n", "", "hot"]):
        zone = tmp_path / f"thermal_zone{number}"
        zone.mkdir()
        (zone / "temp").write_text(text)
    (tmp_path / "thermal_zone9").mkdir()
    assert temperature(tmp_path) == 63.5


@pytest.mark.parametrize("kind", ["file", "abstract"])
def test_the_service_manager_hears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name if kind == "abstract" else name)
        manager.settimeout(20.0)
        monkeypatch.setenv(NOTIFY_SOCKET, "@" + name if kind == "abstract" else name)
        assert notify("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_without_a_service_manager_nobody_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(NOTIFY_SOCKET, raising=False)
    assert not notify("READY=1")
    monkeypatch.setenv(NOTIFY_SOCKET, str(tmp_path / "gone"))
    assert not notify("READY=1")
