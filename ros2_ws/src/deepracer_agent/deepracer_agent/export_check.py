"""Whether an export answers as torch does, on pictures from all round a track."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from torch.nn import functional

from deepracer_agent.networks import RacingCnn, sensors_of
from deepracer_agent.policy_network import Crop, PolicyNetwork, Pool, Step
from deepracer_car.errors import ModelError
from deepracer_car.model_metadata import ModelMetadata
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.track import Track

LOOKS = 128
"""Looks on which both must agree before an export is written."""
TOLERANCE = 1e-4
"""Largest difference between them, as a share of the largest answer."""
HALF_A_PAIR = 0.03
"""How far each camera of a pair is from the middle of the car, m."""

Answers = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Looks:
    """What a car sees all round a track, here and there across the road and looking aside.

    Attributes:
        pictures: (N, channels, 120, 160), 0 to 255.
        lidar: (N, values) or None; by chance, since no lidar is simulated.
    """

    pictures: npt.NDArray[np.uint8]
    lidar: npt.NDArray[np.float32] | None


def looks_round(track: Track, metadata: ModelMetadata, count: int = LOOKS) -> Looks:
    """Look through all of a model's sensors."""
    rng = np.random.default_rng(0)
    along = np.linspace(0.0, track.length, count, endpoint=False)
    poses = np.array([track.pose_at(place) for place in along])
    poses[:, :2] += rng.uniform(-0.3, 0.3, (count, 2))
    poses[:, 2] += rng.uniform(-0.5, 0.5, count)
    simulator = EmbeddedSimulator(track, count)
    pictures = []
    for side in (0.0,) if metadata.camera_channels == 1 else (HALF_A_PAIR, -HALF_A_PAIR):
        aside = poses.copy()
        aside[:, 0] -= side * np.sin(poses[:, 2])
        aside[:, 1] += side * np.cos(poses[:, 2])
        simulator.place(np.arange(count), aside, np.zeros(count))
        pictures.append(simulator.frames())
    lidar = rng.uniform(0.15, 1.0, (count, metadata.lidar_values)).astype(np.float32)
    if metadata.lidar == "SECTOR_LIDAR":
        lidar = np.rint(lidar)
    return Looks(np.concatenate(pictures, axis=1), lidar if metadata.lidar else None)


def torch_answers(policy: BasePolicy, network: PolicyNetwork, looks: Looks) -> Answers:
    """What the policy itself answers, in float32: logits, or the values of a continuous space.

    Args:
        policy: as it was trained.
        network: tells what was done to the pictures in training.
        looks: what is seen.
    """
    policy.set_training_mode(False)
    extractor = (
        policy.pi_features_extractor
        if isinstance(policy, ActorCriticPolicy)
        else cast("Any", policy).actor.features_extractor
    )
    reduced = getattr(extractor, "reduced", False)
    # The averaging of `RacingCnn` is its own affair.
    own = isinstance(extractor, RacingCnn) and extractor.pool
    steps = network.steps[: len(network.steps) - own]
    try:
        extractor.reduced = False
        with torch.inference_mode():
            pictures = _as_in_training(torch.as_tensor(looks.pictures), steps)
            observations: Any = pictures
            if isinstance(policy.observation_space, spaces.Dict):
                camera, lidar = sensors_of(policy.observation_space)
                observations = {camera: pictures, lidar: torch.as_tensor(looks.lidar)}
            if isinstance(policy, ActorCriticPolicy):
                features = policy.extract_features(observations, extractor)
                latent = policy.mlp_extractor.forward_actor(cast("torch.Tensor", features))
                answers = policy.action_net(latent)
            else:
                answers = policy._predict(observations, deterministic=True)
    finally:
        extractor.reduced = reduced
    return cast("Answers", answers.numpy())


def _as_in_training(pictures: torch.Tensor, steps: Iterable[Step]) -> torch.Tensor:
    for step in steps:
        if isinstance(step, Crop):
            rows = slice(step.top, step.top + step.rows)
            pictures = pictures[:, :, rows, step.left : step.left + step.columns]
        elif isinstance(step, Pool):
            pictures = functional.avg_pool2d(pictures.float(), step.size)
        else:
            size = (step.rows, step.columns)
            pictures = functional.interpolate(pictures.float(), size, mode="bilinear")
    return pictures


def softmax(logits: Answers) -> Answers:
    """Return how probable each action is."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return cast("Answers", powers / powers.sum(axis=1, keepdims=True))


def check_answers(answers: Answers, expected: Answers, *, runtime: str, discrete: bool) -> float:
    """Return the largest difference between two runs of one network.

    Raises:
        ModelError: it is above `TOLERANCE`, or an action is chosen that torch would not choose.
    """
    difference = float(np.abs(answers - expected).max())
    allowed = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    others = int(np.sum(np.argmax(answers, axis=1) != np.argmax(expected, axis=1)))
    if not difference <= allowed or (discrete and others):
        chosen = f", and it chooses another action on {others} of {len(expected)} pictures"
        raise ModelError(
            f"Not exported: {runtime}'s answers differ from torch's by {difference:.2g}, "
            f"{allowed:.2g} is allowed{chosen if discrete else ''}. Please report this with the "
            "checkpoint."
        )
    return difference
