"""The two network presets: what turns 160x120 grey pixels into features for policy and value.

Both take observations as they come from the camera, uint8 0 to 255 of shape (batch, 1, 120, 160);
scaling to 0 to 1 is part of the first layer. Of a pair of cameras the pictures are two channels;
where there is a lidar besides, an observation is a dictionary of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import llvmlite.binding
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn
from torch.nn import functional

Preset = Literal["fast", "deepracer"]

LIDAR_FEATURES = 256
"""Of both layers that a lidar goes through, as in the original."""


def sensors_of(space: spaces.Dict) -> tuple[str, str]:
    """Names of camera and lidar in observations of both."""
    by_dimensions = {len(part.shape or ()): name for name, part in space.items()}
    return by_dimensions[3], by_dimensions[1]


def sizes_of(space: spaces.Space[Any]) -> tuple[tuple[int, int, int], int]:
    """Channels, rows and columns of the picture, and number of the lidar's values, 0 without one.

    Args:
        space: of observations: a picture, or a dictionary of a picture and what a lidar measures.
    """
    if not isinstance(space, spaces.Dict):
        return cast("tuple[int, int, int]", space.shape), 0
    camera, lidar = (space[name].shape for name in sensors_of(space))
    return cast("tuple[int, int, int]", camera), cast("tuple[int]", lidar)[0]


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 natively; elsewhere it is slower than float."""
    features = llvmlite.binding.get_host_cpu_features()
    return bool(features.get("avx512bf16") or features.get("amx-bf16"))


