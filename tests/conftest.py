"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# Sums depend on the number of threads, and on a busy machine more threads are slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Machines are noisy, and a failure on one must be seen on every other.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def community_tracks() -> Path:
    """The folder of community track files (.npy); tests that need them skip where there is none."""
    folder = Path(os.environ.get("DEEPRACER_COMMUNITY_TRACKS", ROOT.parent / "shared" / "tracks"))
    if not any(folder.glob("*.npy")):
        pytest.skip(f"no community tracks in {folder}; set DEEPRACER_COMMUNITY_TRACKS")
    return folder


@pytest.fixture(scope="session")
def _lively_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def make(action_space: str) -> Path:
        return make_lively_run(tmp_path_factory.mktemp("lively"), action_space)

    return make


@pytest.fixture
def lively_run(_lively_run: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """Put a run into ``runs/lively`` whose untrained policy takes every picture differently.

    The argument is ``discrete`` (with the network ``fast``) or ``continuous`` (``deepracer``).
    """

    def copy(action_space: str) -> Path:
        return Path(shutil.copytree(_lively_run(action_space), tmp_path / "runs" / "lively"))

    return copy


def make_lively_run(root: Path, action_space: str) -> Path:
    """Train for a moment, then save the network anew with answers spread out."""
    import torch
    from stable_baselines3 import PPO

    from deepracer_agent.checkpoints import METADATA, CheckpointStore
    from deepracer_agent.training import train
    from deepracer_agent.training_folder import load_training_folder
    from deepracer_car.action_space import ContinuousActionSpace
    from deepracer_car.model_metadata import ModelMetadata
    from deepracer_sim.embedded import EmbeddedSimulator
    from deepracer_sim.track_library import load_track

    settings = {"ranks": 1, "cars": 4, "stop.laps": None, "stop.steps": 1, "plot": False}
    settings |= {"max_steps_per_episode": 60, "learning.max_steps_between_training": 64}
    settings |= {"hyperparameters.num_epochs": 3, "evaluation.every_steps": 1000}
    config, reward = load_training_folder(ROOT / "examples" / "quickstart", settings)
    if action_space == "continuous":
        ranges = ModelMetadata(ContinuousActionSpace(-0.5, 0.5, 0.5, 2.0))
        config = config.model_copy(update={"model_metadata": ranges, "network": "deepracer"})
    run = train(config, reward, name="lively", root=root).run
    first = CheckpointStore(run).resolve("last")
    model = PPO.load(first.model, device="cpu")
    track = load_track(config.track)
    simulator = EmbeddedSimulator(track, 64)
    places = [track.pose_at(track.length * k / 64) for k in range(64)]
    simulator.place(np.arange(64), np.array(places), np.zeros(64))
    with torch.no_grad():
        last = model.policy.action_net
        features = model.policy.pi_features_extractor(torch.as_tensor(simulator.frames()))
        last.weight.mul_(1.0 / last(features).std(dim=0, keepdim=True).T)
        last.bias.copy_(-(features @ last.weight.T).mean(dim=0))

    def write(folder: Path) -> None:
        model.save(folder / "model.zip")
        config.named_metadata().save(folder / METADATA)

    CheckpointStore(run).save(first.number + 1, first.steps + 1, write, metric=50.0)
    return run.path
