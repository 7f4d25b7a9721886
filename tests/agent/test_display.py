"""The live display: everything is in it, and it keeps out of the way."""

from __future__ import annotations

import io
from dataclasses import replace
from math import nan

import pytest
from rich.console import Console

from deepracer_agent import display
from deepracer_agent.display import TrainingDisplay, clock
from deepracer_agent.progress import Progress

MOMENT = Progress(
    elapsed_s=3725.0,
    steps=123_456,
    steps_per_second=3210.4,
    episodes=789,
    mean_reward=45.678,
    mean_progress=91.26,
    updates=12,
    last_evaluation="11 of 12 laps clean [best 9.8 s]",
    stop="3 clean laps",
    fraction_done=0.25,
)
TOLD = (
    "1:02:05",
    "123,456",
    "3,210",
    "789",
    "45.68",
    "91.3 %",
    "[best 9.8 s]",
    "ends after",
    "3 clean laps",
    "3:06:15",
)


def test_a_screen_shows_everything() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with TrainingDisplay("run [1]", console) as shown:
        shown.update(MOMENT)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for word in (*TOLD, "run [1]"):
        assert word in text


def test_without_a_screen_there_are_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(display.time, "monotonic", lambda: now)
    console = Console(file=io.StringIO(), width=40)
    with TrainingDisplay("run", console) as shown:
        for _ in range(50):
            shown.update(MOMENT)
        now += display.SECONDS_BETWEEN_LINES
        shown.update(replace(MOMENT))
        shown.update(replace(MOMENT, steps=200_000))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 4  # the title, the first, one after a while, and the last
    for word in TOLD:
        assert word in lines[1]
    assert "200,000 steps" in lines[3]
    assert "\x1b" not in "".join(lines)


def test_a_new_evaluation_is_told_at_once() -> None:
    console = Console(file=io.StringIO(), width=40)
    with TrainingDisplay("run", console) as shown:
        shown.update(replace(MOMENT, steps=1, last_evaluation=""))
        shown.update(replace(MOMENT, steps=2, last_evaluation="first"))
        shown.update(replace(MOMENT, steps=3, last_evaluation="first"))
    told = console.file.getvalue()  # type: ignore[attr-defined]
    lines = told.splitlines()
    assert len(lines) == 4
    assert "2 steps" in lines[2]


def test_before_the_first_episode_there_are_dashes() -> None:
    early = replace(MOMENT, mean_reward=nan, mean_progress=None, last_evaluation="")
    assert "reward – | progress – | ends after" in display.line(early)


def test_time_left_is_unknown_where_only_a_result_ends_the_run() -> None:
    assert "time left" not in display.line(replace(MOMENT, fraction_done=None))
    assert "time left –" in display.line(replace(MOMENT, fraction_done=0.0))
    assert "time left at most 00:00" in display.line(replace(MOMENT, fraction_done=1.0))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "00:00"), (59.9, "00:59"), (61, "01:01"), (36000, "10:00:00")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
