"""Untrained policies that answer every picture differently, for tests of exports."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticCnnPolicy, BasePolicy
from stable_baselines3.sac.policies import SACPolicy

from deepracer_agent.networks import RacingPolicy, policy_kwargs
from deepracer_car.action_space import ContinuousActionSpace, DiscreteActionSpace
from deepracer_car.model_metadata import ModelMetadata

DISCRETE = DiscreteActionSpace.from_granularity(30, 5, 1.0, 2)
CONTINUOUS = ContinuousActionSpace(-0.5, 0.5, 0.5, 2.0)
ALGORITHMS = ("ppo discrete", "ppo continuous", "sac")
SENSORS = (
    ("FRONT_FACING_CAMERA",),
    ("STEREO_CAMERAS",),
    ("FRONT_FACING_CAMERA", "LIDAR"),
    ("STEREO_CAMERAS", "SECTOR_LIDAR"),
)


def metadata_of(algorithm: str, sensor: tuple[str, ...] = SENSORS[0]) -> ModelMetadata:
    space = DISCRETE if algorithm == "ppo discrete" else CONTINUOUS
    return ModelMetadata(
        space, sensor, training_algorithm="sac" if algorithm == "sac" else "clipped_ppo"
    )


def spaces_of(
    metadata: ModelMetadata, size: tuple[int, int] = (120, 160)
) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
    """Of observations and actions, as an environment would have them."""
    seen: spaces.Space[Any] = spaces.Box(0, 255, (metadata.camera_channels, *size), np.uint8)
    if metadata.lidar:
        lidar = spaces.Box(0.0, 1.0, (metadata.lidar_values,), np.float32)
        seen = spaces.Dict({metadata.camera: seen, metadata.lidar: lidar})
    if isinstance(metadata.action_space, DiscreteActionSpace):
        return seen, spaces.Discrete(len(metadata.action_space.actions))
    return seen, spaces.Box(-1.0, 1.0, (2,), np.float32)


def ours(algorithm: str, metadata: ModelMetadata, preset: Any = "fast") -> BasePolicy:
    """A policy of ours."""
    torch.manual_seed(0)
    kind: Any = SACPolicy if algorithm == "sac" else RacingPolicy
    more: dict[str, Any] = {} if algorithm == "sac" else {"ortho_init": False}
    return lively(kind(*spaces_of(metadata), lambda _: 3e-4, **policy_kwargs(preset), **more))


def plain(metadata: ModelMetadata, size: tuple[int, int], **more: Any) -> BasePolicy:
    """The ``CnnPolicy`` that Stable-Baselines3 gives to PPO."""
    torch.manual_seed(0)
    seen: Any
    seen, actions = spaces_of(metadata, size)
    policy = ActorCriticCnnPolicy(seen, actions, lambda _: 3e-4, ortho_init=False, **more)
    return lively(policy, spread=5.0)


def lively(policy: BasePolicy, spread: float = 0.7) -> BasePolicy:
    """Spread the answers out."""
    last = policy.actor.mu if isinstance(policy, SACPolicy) else policy.action_net
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        last.weight.copy_(torch.randn(last.weight.shape, generator=rng) * spread)
        last.bias.copy_(torch.randn(last.bias.shape, generator=rng) * 0.2)
    return policy
