"""The live display of a training: a redrawn table, or plain lines where there is no screen."""

from __future__ import annotations

import time
from math import isnan
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from deepracer_agent.progress import Progress

REDRAW_HZ = 4.0
SECONDS_BETWEEN_LINES = 5.0


class TrainingDisplay:
    """Shows the `Progress` it is given, as often as the eye needs and no oftener.

    Args:
        title: heading, such as the name of the run.
        console: where to write; default: standard output.
    """

    def __init__(self, title: str, console: Console | None = None) -> None:
        self.title = title
        self.console = console or Console(highlight=False)
        self._shown: Progress | None = None
        self._printed: Progress | None = None
        self._line_time = -SECONDS_BETWEEN_LINES
        self._live: Live | None = None
        if self.console.is_terminal:
            self._live = Live(
                console=self.console,
                refresh_per_second=REDRAW_HZ,
                get_renderable=lambda: panel(self.title, self._shown),
            )

    def __enter__(self) -> TrainingDisplay:
        if self._live is not None:
            self._live.start()
        else:
            self._print(f"{self.title}: starting")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._shown is not self._printed and self._shown is not None:
            self._print_line(self._shown)

    def update(self, progress: Progress) -> None:
        """Show ``progress``; cheap enough to be called at every step."""
        if progress.trouble:
            self._print(f"going back to the last checkpoint: {progress.trouble}")
            return
        is_new = self._shown is None or progress.last_evaluation != self._shown.last_evaluation
        self._shown = progress
        if self._live is not None:
            return  # redrawn by its own thread
        if is_new or time.monotonic() - self._line_time >= SECONDS_BETWEEN_LINES:
            self._print_line(progress)

    def _print_line(self, progress: Progress) -> None:
        self._line_time = time.monotonic()
        self._printed = progress
        self._print(line(progress))

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)


def panel(title: str, progress: Progress | None) -> Panel:
    """Return the display on a terminal; None before there is anything to show."""
    if progress is None:
        return Panel("starting …", title=Text(title), title_align="left", expand=False)
    table = Table.grid(padding=(0, 3))
    for _ in range(3):
        table.add_column(style="dim")
        table.add_column(justify="right")
    p = progress
    table.add_row(
        "elapsed",
        clock(p.elapsed_s),
        "steps",
        f"{p.steps:,}",
        "steps/s",
        f"{p.steps_per_second:,.0f}",
    )
    table.add_row(
        "episodes",
        f"{p.episodes:,}",
        "mean reward",
        _number(p.mean_reward, ".2f"),
        "mean progress",
        _number(p.mean_progress, ".1f", " %"),
    )
    rows = Table.grid(padding=(0, 1))
    rows.add_row(table)
    rows.add_row(Text.assemble(("last evaluation  ", "dim"), p.last_evaluation or "–"))
    rows.add_row(Text.assemble(("ends after  ", "dim"), p.stop or "–"))
    if p.fraction_done is not None:
        rows.add_row(Text.assemble(("time left  ", "dim"), time_left(p)))
        rows.add_row(ProgressBar(total=1.0, completed=min(p.fraction_done, 1.0), width=60))
    return Panel(rows, title=Text(title), title_align="left", expand=False)


def line(progress: Progress) -> str:
    """Return the display where it is not a terminal: one line of text."""
    p = progress
    parts = [
        clock(p.elapsed_s),
        f"{p.steps:,} steps",
        f"{p.steps_per_second:,.0f} steps/s",
        f"{p.episodes:,} episodes",
        f"reward {_number(p.mean_reward, '.2f')}",
        f"progress {_number(p.mean_progress, '.1f', ' %')}",
    ]
    parts += [f"evaluation: {p.last_evaluation}"] if p.last_evaluation else []
    parts += [f"ends after {p.stop}"] if p.stop else []
    parts += [f"time left {time_left(p)}"] if p.fraction_done is not None else []
    return " | ".join(parts)


def time_left(progress: Progress) -> str:
    """Return how long it takes at most, if all goes on as it has so far."""
    done = progress.fraction_done
    if not done:
        return "–"
    return f"at most {clock(progress.elapsed_s * max(1.0 - done, 0.0) / done)}"


def clock(seconds: float) -> str:
    """Return a time as 1:02:03, or 02:03 below an hour."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "–" if value is None or isnan(value) else f"{value:{form}}{unit}"
