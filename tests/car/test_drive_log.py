"""The drive log: what goes in comes out, whatever the disk, a crash or the queue does to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepracer_car import drive_log
from deepracer_car.actuation import NEUTRAL, Command
from deepracer_car.decision import Answer, Decision, Frame
from deepracer_car.drive_log import FRAMES, LINES, DriveLog, drive_folders, parts
from deepracer_car.drive_records import find_drives, read_drive
from deepracer_car.errors import ConfigError
from deepracer_car.safety import Change, Event, State

NOISE = np.random.default_rng(0)


def picture(shape: tuple[int, ...] = (1, 120, 160)) -> Any:
    return NOISE.integers(0, 256, shape, dtype=np.uint8)


def decision(number: int = 0, observation: Any = None, **changed: Any) -> Decision:
    """A good one; ``number`` makes it unlike the others."""
    time = 100.0 + number / 30.0
    usual = Decision(
        Frame("a message", time, number % 3),
        Answer(Event.DECISION, "", observation, np.array([number]), 0.01 * number, 1.5),
        Event.DECISION,
        State.DRIVING,
        Command(0.01 * number, 1.5, 0.1, 0.25),
        time + 0.001,
        time + 0.004,
        "champion:7",
    )
    return usual._replace(**changed)


def wait_for(fulfilled: Callable[[], bool]) -> None:
    for _ in range(2000):
        if fulfilled():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize("shape", [(1, 120, 160), (2, 120, 160), (1, 84, 84)])
def test_what_goes_in_comes_out(tmp_path: Path, shape: tuple[int, ...]) -> None:
    pictures = [picture(shape) for _ in range(40)]
    log = DriveLog(tmp_path / "deep" / "log")
    for number, observation in enumerate(pictures):
        log.record(decision(number, observation))
    log.close()
    assert (log.lost, log.problem) == (0, None)
    drive = read_drive(tmp_path / "deep" / "log")
    assert (drive.path, drive.lost, drive.damaged) == (log.path, 0, 0)
    assert drive.seconds == pytest.approx(39 / 30 + 0.004)
    assert drive.began.startswith("20")
    for number, (record, observation) in enumerate(drive.pictures()):
        np.testing.assert_array_equal(observation, pictures[number])
        expected = decision(number)
        assert record.number == number + 1
        assert (record.received, record.started) == (expected.frame.received, expected.started)
        assert (record.sent, record.skipped) == (expected.sent, number % 3)
        assert (record.event, record.state) == (Event.DECISION, State.DRIVING)
        assert (record.steering_angle, record.speed) == (0.01 * number, 1.5)
        assert (record.command, record.model) == (expected.command, "champion:7")
    assert number == len(pictures) - 1


def test_faults_are_kept_too(tmp_path: Path) -> None:
    fault = Answer(Event.EXCEPTION, "ConfigError: größer als\nerlaubt", None, None, nan, nan)
    log = DriveLog(tmp_path)
    log.record(decision(1, None, answer=fault, event=Event.EXCEPTION, command=NEUTRAL))
    odd = Answer(Event.NOT_A_NUMBER, "", picture(), np.array([[nan, np.inf]]), nan, 1.0)
    log.record(decision(2, None, answer=odd, event=Event.NOT_A_NUMBER, state=State.STOPPED))
    log.note(Change(3.0, State.DRIVING, State.STOPPED, Event.STALE_FRAME, "stale frame: none"))
    log.close()
    drive = read_drive(log.path)
    first, second = drive.records
    assert (first.event, first.detail) == (Event.EXCEPTION, fault.detail)
    assert isnan(first.steering_angle)
    assert isnan(first.speed)
    assert first.picture is None
    assert (second.event, second.state) == (Event.NOT_A_NUMBER, State.STOPPED)
    assert second.picture is not None
    (change,) = drive.changes
    assert change == (3.0, State.DRIVING, State.STOPPED, "stale frame: none")
    for line in (log.path / "0001.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_a_camera_may_use_its_memory_again(tmp_path: Path) -> None:
    shared = np.zeros((1, 120, 160), dtype=np.uint8)
    log = DriveLog(tmp_path)
    for value in range(20):
        shared[:] = value
        log.record(decision(value, shared))
    log.close()
    assert [int(seen.max()) for _, seen in read_drive(tmp_path).pictures()] == list(range(20))


def test_a_new_drive_has_a_folder_and_a_number_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "0017-19991231-235959").mkdir()  # The clock of a car without a battery.
    for _ in range(3):
        log = DriveLog(tmp_path)
        log.record(decision())
        log.close()
    names = [path.name[:4] for path in find_drives(tmp_path)]
    assert names == ["0018", "0019", "0020"]
    assert read_drive(tmp_path).path.name.startswith("0020")
    assert read_drive(find_drives(tmp_path)[0]).path.name.startswith("0018")


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_log_stays_small_and_keeps_the_newest(tmp_path: Path) -> None:
    foreign = tmp_path / "0001-20260101-000000"
    foreign.mkdir()
    (foreign / "precious.txt").write_text("x")
    sizes = {"max_bytes": 600_000, "part_bytes": 100_000}
    for start in (0, 100):
        log = DriveLog(tmp_path, waiting=1000, **sizes)
        for number in range(start, start + 100):
            log.record(decision(number, picture()))
        log.close()
        assert size(tmp_path) <= 620_000, "one decision more than was asked for, per part"
    drive = read_drive(tmp_path)
    numbers = [record.number for record in drive.records]
    assert numbers == list(range(numbers[0], 101))
    assert len(numbers) >= 20
    assert drive.lost == 0, "what was deleted is not lost"
    assert len([seen for _, seen in drive.pictures()]) == len(numbers)
    assert drive_folders(tmp_path) == [foreign, log.path], "an empty one is gone"
    assert (foreign / "precious.txt").exists()


class Stuck:
    """A disk that hangs until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        write = drive_log._write_all

        def hang(file: Any, data: bytes) -> None:
            assert self.go.wait(60.0)
            write(file, data)

        monkeypatch.setattr(drive_log, "_write_all", hang)


