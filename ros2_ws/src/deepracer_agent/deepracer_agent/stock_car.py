"""What a car that runs Amazon's or the community's own software expects of a model.

A ``NAME.tar.gz`` with ``model_metadata.json`` and one frozen graph. A file without an ending would
be taken for a second model there, and the whole archive be passed over without a word.
"""

from __future__ import annotations

import re
from typing import Literal

from deepracer_car.action_space import ContinuousActionSpace
from deepracer_car.errors import ConfigError
from deepracer_car.model_metadata import ModelMetadata

Car = Literal["stock-car", "community-car"]

ENDING = ".tar.gz"
METADATA = "model_metadata.json"
GRAPH = "agent/model.pb"
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""The car takes what is before the first dot and turns spaces into underscores, and then does not
find what it has installed."""

_AGENTS = {"clipped_ppo": "main", "sac": "policy"}


def input_node(metadata: ModelMetadata, sensor: str) -> str:
    """Name of the placeholder that the car feeds with ``sensor``."""
    return f"{_scope(metadata)}/network_0/{sensor}/{sensor}"


def output_node(metadata: ModelMetadata, car: Car = "stock-car") -> str:
    """Name of the node that the car reads the answer from.

    The community's TensorFlow Lite converter looks for PPO's even in a model of SAC.
    """
    if metadata.training_algorithm == "sac" and car == "stock-car":
        return f"{_scope(metadata)}/network_0/sac_policy_head_0/policy"
    return f"{_scope(metadata)}/network_1/ppo_head_0/policy"


def _scope(metadata: ModelMetadata) -> str:
    return f"main_level/agent/{_AGENTS[metadata.training_algorithm]}/online"


def safe_name(text: str) -> str:
    """Return ``text`` with everything replaced that must not be in the name of a model."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")[:64]
    return name or "model"


def check_name(name: str) -> str:
    """Return ``name`` if a car can install a model under it.

    Raises:
        ConfigError: it cannot.
    """
    if not SAFE_NAME.fullmatch(name):
        raise ConfigError(
            f"A car cannot install a model named '{name}': up to 64 letters, digits, - and _ are "
            f"allowed, the first a letter or digit. Try '{safe_name(name)}'."
        )
    return name


def problems(metadata: ModelMetadata) -> list[str]:
    """Why a car would not drive as the policy decides; empty if it would."""
    space = metadata.action_space
    found: list[str] = []
    if isinstance(space, ContinuousActionSpace):
        low, high = (
            space.to_metadata()["steering_angle"]["low"],
            space.to_metadata()["steering_angle"]["high"],
        )
        if -low > high:
            found.append(
                f"steering_angle reaches from {low:g} to {high:g} degrees. The car divides by the "
                "high end, so that right turns give less than -1, which its servo ignores: the "
                "wheels would stay as they are. Train with bounds of equal size, or drive with a "
                "bundle"
            )
    elif all(action.steering_angle == 0.0 for action in space.actions):
        found.append(
            "no action steers. The car divides by the largest steering angle and would stop at "
            "every picture. Add an action that steers, or drive with a bundle"
        )
    lidar = metadata.lidar_config
    if metadata.lidar == "LIDAR" and lidar and lidar.num_sectors != lidar.num_values:
        found.append(
            f"lidar_config has num_sectors {lidar.num_sectors} and num_values {lidar.num_values}. "
            "The car's converter takes the first for the size of the lidar's input: give both the "
            "same value"
        )
    return found
