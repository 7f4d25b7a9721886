"""What an export starts from: a trained policy, its network as arrays, and where it comes from."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from stable_baselines3.common.policies import BasePolicy

from deepracer_agent.checkpoints import CheckpointStore
from deepracer_agent.config import TrainingConfig
from deepracer_agent.evaluation import Model, find_model
from deepracer_agent.export_check import Answers, Looks, looks_round, torch_answers
from deepracer_agent.policy_network import Crop, PolicyNetwork, read_policy
from deepracer_agent.torch_policy import TorchPolicy
from deepracer_car import __version__
from deepracer_car.errors import ConfigError
from deepracer_sim.track_library import load_track

SCENERY = "reinvent_base"
"""Track of the pictures on which exports are checked where a model's own is not known."""


@dataclass(frozen=True, eq=False)
class Source:
    """A trained policy, ready to be exported.

    Attributes:
        model: the checkpoint.
        config: how it was trained, where that is known.
        policy: as Stable-Baselines3 loads it.
        network: the half of it that decides.
    """

    model: Model
    config: TrainingConfig | None
    policy: BasePolicy
    network: PolicyNetwork

    def target(self, out: Path | None, name: str) -> Path:
        """Where the export goes: ``out``, or ``name`` in the run.

        Raises:
            ConfigError: there is neither.
        """
        if out is not None:
            return out
        if self.model.run is None:
            raise ConfigError(
                f"{self.model.name} belongs to no run; say with --out where its export goes."
            )
        return self.model.run.path / name

    def looks(self) -> tuple[Looks, Answers]:
        """What a car sees round the track it was trained on, and what torch answers to it."""
        track = load_track(self.config.track if self.config else SCENERY)
        looks = looks_round(track, self.model.metadata)
        return looks, torch_answers(self.policy, self.network, looks)

    def provenance(self) -> dict[str, Any]:
        """Where the policy comes from, as far as that is known."""
        model, config = self.model, self.config
        content: dict[str, Any] = {
            "model": model.name,
            "exported": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "version": __version__,
            "git": _git_version(),
            "sensor": list(model.metadata.sensor),
            "training_algorithm": model.metadata.training_algorithm,
        }
        if model.run is None or config is None:
            return content
        found = next(c for c in CheckpointStore(model.run).all() if c.model == model.path)
        best = model.run.status.best
        return {
            **content,
            "run": model.run.name,
            "checkpoint": found.number,
            "steps": found.steps,
            "mean_progress": found.metric,
            "best_evaluation": best.text if best and best.checkpoint == found.number else None,
            "track": config.track,
            "direction": config.direction,
            "seed": config.seed,
            "network": config.network,
        }


def open_source(
    model: str | Model, checkpoint: str, root: Path, crop: Crop | None = None
) -> Source:
    """Load what is to be exported.

    Args:
        model: see `deepracer_agent.evaluation.find_model`.
        checkpoint: of a run: ``best``, ``last`` or a number.
        root: folder of all runs.
        crop: see `deepracer_agent.policy_network.read_policy`.

    Raises:
        DeepRacerError: there is no such model, or it cannot be exported.
    """
    model = find_model(model, checkpoint, root) if isinstance(model, str) else model
    if model.path.is_dir():
        raise ConfigError(
            f"{model.path} is a bundle, which cannot be exported again; give the run or checkpoint "
            f"it was exported from ({model.name})."
        )
    algorithm = model.metadata.training_algorithm
    policy = TorchPolicy.load(model.path, device="cpu", algorithm=algorithm).network
    network = read_policy(policy, model.metadata, crop)
    config = TrainingConfig.load(model.run.config) if model.run else None
    return Source(model, config, policy, network)


def _git_version() -> str | None:
    """The commit of this very code, if it is run from a clone."""
    here = Path(__file__)
    git = ["git", "-C", str(here.parent)]
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", here.name], check=True, **_QUIET)
        answer = subprocess.run([*git, "describe", "--always", "--dirty"], check=True, **_QUIET)
    except (OSError, subprocess.SubprocessError):
        return None
    return str(answer.stdout).strip() or None


_QUIET: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 10}
