"""Checkpoints: whole or not at all, checked when read, thinned by rule."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepracer_agent import checkpoints
from deepracer_agent.checkpoints import CheckpointStore
from deepracer_agent.runs import RunDirectory
from deepracer_car.errors import RunError

KILLED_WHILE_SAVING = """
import os, signal, sys
from pathlib import Path
from deepracer_agent.checkpoints import CheckpointStore
from deepracer_agent.runs import RunDirectory

def write(folder):
    (folder / "model.zip").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

CheckpointStore(RunDirectory(Path(sys.argv[1]))).save(2, 200, write, 90.0)
"""


def model(content: bytes = b"weights") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "model.zip").write_bytes(content)
        (folder / "rng").mkdir()
        (folder / "rng" / "state.json").write_text("{}")

    return write


@pytest.fixture
def store(run: RunDirectory) -> CheckpointStore:
    return CheckpointStore(run)


def names(store: CheckpointStore) -> list[str]:
    return sorted(path.name for path in store.folder.iterdir())


def test_save_and_resolve(store: CheckpointStore) -> None:
    store.save(1, 100, model(b"one"), 40.0)
    path = store.save(2, 250, model(b"two"), 30.0)
    assert path.name == "2_Step-250"
    assert store.resolve("last").path == path
    assert store.resolve("best").number == 1
    assert store.resolve(2).steps == 250
    assert store.resolve("2").metric == 30.0
    assert (store.resolve("best").path / "model.zip").read_bytes() == b"one"


def test_the_index_is_in_the_racers_format(store: CheckpointStore) -> None:
    store.save(17, 100, model(), 40.0)
    store.save(18, 17684, model())
    index = json.loads((store.run.path / "model" / "deepracer_checkpoints.json").read_text())
    assert set(index) == {"best_checkpoint", "last_checkpoint"}
    assert index["last_checkpoint"]["name"] == "18_Step-17684.ckpt"
    assert index["last_checkpoint"]["avg_eval_metric"] is None
    assert index["best_checkpoint"]["name"] == "17_Step-100.ckpt"
    assert index["best_checkpoint"]["avg_eval_metric"] == 40.0
    assert index["best_checkpoint"]["time_stamp"] > 1e9


@settings(deadline=None, max_examples=25)
@given(
    metrics=st.lists(st.none() | st.sampled_from([0.0, 50.0, 100.0]), min_size=1, max_size=8),
    keep=st.none() | st.integers(1, 4),
)
def test_the_best_is_the_newest_of_the_highest_and_always_kept(
    tmp_path_factory: pytest.TempPathFactory, metrics: list[float | None], keep: int | None
) -> None:
    run = RunDirectory.create(tmp_path_factory.mktemp("runs"), "run", track="oval")
    store = CheckpointStore(run, keep)
    best: int | None = None
    for number, metric in enumerate(metrics):
        store.save(number, number * 10, model(), metric)
        if metric is not None and (best is None or metric >= (metrics[best] or 0.0)):
            best = number
    newest = range(len(metrics))[-keep:] if keep else range(len(metrics))
    assert [c.number for c in store.all()] == sorted({*newest} | ({best} - {None}))
    assert store.resolve("best").number == (len(metrics) - 1 if best is None else best)


@pytest.mark.parametrize("file", ["model.zip", "rng/state.json"])
@pytest.mark.parametrize("which", ["last", "best", 2])
def test_a_flipped_byte_is_found(store: CheckpointStore, which: str | int, file: str) -> None:
    store.save(1, 100, model(), 10.0)
    path = store.save(2, 200, model(), 20.0) / file
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(RunError, match=f"2 of run 'first' is damaged: {file}.*--checkpoint 1"):
        store.resolve(which)
    assert store.resolve(1).number == 1


@pytest.mark.parametrize("lost", ["model.zip", "checksums.json"])
def test_a_lost_file_is_found(store: CheckpointStore, lost: str) -> None:
    (store.save(1, 100, model(), 10.0) / lost).unlink()
    for which in ("best", "last", 1):
        with pytest.raises(RunError, match=f"{lost}.*no undamaged one"):
            store.resolve(which)


def test_the_best_is_not_passed_over_when_its_record_is_lost(store: CheckpointStore) -> None:
    best = store.save(1, 100, model(), 90.0)
    store.save(2, 200, model(), 10.0)
    (best / "checksums.json").write_text("[]")
    with pytest.raises(RunError, match=r"Checkpoint 1 .* damaged"):
        store.resolve("best")


def test_unknown_checkpoints_are_refused(store: CheckpointStore) -> None:
    with pytest.raises(RunError, match="no checkpoint yet"):
        store.resolve("best")
    for number in range(20):
        store.save(number, number, model())
    with pytest.raises(RunError, match=r"no checkpoint '99'. There are 0, 1, 2, …, 12, .* 19;"):
        store.resolve(99)
    with pytest.raises(RunError, match="'newest'"):
        store.resolve("newest")
    with pytest.raises(RunError, match="1 or more"):
        CheckpointStore(store.run, keep=0)


def test_a_kill_while_saving_leaves_the_earlier_ones(store: CheckpointStore) -> None:
    store.save(1, 100, model(), 10.0)
    child = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_SAVING, str(store.run.path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert child.returncode == -9
    assert len(names(store)) == 2
    assert store.resolve("last").number == 1
    store.save(2, 200, model(), 20.0)
    assert names(store) == ["1_Step-100", "2_Step-200"]


def test_a_kill_before_the_index_is_written(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(1, 100, model(), 10.0)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_file", killed)
        with pytest.raises(KeyboardInterrupt):
            store.save(2, 200, model(), 20.0)
    assert store.resolve("best").number == 2


def full_disk(folder: Path) -> None:
    (folder / "model.zip").write_bytes(b"half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_earlier_ones(store: CheckpointStore) -> None:
    store.save(1, 100, model(), 10.0)
    with pytest.raises(RunError, match=r"disk is full.*intact.*--resume"):
        store.save(2, 200, full_disk, 20.0)
    assert names(store) == ["1_Step-100"]
    assert store.resolve("best").number == 1


def test_a_full_disk_seen_by_torch_only(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(folder: Path) -> None:
        raise RuntimeError("PytorchStreamWriter failed writing file")

    with pytest.raises(RuntimeError, match="PytorchStreamWriter"):
        store.save(1, 100, write)
    full = type("Usage", (), {"free": 0})()
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda _: full)
    with pytest.raises(RunError, match="disk is full"):
        store.save(1, 100, write)
    assert names(store) == []


def test_rewind_drops_what_came_after(store: CheckpointStore) -> None:
    for number in (1, 2, 3):
        store.save(number, number * 100, model(), float(number))
    store.rewind(1)
    assert names(store) == ["1_Step-100"]
    assert json.loads(store.index.read_text())["best_checkpoint"]["name"] == "1_Step-100.ckpt"
    store.save(2, 180, model())
    assert store.resolve("last").steps == 180
