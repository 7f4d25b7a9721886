"""The metrics log: what is written is read, also after a kill."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepracer_agent.metrics import MetricsLog, read_metrics
from deepracer_car.errors import RunError
from deepracer_sim.episode import Episode

MakeEpisode = Callable[..., Episode]


def write(log: MetricsLog, updates: range, episode: MakeEpisode) -> None:
    """Two episodes per update of 100 steps, an evaluation after every third."""
    for number in updates:
        at = (number, 100 * number, 0.5 * number, 2 * number)
        log.update(*at, [episode(2 * number), episode(2 * number + 1)], {"loss": 0.1 * number})
        if number % 3 == 0:
            log.evaluation(*at, [episode(n, status="lap_complete") for n in range(4)])


def test_round_trip(tmp_path: Path, episode: MakeEpisode) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    drives = [episode(1), episode(2, status="lap_complete")]
    log.update(1, 4096, 1.23456, 2, drives, {"loss": 0.5, "explained_variance": math.nan})
    log.evaluation(1, 4096, 1.5, 2, drives)
    (update,), (evaluation,) = read_metrics(log.path)
    assert (update.update, update.steps, update.seconds, update.episodes) == (1, 4096, 1.235, 2)
    assert update.rewards == pytest.approx([d.reward for d in drives], abs=1e-6)
    assert update.progress[1] == 100.0
    assert update.statuses == ("off_track", "lap_complete")
    assert update.learning == {"loss": 0.5}
    assert evaluation.lap_times == (2.0, 2.0)
    assert evaluation.off_tracks == 1
    assert not evaluation.is_clean
    assert evaluation.rewards == update.rewards


def test_lines_are_strict_json_and_there_at_once(tmp_path: Path, episode: MakeEpisode) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    for number in (1, 2, 3):
        log.update(number, number, number, number, [episode(number)], {"kl": math.inf})
        lines = log.path.read_text().splitlines()
        assert len(lines) == number
        assert json.loads(lines[-1])["update"] == number


@settings(deadline=None, max_examples=30)
@given(
    written=st.integers(0, 7),
    done=st.integers(0, 7),
    torn=st.integers(0, 400),
)
def test_resuming_equals_never_having_stopped(
    tmp_path_factory: pytest.TempPathFactory,
    episode: MakeEpisode,
    written: int,
    done: int,
    torn: int,
) -> None:
    done = min(done, written)
    folder = tmp_path_factory.mktemp("metrics")
    write(MetricsLog(folder / "whole"), range(1, 9), episode)
    write(MetricsLog(folder / "checkpointed"), range(1, done + 1), episode)
    safe = (folder / "checkpointed").stat().st_size

    killed = folder / "killed"
    write(MetricsLog(killed), range(1, written + 1), episode)
    killed.write_bytes(killed.read_bytes()[: max(safe, killed.stat().st_size - torn)])
    updates, _ = read_metrics(killed)
    assert done <= len(updates) <= written
    write(MetricsLog(killed, steps_done=100 * done), range(done + 1, 9), episode)
    assert killed.read_text() == (folder / "whole").read_text()


def test_a_new_training_begins_a_new_file(tmp_path: Path, episode: MakeEpisode) -> None:
    path = tmp_path / "metrics.jsonl"
    write(MetricsLog(path), range(1, 4), episode)
    MetricsLog(path)
    assert read_metrics(path) == ([], [])


@pytest.mark.parametrize("line", ["{", "[]", '{"steps": "many"}', "\x00\x00"])
def test_a_damaged_line_is_named(tmp_path: Path, episode: MakeEpisode, line: str) -> None:
    path = tmp_path / "metrics.jsonl"
    write(MetricsLog(path), range(1, 3), episode)
    path.write_text(path.read_text() + f"{line}\n" + path.read_text())
    with pytest.raises(RunError, match=r"metrics.jsonl, line 3 is damaged"):
        read_metrics(path)


def test_readers_ignore_what_they_do_not_know(tmp_path: Path, episode: MakeEpisode) -> None:
    path = tmp_path / "metrics.jsonl"
    write(MetricsLog(path), range(1, 2), episode)
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "new": 1}) + "\n")
    (update,), evaluations = read_metrics(path)
    assert "new" not in dataclasses.asdict(update)
    assert evaluations == []