def test_a_slow_disk_loses_decisions_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Stuck(monkeypatch)
    log = DriveLog(tmp_path, waiting=10)
    log.record(decision(0))
    wait_for(log._waiting.empty)
    for number in range(1, 31):  # Nothing of this waits for the disk.
        log.record(decision(number))
    assert log.lost == 20
    disk.go.set()
    wait_for(log._waiting.empty)
    log.record(decision(31))
    log.close()
    drive = read_drive(tmp_path)
    assert [record.number for record in drive.records] == [*range(1, 12), 32]
    assert drive.lost == 20


def test_the_end_does_not_wait_for_a_disk_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Stuck(monkeypatch)
    monkeypatch.setattr(drive_log, "CLOSE_SECONDS", 0.05)
    log = DriveLog(tmp_path)
    log.record(decision())
    log.close()
    assert log._thread.is_alive()
    disk.go.set()
    log._thread.join(60.0)
    assert len(read_drive(tmp_path).records) == 1, "it ends in order when it can"


def test_a_disk_that_takes_a_piece_at_a_time_gets_all() -> None:
    class Piecemeal:
        def __init__(self) -> None:
            self.got = b""

        def write(self, data: bytes) -> int:
            self.got += data[:7]
            return len(data[:7])

    file = Piecemeal()
    drive_log._write_all(file, bytes(range(100)))  # type: ignore[arg-type]
    assert file.got == bytes(range(100))


