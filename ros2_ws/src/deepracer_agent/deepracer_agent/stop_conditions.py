"""When a training ends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deepracer_agent.config import TrainingConfig
from deepracer_agent.driving import clean_laps, mean_progress
from deepracer_agent.recorder import Counters
from deepracer_sim.episode import Episode


def stop_reason(
    config: TrainingConfig,
    counters: Counters,
    episodes: Sequence[Episode],
    drives: Sequence[Episode],
) -> str:
    """Which stop condition holds, in words; empty if none does.

    Args:
        config: says when to stop.
        counters: how far the training is.
        episodes: that ended since the last update.
        drives: of the latest greedy evaluation.
    """
    stop, hyper = config.stop, config.hyperparameters
    if stop.time and counters.seconds >= stop.time:
        return f"{stop.time:g} s of training"
    if stop.steps and counters.steps >= stop.steps:
        return f"{stop.steps} steps"
    if stop.episodes and counters.episodes >= stop.episodes:
        return f"{stop.episodes} episodes"
    if counters.episodes >= hyper.term_cond_max_episodes:
        return f"{hyper.term_cond_max_episodes} episodes (term_cond_max_episodes)"
    if episodes and _mean_reward(episodes) >= hyper.term_cond_avg_score:
        return f"mean reward of {hyper.term_cond_avg_score:g} (term_cond_avg_score)"
    return _reached(config, drives) if drives else ""


def _reached(config: TrainingConfig, drives: Sequence[Episode]) -> str:
    """Which goal of an evaluation ``drives`` have reached."""
    stop, every = config.stop, config.evaluation
    if stop.laps and all(clean_laps(drive) >= stop.laps for drive in drives):
        return f"{stop.laps} clean laps from each of {every.starts} starts"
    target = stop.target
    if target is None:
        return ""
    enough_reward = target.reward is None or _mean_reward(drives) >= target.reward
    enough_progress = (
        target.progress is None or mean_progress(drives, every.laps) >= target.progress
    )
    return _target(config) if enough_reward and enough_progress else ""


def in_words(config: TrainingConfig) -> str:
    """All stop conditions of ``config``, for the display."""
    stop = config.stop
    parts = [
        f"{stop.laps} clean laps from each of {config.evaluation.starts} starts" * bool(stop.laps),
        f"{stop.time or 0:g} s" * bool(stop.time),
        f"{stop.steps} steps" * bool(stop.steps),
        f"{stop.episodes} episodes" * bool(stop.episodes),
        _target(config),
    ]
    return " or ".join(part for part in parts if part)


def fraction_done(config: TrainingConfig, counters: Counters) -> float | None:
    """How much of the nearest limit of time, steps or episodes is used up, 0 to 1."""
    stop = config.stop
    limits = (
        (counters.seconds, stop.time),
        (counters.steps, stop.steps),
        (counters.episodes, stop.episodes),
    )
    return max((min(done / limit, 1.0) for done, limit in limits if limit), default=None)


def _target(config: TrainingConfig) -> str:
    target = config.stop.target
    if target is None:
        return ""
    parts = [
        f"a mean reward of {target.reward}" * (target.reward is not None),
        f"a mean progress of {target.progress} %" * (target.progress is not None),
    ]
    return "the target, " + " and ".join(part for part in parts if part)


def _mean_reward(episodes: Sequence[Episode]) -> float:
    return float(np.mean([episode.reward for episode in episodes]))
