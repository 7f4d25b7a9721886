"""The deciding half of a trained network as plain arrays, from which every export is written.

Read from the policies of this product and from the ``CnnPolicy`` of Stable-Baselines3, learnt by
PPO or SAC. What torch arranges for speed (blocks of pixels as channels, bfloat16) is left out, and
what was trained on smaller pictures is given layers in front that make them of the car's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.torch_layers import NatureCNN
from stable_baselines3.sac.policies import SACPolicy
from torch import nn

from deepracer_agent.networks import RacingCnn, sizes_of
from deepracer_car.errors import ConfigError
from deepracer_car.model_metadata import ModelMetadata
from deepracer_car.observation import OBSERVATION_HEIGHT, OBSERVATION_WIDTH
from deepracer_car.policy import answer_count

Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Crop:
    """Keep ``rows`` x ``columns`` pixels from row ``top`` and column ``left`` on."""

    top: int
    left: int
    rows: int
    columns: int


@dataclass(frozen=True)
class Pool:
    """Average ``size`` x ``size`` pixels into one."""

    size: int


@dataclass(frozen=True)
class Resize:
    """Make the picture ``rows`` x ``columns`` pixels, bilinearly between pixel centres."""

    rows: int
    columns: int


@dataclass(frozen=True, eq=False)
class Convolution:
    """Without padding; weight (filters, channels, kernel, kernel), bias (filters,)."""

    weight: Values
    bias: Values
    stride: int


@dataclass(frozen=True, eq=False)
class Dense:
    """Weight (outputs, inputs), bias (outputs,)."""

    weight: Values
    bias: Values


Step = Crop | Pool | Resize
Layer = Convolution | Dense | Literal["relu", "tanh"]


@dataclass(frozen=True, eq=False)
class PolicyNetwork:
    """From what a car sees to the answer that its action space decodes.

    Attributes:
        channels: pictures of one look, of 120 x 160 pixels each, 0 to 255.
        lidar_values: 0 without a lidar.
        steps: what is done to a picture first.
        divisor: of the pixels after that.
        convolutions: with their activations. The result is flattened channels last (row, column,
            channel), with the answer of ``lidar`` behind it.
        lidar: layers of the lidar alone.
        dense: the rest; a discrete action space gets logits.
    """

    channels: int
    lidar_values: int
    steps: tuple[Step, ...]
    divisor: float
    convolutions: tuple[Layer, ...]
    lidar: tuple[Layer, ...]
    dense: tuple[Layer, ...]

    @property
    def answers(self) -> int:
        """How many values it answers with."""
        return len([layer for layer in self.dense if isinstance(layer, Dense)][-1].bias)

    @property
    def flat(self) -> int:
        """How many values the convolutions give."""
        first = next(layer for layer in self.dense if isinstance(layer, Dense))
        beams = [len(layer.bias) for layer in self.lidar if isinstance(layer, Dense)]
        return int(first.weight.shape[1]) - (beams[-1] if beams else 0)


def read_policy(
    policy: BasePolicy, metadata: ModelMetadata, crop: Crop | None = None
) -> PolicyNetwork:
    """Read the network that decides.

    Args:
        policy: as Stable-Baselines3 loads it.
        metadata: what the network has to fit.
        crop: the part of the car's picture it was trained on, if not the whole.

    Raises:
        ConfigError: the network is of another make, or does not fit.
    """
    extractor, head = _parts(policy)
    (channels, rows, columns), values = sizes_of(policy.observation_space)
    steps = _steps((rows, columns), crop)
    if isinstance(extractor, RacingCnn):
        steps += (Pool(2),) * extractor.pool
        convolutions, features = _layers(extractor.convolutions), _layers(extractor.dense)
        divisor = 255.0
    else:
        convolutions, features = _layers(extractor.cnn), _layers(extractor.linear)
        features = (_channels_last(features[0], convolutions), *features[1:])
        divisor = 255.0 if policy.normalize_images else 1.0
    network = PolicyNetwork(
        channels,
        values,
        steps,
        divisor,
        convolutions,
        _layers(getattr(extractor, "lidar", None) or ()),
        (*features, *head),
    )
    _check_fit(network, metadata)
    return network


def _parts(policy: BasePolicy) -> tuple[Any, tuple[Layer, ...]]:
    """The layers that look, and those that decide."""
    if isinstance(policy, SACPolicy):
        actor = policy.actor
        extractor, layers = actor.features_extractor, (*actor.latent_pi, actor.mu)
    elif isinstance(policy, ActorCriticPolicy):
        extractor = policy.pi_features_extractor
        layers = (*policy.mlp_extractor.policy_net, policy.action_net)
    else:
        raise ConfigError(f"A {type(policy).__name__} cannot be exported; PPO and SAC can.")
    if not isinstance(extractor, (RacingCnn, NatureCNN)):
        raise ConfigError(
            f"A network of {type(extractor).__name__} features cannot be exported; those of the "
            "presets 'fast' and 'deepracer' can, and Stable-Baselines3's NatureCNN."
        )
    # SAC's answer is squashed, as it is when it drives without exploring.
    return extractor, _layers((*layers, nn.Tanh()) if policy.squash_output else layers)


def _layers(modules: Iterable[nn.Module]) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    for module in modules:
        if isinstance(module, nn.Conv2d):
            layers.append(Convolution(*_weights(module), stride=int(module.stride[0])))
        elif isinstance(module, nn.Linear):
            layers.append(Dense(*_weights(module)))
        elif isinstance(module, nn.ReLU):
            layers.append("relu")
        elif isinstance(module, nn.Tanh):
            layers.append("tanh")
        elif not isinstance(module, nn.Flatten):
            raise ConfigError(
                f"A network with a {type(module).__name__} layer cannot be exported; "
                "convolutions, dense layers, ReLU and Tanh can."
            )
    return tuple(layers)


def _weights(module: nn.Conv2d | nn.Linear) -> tuple[Values, Values]:
    assert module.bias is not None, "neither the presets nor Stable-Baselines3 leave it out"
    weight, bias = (value.detach().cpu().float().numpy() for value in (module.weight, module.bias))
    return np.ascontiguousarray(weight), np.ascontiguousarray(bias)


def _channels_last(layer: Layer, convolutions: Sequence[Layer]) -> Dense:
    """The first dense layer for pixels that come channels last, where it learnt channels first."""
    assert isinstance(layer, Dense)
    filters = [c for c in convolutions if isinstance(c, Convolution)][-1].bias.size
    outputs = len(layer.bias)
    places = layer.weight.reshape(outputs, filters, -1).transpose(0, 2, 1)
    return Dense(np.ascontiguousarray(places.reshape(outputs, -1)), layer.bias)


def _steps(seen: tuple[int, int], crop: Crop | None) -> tuple[Step, ...]:
    """What makes the picture that was learnt on of the one that the car takes."""
    rows, columns = OBSERVATION_HEIGHT, OBSERVATION_WIDTH
    steps: tuple[Step, ...] = ()
    if crop is not None:
        inside = crop.top + crop.rows <= rows and crop.left + crop.columns <= columns
        if min(crop.top, crop.left, crop.rows - 1, crop.columns - 1) < 0 or not inside:
            raise ConfigError(
                f"crop: {crop.rows} rows from {crop.top} and {crop.columns} columns from "
                f"{crop.left} given; it must lie inside {rows} rows and {columns} columns."
            )
        steps, rows, columns = (crop,), crop.rows, crop.columns
    if seen == (rows, columns):
        return steps
    if seen[0] > rows or seen[1] > columns:
        raise ConfigError(
            f"The network sees {seen[0]} rows and {seen[1]} columns, and the picture has only "
            f"{rows} and {columns}: it cannot be exported for the car's camera."
        )
    size = rows // seen[0]
    if (seen[0] * size, seen[1] * size) == (rows, columns):
        return (*steps, Pool(size))
    return (*steps, Resize(*seen))


def _check_fit(network: PolicyNetwork, metadata: ModelMetadata) -> None:
    """Refuse a network that the metadata is not about."""
    for what, has, needs in (
        ("channels of camera pictures", network.channels, metadata.camera_channels),
        ("values of a lidar", network.lidar_values, metadata.lidar_values),
        ("answers", network.answers, answer_count(metadata.action_space)),
    ):
        if has != needs:
            raise ConfigError(
                f"The network has {has} {what}, its model_metadata.json asks for {needs}: the two "
                "belong to different models."
            )
    weights = [
        array
        for layer in (*network.convolutions, *network.lidar, *network.dense)
        if not isinstance(layer, str)
        for array in (layer.weight, layer.bias)
    ]
    if not all(np.isfinite(array).all() for array in weights):
        raise ConfigError(
            "The network holds values that are not numbers: the training diverged. Export an "
            "earlier checkpoint."
        )
