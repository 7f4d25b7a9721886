"""Our training loop against plain ``stable_baselines3.PPO``; prints one JSON line.

Both learn from the same 32 cars with the same layers and the same hyper-parameters (rollouts of 64
steps per car, minibatches of 256, 4 epochs). ``sb3_*``: SB3's own PPO, buffer and policy, with
PyTorch on one thread or on all cores; ``ours``: `deepracer train`, one rank per core. Steps per
second of whole updates, each the median of `ROUNDS` rounds in turn; the single figures of all cores
are given too, since they scatter. ``times_*``: ours against each.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from report import report
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

from deepracer_agent.metrics import read_metrics
from deepracer_agent.training_folder import load_training_folder
from deepracer_agent.vec_env import RacingVecEnv
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.reward import RewardFunction
from deepracer_sim.starts import Starts
from deepracer_sim.task import RacingTask
from deepracer_sim.track_library import load_track

QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart"
SECONDS = 10.0
ROUNDS = 3


class PlainCnn(BaseFeaturesExtractor):
    """The layers of our ``fast`` network in the usual way."""

    def __init__(self, space, features_dim: int = 256) -> None:
        super().__init__(space, features_dim)
        self.layers = nn.Sequential(
            nn.AvgPool2d(2),
            nn.Conv2d(1, 16, 8, 4), nn.ReLU(),
            nn.Conv2d(16, 32, 4, 2), nn.ReLU(),
            nn.Conv2d(32, 32, 3, 1), nn.ReLU(),
            nn.Flatten(), nn.LazyLinear(features_dim), nn.ReLU(),
        )  # fmt: skip
        self.layers(torch.zeros(1, *space.shape))

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Return the features."""
        return self.layers(observations)


class StopAfter(BaseCallback):
    """Ends the training when the time is up."""

    def _on_step(self) -> bool:
        self.start = getattr(self, "start", time.perf_counter())
        return time.perf_counter() - self.start < SECONDS or self.n_calls % 64 != 0


def plain_sb3() -> float:
    """Steps per second of SB3's PPO."""
    config, reward = load_training_folder(QUICKSTART)
    track = load_track("reinvent_base")
    rewards = RewardFunction.load(reward).instances(32)
    task = RacingTask(EmbeddedSimulator(track, 32), track, rewards, starts=Starts("random"))
    env = RacingVecEnv(task, config.model_metadata.action_space)
    kwargs = {"features_extractor_class": PlainCnn, "net_arch": []}
    algorithm = PPO("CnnPolicy", env, n_steps=64, batch_size=256, n_epochs=4, learning_rate=1e-3,
                    policy_kwargs=kwargs, device="cpu")  # fmt: skip
    algorithm.learn(2048)
    start = time.perf_counter()
    algorithm.learn(10**9, callback=StopAfter(), reset_num_timesteps=False)
    return (algorithm.num_timesteps - 2048) / (time.perf_counter() - start)


def ours() -> float:
    """Steps per second of `deepracer train`, evaluations left out."""
    with tempfile.TemporaryDirectory() as folder:
        flags = f"--runs {folder} --name x --no-video --no-plot --time {SECONDS}"
        for setting in ("stop.laps=null", "evaluation.every_steps=1000000000"):
            flags += f" --set {setting}"
        command = [sys.executable, "-m", "deepracer_agent.cli", "train", str(QUICKSTART)]
        subprocess.run([*command, *flags.split()], check=True, stdout=subprocess.DEVNULL)
        updates, _ = read_metrics(Path(folder) / "x" / "metrics.jsonl")
    first, last = updates[len(updates) // 3], updates[-1]
    return (last.steps - first.steps) / (last.seconds - first.seconds)


def on_threads(threads: int) -> float:
    """Steps per second of SB3's PPO with so many threads."""
    torch.set_num_threads(threads)
    return plain_sb3()


def main() -> None:
    """Measure all in turn."""
    cores = len(os.sched_getaffinity(0))
    rounds = [(ours(), on_threads(1), on_threads(cores)) for _ in range(ROUNDS)]
    fast, one, many = (statistics.median(figures) for figures in zip(*rounds, strict=True))
    report(
        "training_speed",
        ours=round(fast),
        sb3_one_thread=round(one),
        sb3_all_cores=round(many),
        sb3_all_cores_rounds=[round(figures[2]) for figures in rounds],
        times_one_thread=round(fast / one, 1),
        times_all_cores=round(fast / many, 1),
    )


if __name__ == "__main__":
    main()
