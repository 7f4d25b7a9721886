"""The two network presets: what turns 160x120 grey pixels into features for policy and value.

Both take observations as they come from the camera, uint8 0 to 255 of shape (batch, 1, 120, 160),
and scale them themselves; so no float copy of a whole batch is made on the way.
"""

from __future__ import annotations

from typing import Any, Literal

import llvmlite.binding
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

Preset = Literal["fast", "deepracer"]


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 natively; elsewhere it is slower than float."""
    features = llvmlite.binding.get_host_cpu_features()
    return bool(features.get("avx512bf16") or features.get("amx-bf16"))


class RacingCnn(BaseFeaturesExtractor):
    """Convolutions, one dense layer; optionally the picture is averaged over 2x2 pixels first.

    On a processor with bfloat16 the convolutions run in it; weights and outputs stay float32.
    """

    def __init__(
        self,
        observation_space: spaces.Box,
        convolutions: tuple[tuple[int, int, int], ...],
        features: int,
        pool: bool,
    ) -> None:
        """Build the layers.

        Args:
            observation_space: of shape (channels, rows, columns).
            convolutions: (filters, kernel, stride) of each layer; no padding.
            features: size of the dense layer.
            pool: average 2x2 pixels first.
        """
        super().__init__(observation_space, features)
        channels, rows, columns = observation_space.shape
        self.pool = pool
        layers: list[nn.Module] = []
        for filters, kernel, stride in convolutions:
            layers += [nn.Conv2d(channels, filters, kernel, stride), nn.ReLU()]
            channels = filters
        self.convolutions = nn.Sequential(*layers)
        with torch.no_grad():
            sample = torch.zeros(1, observation_space.shape[0], rows, columns)
            flat = self.convolutions(self._scaled(sample)).numel()
        self.dense = nn.Sequential(nn.Flatten(), nn.Linear(flat, features), nn.ReLU())
        self.reduced = has_bfloat16()

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Turn ``observations`` (batch, channels, rows, columns) into (batch, features)."""
        reduced = self.reduced and observations.device.type == "cpu"
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=reduced):
            dtype = torch.bfloat16 if reduced else torch.float32
            features: torch.Tensor = self.dense(
                self.convolutions(self._scaled(observations, dtype))
            )
        return features.float()

    def _scaled(self, x: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """Pixels 0 to 1. Four strided slices are much faster on a CPU than `nn.AvgPool2d`."""
        x = x.to(dtype)
        if not self.pool:
            return x * (1.0 / 255.0)
        rows = x[..., ::2, :] + x[..., 1::2, :]
        return (rows[..., ::2] + rows[..., 1::2]) * (0.25 / 255.0)


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


def policy_kwargs(preset: Preset) -> dict[str, Any]:
    """Return the ``policy_kwargs`` of SB3 for a preset."""
    return {
        **PRESETS[preset],
        "features_extractor_class": RacingCnn,
        "normalize_images": False,
        "net_arch": [],
        "optimizer_kwargs": {"eps": 1e-5, "fused": True},
    }