class RacingCnn(BaseFeaturesExtractor):
    """Convolutions and one dense layer; optionally the picture is averaged over 2x2 pixels first.

    The first layer takes blocks of stride x stride pixels as channels, which is the same arithmetic
    as a convolution over the picture and twice as fast, since one channel fills no vector. That
    arrangement, and the averaging, depend on no weight: `condense` does both once for the many
    passes over a rollout. On a processor with bfloat16 the layers run in it; weights and features
    stay float32.

    A lidar goes through two dense layers of its own, whose answer joins the convolutions' before
    the dense layer.
    """

    def __init__(
        self,
        observation_space: spaces.Box | spaces.Dict,
        convolutions: tuple[tuple[int, int, int], ...],
        features: int,
        pool: bool,
    ) -> None:
        """Build the layers.

        Args:
            observation_space: of shape (channels, rows, columns), or a dictionary of that and the
                lidar's, of shape (values,).
            convolutions: (filters, kernel, stride) of each layer; no padding. Kernel and picture
                of the first must be whole numbers of strides.
            features: size of the dense layer.
            pool: average 2x2 pixels first.
        """
        super().__init__(observation_space, features)
        (self.channels, rows, columns), values = sizes_of(observation_space)
        if isinstance(observation_space, spaces.Dict):
            self.camera_name, self.lidar_name = sensors_of(observation_space)
        self.pool = pool
        self.reduced = has_bfloat16()
        channels = self.channels
        layers: list[nn.Module] = []
        for filters, kernel, stride in convolutions:
            layers += [nn.Conv2d(channels, filters, kernel, stride), nn.ReLU()]
            channels = filters
        self.convolutions = nn.Sequential(*layers)
        with torch.no_grad():
            sample = torch.zeros(1, self.channels, rows, columns, dtype=torch.uint8)
            flat = self._convolve(self.condense(sample).float()).numel()
        self.lidar: nn.Sequential | None = None
        if values:
            self.lidar = nn.Sequential(
                nn.Linear(values, LIDAR_FEATURES),
                nn.ReLU(),
                nn.Linear(LIDAR_FEATURES, LIDAR_FEATURES),
                nn.ReLU(),
            )
            flat += LIDAR_FEATURES
        self.dense = nn.Sequential(nn.Linear(flat, features), nn.ReLU())

    def forward(self, observations: torch.Tensor | Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return features (batch, features) of observations, as they are or condensed."""
        measured: torch.Tensor | None = None
        if isinstance(observations, Mapping):
            measured = observations[self.lidar_name]
            observations = observations[self.camera_name]
        if observations.shape[1] == self.channels:
            observations = self.condense(observations)
        reduced = self._is_reduced(observations)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=reduced):
            pixels = observations.to(torch.bfloat16 if reduced else torch.float32)
            # Flattened in the order that it lies in memory: channels last.
            flat = self._convolve(pixels).permute(0, 2, 3, 1).flatten(1)
            if self.lidar is not None:
                flat = torch.cat([flat, self.lidar(measured)], dim=1)
            features: torch.Tensor = self.dense(flat)
        return features.float()

    def condense(self, observations: torch.Tensor) -> torch.Tensor:
        """Average, and arrange blocks of pixels as channels.

        Args:
            observations: (batch, channels, rows, columns), 0 to 255.

        Returns:
            (batch, channels * stride², rows / stride, columns / stride), 0 to 255; rows and columns
            are half as many if the picture is averaged.
        """
        x = observations
        if self.pool:
            # Strided slices are much faster on a CPU than `nn.AvgPool2d`.
            x = x.to(torch.bfloat16 if self._is_reduced(x) else torch.float32)
            x = x[..., ::2, :] + x[..., 1::2, :]
            x = (x[..., ::2] + x[..., 1::2]) * 0.25
        side = self._first.stride[0]
        batch, channels, rows, columns = x.shape
        blocks = x.reshape(batch, channels, rows // side, side, columns // side, side)
        # In memory the channels of a place lie together, as the convolutions want them.
        blocks = blocks.permute(0, 2, 4, 1, 3, 5).reshape(
            batch, rows // side, columns // side, channels * side * side
        )
        return blocks.permute(0, 3, 1, 2)

    @property
    def _first(self) -> nn.Conv2d:
        return cast("nn.Conv2d", self.convolutions[0])

    def _convolve(self, condensed: torch.Tensor) -> torch.Tensor:
        first = self._first
        side, kernel = first.stride[0], first.kernel_size[0]
        steps = kernel // side
        filters, channels = first.weight.shape[:2]
        weight = first.weight.reshape(filters, channels, steps, side, steps, side)
        weight = weight.permute(0, 1, 3, 5, 2, 4).reshape(filters, -1, steps, steps)
        x = functional.conv2d(condensed, weight * (1.0 / 255.0), first.bias)
        for layer in list(self.convolutions)[1:]:
            x = layer(x)
        return x

    def _is_reduced(self, x: torch.Tensor) -> bool:
        return self.reduced and x.device.type == "cpu"


PRESETS: dict[str, dict[str, Any]] = {
    "fast": {
        "features_extractor_kwargs": {
            "convolutions": ((16, 8, 4), (32, 4, 2), (32, 3, 1)),
            "features": 256,
            "pool": True,
        },
        "share_features_extractor": True,
    },
    "deepracer": {
        # The stock DEEP_CONVOLUTIONAL_NETWORK_SHALLOW: policy and value are two whole networks.
        "features_extractor_kwargs": {
            "convolutions": ((32, 8, 4), (64, 4, 2), (64, 3, 1)),
            "features": 512,
            "pool": False,
        },
        "share_features_extractor": False,
    },
}


class RacingPolicy(ActorCriticPolicy):
    """SB3's actor-critic policy, fed with raw pixels: SB3 would turn every batch into floats."""

    def extract_features(  # type: ignore[override]
        self, obs: torch.Tensor, features_extractor: BaseFeaturesExtractor | None = None
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Hand the pixels straight to the extractor."""
        if features_extractor is not None:
            return features_extractor(obs)  # type: ignore[no-any-return]
        if self.share_features_extractor:
            return self.features_extractor(obs)  # type: ignore[no-any-return]
        return self.pi_features_extractor(obs), self.vf_features_extractor(obs)

    def condense(self, observations: torch.Tensor) -> torch.Tensor:
        """What a pass over a rollout needs of ``observations``; see `RacingCnn.condense`."""
        return cast("RacingCnn", self.pi_features_extractor).condense(observations)


def policy_kwargs(preset: Preset) -> dict[str, Any]:
    """Return the ``policy_kwargs`` of SB3 for a preset."""
    return {
        **PRESETS[preset],
        "features_extractor_class": RacingCnn,
        "normalize_images": False,
        "net_arch": [],
        "optimizer_kwargs": {"eps": 1e-5, "fused": True},
    }
