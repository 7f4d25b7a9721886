"""Pictures of a training: reward and progress over its course."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from deepracer_agent.metrics import Evaluation, Update, read_metrics
from deepracer_agent.runs import RunDirectory, write_file
from deepracer_car.errors import RunError

Floats = npt.NDArray[np.float64]

EPISODE, MEAN, CLEAN, FAILED, INK, GRID = (
    "#9db4c8",
    "#1f4e79",
    "#1b8a3a",
    "#d1495b",
    "#222222",
    "#dddddd",
)
MAX_DOTS = 6000
"""More episodes than this are thinned in the picture; the means are over all of them."""


def plot_training(run: RunDirectory) -> Path:
    """Draw reward and progress of all episodes and evaluations so far into ``training.png``.

    Returns:
        the picture, 1200 x 900 pixels.

    Raises:
        RunError: no episode has ended yet, or a file is damaged or cannot be written.
    """
    updates, evaluations = read_metrics(run.metrics)
    if not any(update.rewards for update in updates):
        raise RunError(f"Run '{run.name}' has no finished episode yet; there is nothing to plot.")
    figure = Figure(figsize=(12.0, 9.0), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 1, sharex=True)
    steps, rewards, progress = _episodes(updates)
    _draw(axes[0], steps, rewards)
    _draw(axes[1], steps, progress)
    _draw_evaluations(axes, evaluations)
    axes[0].set_ylabel("reward of an episode", fontsize=13)
    axes[1].set_ylabel("progress, % of a lap", fontsize=13)
    axes[1].set_ylim(-4.0, 106.0)
    axes[1].set_xlabel("environment steps", fontsize=13)
    axes[1].xaxis.set_major_formatter(EngFormatter(sep=""))
    _add_time_axis(axes[0], updates)
    _add_legend(figure, bool(evaluations))
    figure.suptitle(_title(run, updates), fontsize=15, color=INK)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_file(run.plot, picture.getvalue())
    return run.plot


def _episodes(updates: Sequence[Update]) -> tuple[Floats, Floats, Floats]:
    """Steps, reward and progress of each episode, spread evenly over the steps of its update."""
    steps, before = [], 0
    for update in updates:
        count = len(update.rewards)
        steps.append(before + (update.steps - before) * np.arange(1, count + 1) / max(count, 1))
        before = update.steps
    rewards = np.array([reward for update in updates for reward in update.rewards])
    progress = np.array([percent for update in updates for percent in update.progress])
    return np.concatenate(steps), rewards, progress


def _draw(axes: Axes, steps: Floats, values: Floats) -> None:
    shown = slice(None, None, 1 + len(values) // MAX_DOTS)
    axes.plot(steps[shown], values[shown], ".", color=EPISODE, markersize=4, alpha=0.6, zorder=1)
    axes.plot(steps[shown], _running_mean(values)[shown], color=MEAN, linewidth=2.2, zorder=3)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.01)
    axes.tick_params(labelsize=11, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_evaluations(axes: Sequence[Axes], evaluations: Sequence[Evaluation]) -> None:
    """A diamond at the mean over the laps of each greedy evaluation."""
    drawn = [evaluation for evaluation in evaluations if evaluation.rewards]
    for is_clean, colour in ((False, FAILED), (True, CLEAN)):
        shown = [evaluation for evaluation in drawn if evaluation.is_clean == is_clean]
        steps = [evaluation.steps for evaluation in shown]
        rewards = [np.mean(evaluation.rewards) for evaluation in shown]
        progress = [np.mean(evaluation.progress) for evaluation in shown]
        for ax, means in zip(axes, (rewards, progress), strict=True):
            ax.plot(
                steps, means, "D", color=colour, markeredgecolor="white", markersize=8, zorder=4
            )


def _running_mean(values: Floats) -> Floats:
    """Mean of the episodes around each one: a twentieth of all, 5 to 200, fewer at the ends."""
    half = min(max(len(values) // 40, 2), 100)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    here = np.arange(len(values))
    first, end = np.maximum(here - half, 0), np.minimum(here + half + 1, len(values))
    return np.asarray((sums[end] - sums[first]) / (end - first), dtype=np.float64)


def _add_time_axis(axes: Axes, updates: Sequence[Update]) -> None:
    """Time spent training, along the top."""
    steps = np.array([0, *(update.steps for update in updates)], dtype=np.float64)
    seconds = np.array([0.0, *(update.seconds for update in updates)])
    unit, size = next(
        (u for u in (("h", 3600.0), ("min", 60.0)) if seconds[-1] > 2.0 * u[1]), ("s", 1.0)
    )
    times = seconds / size
    ticks = MaxNLocator(8).tick_values(0.0, times[-1])
    ticks = ticks[ticks <= times[-1]]
    top = axes.twiny()
    top.set_xlim(axes.get_xlim())
    top.set_xticks(np.interp(ticks, times, steps), [f"{tick:g}" for tick in ticks])
    top.set_xlabel(f"training time, {unit}", fontsize=13)
    top.tick_params(labelsize=11, colors=INK)
    top.spines[["right"]].set_visible(False)


def _add_legend(figure: Figure, has_evaluations: bool) -> None:
    marks = [
        Line2D([], [], marker=".", linestyle="", color=EPISODE, label="training episode"),
        Line2D([], [], color=MEAN, linewidth=2.2, label="running mean"),
    ]
    if has_evaluations:
        for colour, text in ((CLEAN, "all laps clean"), (FAILED, "not all clean")):
            marks.append(
                Line2D([], [], marker="D", linestyle="", markersize=8, color=colour,
                       markeredgecolor="white", label=f"greedy evaluation, {text}")
            )  # fmt: skip
    figure.legend(handles=marks, loc="outside lower center", ncols=4, frameon=False, fontsize=12)


def _title(run: RunDirectory, updates: Sequence[Update]) -> str:
    episodes, steps = updates[-1].episodes, updates[-1].steps
    track = f" on {run.status.track}" if run.status.track else ""
    return f"{run.name}{track}: {episodes:,} episodes, {steps:,} steps"
