"""The training plot: it is drawn from whatever has been written so far."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from deepracer_agent import plots
from deepracer_agent.metrics import MetricsLog
from deepracer_agent.plots import plot_training
from deepracer_agent.runs import RunDirectory
from deepracer_car.errors import RunError
from deepracer_sim.episode import Episode

MakeEpisode = Callable[..., Episode]


def has_colour(picture: np.ndarray, colour: str) -> bool:
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((picture[:, :, ::-1] == rgb).all(axis=2).any())


@pytest.mark.parametrize("updates", [1, 40])
def test_episodes_means_and_evaluations_are_drawn(
    run: RunDirectory, episode: MakeEpisode, updates: int
) -> None:
    log = MetricsLog(run.metrics)
    for number in range(1, updates + 1):
        at = (number, 400 * number, 0.5 * number, 3 * number)
        log.update(*at, [episode(3 * number + n) for n in range(3)], {})
    log.evaluation(*at, [episode(n) for n in range(4)])
    log.evaluation(*at, [episode(n, status="lap_complete") for n in range(4)])
    picture = cv2.imread(str(plot_training(run)))
    assert picture is not None
    assert picture.shape == (900, 1200, 3)
    for colour in (plots.MEAN, plots.CLEAN, plots.FAILED):
        assert has_colour(picture, colour)


def test_without_evaluations_none_are_drawn(run: RunDirectory, episode: MakeEpisode) -> None:
    log = MetricsLog(run.metrics)
    log.update(1, 100, 1.0, 0, [], {})
    log.update(2, 200, 4000.0, 1, [episode(0)], {})
    picture = cv2.imread(str(plot_training(run)))
    assert picture is not None
    assert has_colour(picture, plots.MEAN) or has_colour(picture, plots.INK)
    assert not has_colour(picture, plots.CLEAN)
    assert not has_colour(picture, plots.FAILED)


def test_the_running_mean_is_a_mean() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    mean = plots._running_mean(values)
    assert mean[500] == pytest.approx(values[475:526].mean())
    assert mean[0] == pytest.approx(values[:26].mean())
    assert plots._running_mean(np.array([3.0])) == pytest.approx([3.0])


def test_nothing_to_plot_yet(run: RunDirectory) -> None:
    with pytest.raises(RunError, match="no finished episode"):
        plot_training(run)
    assert not run.plot.exists()