def test_a_full_disk_is_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, full = drive_log._write_all, threading.Event()

    def refuse(file: Any, data: bytes) -> None:
        if full.is_set():
            file.write(data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        write(file, data)

    monkeypatch.setattr(drive_log, "_write_all", refuse)
    monkeypatch.setattr(drive_log, "RETRY_SECONDS", 0.0)
    log = DriveLog(tmp_path)
    log.record(decision(0, picture()))
    lines = log.path / "0001.jsonl"
    wait_for(lambda: lines.exists() and lines.read_bytes().count(b"\n") == 2)
    full.set()
    log.record(decision(1, picture()))
    wait_for(lambda: log.problem is not None)
    assert "No space left" in str(log.problem)
    full.clear()
    log.record(decision(2, picture()))
    log.close()
    assert (log.problem, log.lost) == (None, 1)
    drive = read_drive(tmp_path)
    assert [record.number for record in drive.records] == [1, 3]
    assert len(list(drive.pictures())) == 2


def test_others_keep_room_on_the_disk(tmp_path: Path) -> None:
    old = DriveLog(tmp_path)
    old.record(decision(0, picture()))
    old.close()
    log = DriveLog(tmp_path, free_bytes=1 << 60)
    log.record(decision())
    log.close()
    assert "are free on the disk" in str(log.problem)
    assert log.lost == 1
    assert len(read_drive(old.path).records) == 1, "nothing is deleted for what cannot be reached"


@pytest.mark.parametrize("name", ["file", "file/log"])
def test_a_folder_that_cannot_be_written_to_is_told_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="give a folder that this user may write to"):
        DriveLog(tmp_path / name)
    with pytest.raises(ConfigError, match="at least two parts"):
        DriveLog(tmp_path, max_bytes=10)


KILLED = """
import sys, time
import numpy as np
sys.path.insert(0, sys.argv[2])
from test_drive_log import decision, picture
from deepracer_car.drive_log import DriveLog
log = DriveLog(sys.argv[1])
for number in range(100000):
    log.record(decision(number, picture()))
    time.sleep(0.001)
"""


def test_what_a_killed_program_leaves_can_be_read(tmp_path: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        wait_for(lambda: program.poll() is not None or size(tmp_path) > 1_000_000)
        program.send_signal(signal.SIGKILL)
    finally:
        program.wait(60.0)
    drive = read_drive(tmp_path)
    assert len(drive.records) > 40
    assert (drive.damaged, drive.lost) in ((0, 0), (1, 0))
    assert len(list(drive.pictures())) == len(drive.records)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    log = DriveLog(root)
    for number in range(8):
        log.record(decision(number, picture((1, 12, 16))))
    log.close()
    return log.path


@given(data=st.data())
def test_damage_costs_what_is_damaged(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Cut off anywhere, as by a power cut, or with a byte turned round."""
    folder = tmp_path_factory.mktemp("damaged") / whole.name
    folder.mkdir()
    contents = {file.name: bytearray(file.read_bytes()) for file in whole.iterdir()}
    name = data.draw(st.sampled_from(sorted(contents)))
    place = data.draw(st.integers(0, len(contents[name]) - 1))
    if data.draw(st.booleans()):
        del contents[name][place:]
    else:
        contents[name][place] ^= data.draw(st.integers(1, 255))
    for file, content in contents.items():
        (folder / file).write_bytes(content)
    try:
        drive = read_drive(folder)
    except ConfigError:
        assert name.endswith(LINES), "no line is left, or it is of another format"
        return
    originals = [seen for _, seen in read_drive(whole).pictures()]
    for record, seen in drive.pictures():
        assert any(np.array_equal(seen, original) for original in originals), record
    if name.endswith(FRAMES):
        assert len(drive.records) == 8


def test_a_log_of_a_later_version_is_refused(whole: Path, tmp_path: Path) -> None:
    header, *rest = (whole / "0001.jsonl").read_text().splitlines()
    later = json.dumps({**json.loads(header), "format": 2})
    (tmp_path / "0001.jsonl").write_text("\n".join([later, *rest]))
    with pytest.raises(ConfigError, match="this version reads format 1"):
        read_drive(tmp_path)


def test_no_drive_is_told_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no drive: give the folder"):
        read_drive(tmp_path)
    with pytest.raises(ConfigError, match=r"There is no drive log .*No such file"):
        read_drive(tmp_path / "nowhere")
    log = DriveLog(tmp_path)
    log.close()
    with pytest.raises(ConfigError, match="holds no drive"):
        read_drive(tmp_path)
    assert parts(log.path) == []
