"""A network in torch that drives without exploring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.policies import BasePolicy

from deepracer_agent.process import prepare_process
from deepracer_car.errors import RunError


class _SavedPPO(PPO):
    """A PPO whose weights are in a file; to draw orthogonal ones first would take most of a second.

    (Stable-Baselines3 builds the network of a saved model as a new one.)
    """

    def _setup_model(self) -> None:
        self.policy_kwargs = {**self.policy_kwargs, "ortho_init": False}
        super()._setup_model()


class TorchPolicy:
    """A `deepracer_car.policy.Policy`: a network of Stable-Baselines3, learning or learnt."""

    def __init__(self, network: BasePolicy) -> None:
        """Drive with ``network`` as it is at each moment."""
        self.network = network

    @classmethod
    def load(cls, path: Path, device: str = "auto", algorithm: str = "clipped_ppo") -> TorchPolicy:
        """Load the network of a saved model.

        Args:
            path: what Stable-Baselines3 saved.
            device: where the network is to run.
            algorithm: what it learnt by, as ``model_metadata.json`` names it.

        Raises:
            RunError: the file is not a model.
        """
        prepare_process()
        try:
            if algorithm == "sac":
                # Driving needs none of what it remembers.
                return cls(SAC.load(path, device=device, buffer_size=1).policy)
            return cls(_SavedPPO.load(path, device=device).policy)
        except (AttributeError, OSError, TypeError, ValueError, KeyError, RuntimeError) as error:
            raise RunError(f"{path} cannot be loaded as a model: {error}") from error

    def predict(self, observations: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Answer observations (N, 1, 120, 160) in the form that `ActionSpace.decode` takes."""
        self.network.set_training_mode(False)
        with torch.inference_mode():
            answer = self.network._predict(
                torch.as_tensor(observations, device=self.network.device), deterministic=True
            )
        return answer.cpu().numpy()
