"""Run directories: names, status, locks and failures half-way."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepracer_agent import runs
from deepracer_agent.runs import BestResult, RunDirectory, RunStatus, list_runs, write_file
from deepracer_car.errors import RunError

HOLD_LOCK = """
import sys, time
from pathlib import Path
from deepracer_agent.runs import RunDirectory
with RunDirectory(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(60)
"""


def disk_full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_new_run_has_its_folders_and_first_files(tmp_path: Path) -> None:
    def write(new: RunDirectory) -> None:
        new.reward_function.write_text("def reward_function(params): return 1.0\n")
        new.model_metadata.write_text("{}")
        new.hyperparameters.write_text("{}")

    run = RunDirectory.create(tmp_path / "runs", "my.run_1-a", track="oval", write=write)
    assert run.path == tmp_path / "runs" / "my.run_1-a"
    assert run.reward_function.read_text().startswith("def")
    assert run.model_metadata.is_file()
    assert run.traces.is_dir()
    assert run.status.track == "oval"
    assert [p.name for p in run.path.parent.iterdir()] == ["my.run_1-a"]


def test_default_names_tell_track_and_time_and_never_collide(tmp_path: Path) -> None:
    made = [RunDirectory.create(tmp_path, track="tracks/Océan 1.npy") for _ in range(3)]
    assert len({run.name for run in made}) == 3
    assert all(run.name.startswith("tracks-Oc-an-1.npy-20") for run in made)


def test_a_taken_name_is_refused_and_nothing_lost(run: RunDirectory) -> None:
    before = (run.path / "status.json").read_bytes()
    with pytest.raises(RunError, match=r"already a run 'first'.*--resume.*--name"):
        RunDirectory.create(run.path.parent, "first", track="oval")
    assert (run.path / "status.json").read_bytes() == before


def test_the_loser_of_a_race_for_a_name_is_refused(tmp_path: Path) -> None:
    def meanwhile(_: RunDirectory) -> None:
        RunDirectory.create(tmp_path, "same", track="oval")

    with pytest.raises(RunError, match="already a run 'same'"):
        RunDirectory.create(tmp_path, "same", track="bowtie", write=meanwhile)
    assert RunDirectory.open(tmp_path, "same").status.track == "oval"
    assert len(list(tmp_path.iterdir())) == 1


@given(name=st.text(max_size=20).filter(lambda name: not runs.NAME.fullmatch(name)))
def test_unsafe_names_are_refused(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    root = tmp_path_factory.getbasetemp() / "unsafe"
    with pytest.raises(RunError, match="cannot be the name"):
        RunDirectory.create(root, name, track="oval")
    assert not root.exists()


@pytest.mark.parametrize("name", ["../out", "a/b", ".hidden", "-flag", "", "a b", "x" * 101, "a\n"])
def test_names_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="cannot be the name"):
        RunDirectory.create(tmp_path, name, track="oval")


def test_a_full_disk_leaves_no_half_of_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="disk is full"):
        RunDirectory.create(tmp_path / "runs", "new", track="oval", write=disk_full)
    assert list((tmp_path / "runs").iterdir()) == []


def test_runs_are_opened_by_name_or_path(run: RunDirectory, tmp_path: Path) -> None:
    assert RunDirectory.open(run.path.parent, "first").path == run.path
    assert RunDirectory.open(tmp_path / "elsewhere", run.path).path == run.path
    with pytest.raises(RunError, match=r"no run 'frist'. Did you mean 'first'\?.*first"):
        RunDirectory.open(run.path.parent, "frist")
    with pytest.raises(RunError, match="holds no runs"):
        RunDirectory.open(tmp_path / "elsewhere", "first")
    with pytest.raises(RunError, match="a folder but not a run"):
        RunDirectory.open(run.path.parent, tmp_path)
    with pytest.raises(RunError, match="name too long"):
        RunDirectory.open(run.path.parent, "x" * 300)


def test_list_runs_skips_what_is_no_run(run: RunDirectory) -> None:
    (run.path.parent / "notes").mkdir()
    (run.path.parent / ".first.tmp").mkdir()
    assert list_runs(run.path.parent) == [run]
    assert list_runs(run.path / "nowhere") == []


def test_status_round_trip(run: RunDirectory) -> None:
    best = BestResult(text="12 of 12", checkpoint=3, steps=900, progress=100.0, lap_time=9.5)
    status = RunStatus(track="oval", state="finished", steps=1000, best=best, stop_reason="laps")
    run.write_status(status)
    assert run.status == status
    with pytest.raises(ValueError, match="state"):
        status.state = "asleep"  # type: ignore[assignment]


def test_a_damaged_status_is_reported_not_raised(run: RunDirectory) -> None:
    for content in (b"{", b"", b'{"state": "asleep"}', b"\xff"):
        (run.path / "status.json").write_bytes(content)
        assert run.status.state == "damaged"
        assert "status.json" in run.status.error


def test_one_writer_at_a_time(run: RunDirectory) -> None:
    assert not run.is_locked()
    with run.lock():
        assert run.is_locked()
        assert run.status.state == "running"
        with pytest.raises(RunError, match=f"trained by process {os.getpid()}"), run.lock():
            pass
    assert not run.is_locked()
    with run.lock():
        pass


def test_a_killed_training_is_interrupted_and_lets_go(run: RunDirectory) -> None:
    path = os.pathsep.join(sys.path)
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(run.path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        assert run.status.state == "running"
        with pytest.raises(RunError, match=f"process {child.pid}"), run.lock():
            pass
        child.send_signal(signal.SIGKILL)
    assert run.status.state == "interrupted"
    with run.lock():
        assert run.status.state == "running"


def test_writing_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_file(path, "old", durable=True)
    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(RunError, match="disk is full"):
        write_file(path, "new", durable=True)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(RunError, match="No such file"):
        write_file(tmp_path / "missing" / "file", "new")


def test_run_directories_are_read_without_torch_or_windows() -> None:
    modules = ["runs", "checkpoints", "simtrace", "metrics", "racer_metrics", "laps", "plots"]
    code = (
        "import sys\n"
        + "".join(f"import deepracer_agent.{name}\n" for name in modules)
        + "print({'torch', 'stable_baselines3', 'matplotlib.pyplot'} & set(sys.modules))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    assert done.stdout == b"set()\n"
