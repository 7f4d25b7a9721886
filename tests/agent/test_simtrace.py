"""Traces: exact text, blocks of equal size, and cutting back after a kill."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepracer_agent.runs import RunDirectory
from deepracer_agent.simtrace import HEADER, TraceWriter, format_rows, write_evaluation_trace
from deepracer_sim.episode import STATUSES, TRACE_FIELDS, Episode

MakeEpisode = Callable[..., Episode]


def one_row(**fields: float) -> Episode:
    row = [[fields.get(name, 0.0) for name in TRACE_FIELDS]]
    return Episode(0, "off_track", 0, 0.0, 0.0, 0.0, 0.0, (), 0, np.array(row))


def episodes_in(path: Path) -> list[int]:
    with path.open(newline="") as file:
        return list(dict.fromkeys(int(row["episode"]) for row in csv.DictReader(file)))


def test_the_text_of_a_row() -> None:
    row = one_row(
        steps=7, x=-0.25, y=3.0, yaw=-179.5, steering_angle=-30.0, speed=1.3, action=9,
        reward=1e-3, done=1.0, all_wheels_on_track=0.0, progress=100.0, closest_waypoint=117,
        track_length=17.671, time=9.0, status=STATUSES.index("lap_complete"),
    )  # fmt: skip
    text = (
        "12,7,-0.25,3.0,-179.5,-30.0,1.3,9,0.001,True,False,100.0,117,17.671,9.0,lap_complete,0.0\n"
    )
    assert format_rows([row], 12).decode() == text
    assert len(HEADER.split(",")) == len(text.split(","))


@given(
    st.lists(
        st.tuples(
            st.floats(-1e5, 1e5), st.integers(-1, 10**6), st.sampled_from(range(len(STATUSES)))
        ),
        min_size=1,
        max_size=20,
    )
)
def test_numbers_survive_to_nine_decimals(rows: list[tuple[float, int, int]]) -> None:
    drives = [one_row(reward=r, action=a, status=s, y=-r) for r, a, s in rows]
    lines = format_rows(drives, 95).decode().splitlines()
    for number, (line, (reward, action, status)) in enumerate(zip(lines, rows, strict=True)):
        cells = dict(zip(HEADER.strip().split(","), line.split(","), strict=True))
        assert cells["episode"] == str(95 + number)
        assert abs(float(cells["reward"]) - reward) <= 0.6e-9 + 1e-15 * abs(reward)
        assert float(cells["Y"]) == -float(cells["reward"])
        assert cells["action"] == str(action)
        assert cells["episode_status"] == STATUSES[status]


def test_every_file_holds_the_same_number_of_episodes(
    run: RunDirectory, episode: MakeEpisode
) -> None:
    writer = TraceWriter(run, 4)
    for batch in ([0, 1], [2, 3, 4], [], [5, 6, 7, 8, 9, 10, 11, 12, 13]):
        writer.add([episode(n) for n in batch])
    assert writer.episodes == 14
    files = [run.traces / f"{n}-iteration.csv" for n in range(4)]
    assert sorted(run.traces.iterdir()) == files
    assert [episodes_in(file) for file in files] == [
        [0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13],
    ]  # fmt: skip
    assert all(file.read_text().count("episode,") == 1 for file in files)


@settings(deadline=None, max_examples=30)
@given(
    written=st.integers(0, 13),
    done=st.integers(0, 13),
    per_iteration=st.integers(1, 5),
    torn=st.integers(0, 200),
)
def test_resuming_equals_never_having_stopped(
    tmp_path_factory: pytest.TempPathFactory,
    episode: MakeEpisode,
    written: int,
    done: int,
    per_iteration: int,
    torn: int,
) -> None:
    done = min(done, written)
    drives = [episode(n, steps=3) for n in range(14)]
    root = tmp_path_factory.mktemp("runs")
    whole = RunDirectory.create(root, "whole", track="oval")
    TraceWriter(whole, per_iteration).add(drives)

    killed = RunDirectory.create(root, "killed", track="oval")
    TraceWriter(killed, per_iteration).add(drives[:written])
    if written > done:  # the kill tore the last rows
        last = max(killed.traces.iterdir(), key=lambda p: int(p.name.split("-")[0]))
        rows = len(format_rows(drives[written - 1 : written], written - 1))
        data = last.read_bytes()
        last.write_bytes(data[: len(data) - min(torn, rows)])
    TraceWriter(killed, per_iteration, done).add(drives[done:])

    expected = {p.name: p.read_bytes() for p in whole.traces.iterdir()}
    assert {p.name: p.read_bytes() for p in killed.traces.iterdir()} == expected


def test_a_row_torn_within_its_number_is_cut(run: RunDirectory, episode: MakeEpisode) -> None:
    TraceWriter(run, 20).add([episode(n) for n in range(12)])
    path = run.traces / "0-iteration.csv"
    whole = path.read_bytes()
    path.write_bytes(whole + b"1")  # of episode 12, not of episode 1
    TraceWriter(run, 20, episodes_done=12)
    assert path.read_bytes() == whole


def test_resuming_where_traces_were_deleted(run: RunDirectory, episode: MakeEpisode) -> None:
    writer = TraceWriter(run, 4, episodes_done=6)
    writer.add([episode(6)])
    assert episodes_in(run.traces / "1-iteration.csv") == [6]


def test_resuming_after_a_power_cut_emptied_a_file(run: RunDirectory, episode: MakeEpisode) -> None:
    TraceWriter(run, 4).add([episode(n) for n in range(6)])
    for content in ("", HEADER[:10], HEADER):
        (run.traces / "1-iteration.csv").write_text(content)
        TraceWriter(run, 4, episodes_done=6).add([episode(6)])
        assert episodes_in(run.traces / "1-iteration.csv") == [6]


def test_evaluations_have_folders_of_their_own(run: RunDirectory, episode: MakeEpisode) -> None:
    laps = [episode(n, status="lap_complete") for n in range(3)]
    stamps = [run.new_evaluation() for _ in range(3)]
    assert len(set(stamps)) == 3
    assert all(len(stamp) == 14 and stamp.isdigit() for stamp in stamps)
    for stamp, drives in zip(stamps, (laps, laps[:1], []), strict=True):
        path = write_evaluation_trace(run, stamp, drives)
        assert path == run.path / f"evaluation-{stamp}" / "evaluation-simtrace/0-iteration.csv"
        assert episodes_in(path) == list(range(len(drives)))
