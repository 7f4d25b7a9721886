"""Exports: a trained policy in a form that drives without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from deepracer_agent.checkpoints import CheckpointStore
from deepracer_agent.config import TrainingConfig
from deepracer_agent.evaluation import Model, find_model
from deepracer_agent.networks import RacingCnn, RacingPolicy
from deepracer_agent.onnx_graph import OPSET, to_onnx
from deepracer_agent.runs import reported
from deepracer_agent.torch_policy import TorchPolicy
from deepracer_agent.training import RUNS
from deepracer_car import __version__
from deepracer_car.errors import ConfigError, ModelError
from deepracer_car.model_bundle import FORMAT, METADATA, POLICY, PROVENANCE, ModelBundle, checksum
from deepracer_car.policy import OnnxPolicy
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.track import Track
from deepracer_sim.track_library import load_track

FOLDER = "bundle"
"""Of a run: where its bundle stands unless told otherwise."""
OBSERVATIONS = 128
"""Pictures on which both runtimes must agree before a bundle is written."""
TOLERANCE = 1e-4
"""Largest difference between them, as a share of the largest answer."""
SCENERY = "reinvent_base"
"""Track of those pictures where a model's own is not known."""


def export_bundle(
    model: str | Model, out: Path | None = None, *, checkpoint: str = "best", root: Path = RUNS
) -> ModelBundle:
    """Write a model bundle, once ONNX Runtime is seen to answer as torch does.

    Args:
        model: see `deepracer_agent.evaluation.find_model`.
        out: the folder; default: ``bundle`` in the run. A bundle that is there is replaced.
        checkpoint: of a run: ``best``, ``last`` or a number.
        root: folder of all runs.

    Raises:
        DeepRacerError: there is no such model, it cannot be exported, or the disk refuses; what was
            in ``out`` is left as it was.
    """
    model = find_model(model, checkpoint, root) if isinstance(model, str) else model
    if out is None and model.run is None:
        raise ConfigError(f"{model.name} belongs to no run; say with --out where its bundle goes.")
    target = out or cast("Path", model.run and model.run.path / FOLDER)
    if target.exists() and not (target / POLICY).is_file():
        raise ConfigError(f"{target} is there and is no model bundle; give another --out.")
    policy = cast("RacingPolicy", TorchPolicy.load(model.path, device="cpu").network)
    network = to_onnx(policy, model.metadata.action_space).SerializeToString()
    config = TrainingConfig.load(model.run.config) if model.run else None
    provenance = _provenance(model, config)
    pictures = _observations(load_track(config.track if config else SCENERY))
    with reported("write", target):
        target.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            new.chmod(0o755)
            (new / POLICY).write_bytes(network)
            model.metadata.save(new / METADATA)
            _write_provenance(new, provenance)
            difference = check_answers(ModelBundle.open(new), policy, pictures)
            parity = {"observations": len(pictures), "largest_difference": difference}
            _write_provenance(new, {**provenance, "onnx_against_torch": parity})
            _replace(target, new)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return ModelBundle.open(target)


def check_answers(
    bundle: ModelBundle, policy: RacingPolicy, pictures: npt.NDArray[np.uint8]
) -> float:
    """Compare ONNX Runtime with torch, both in float32; return the largest difference.

    Raises:
        ModelError: they differ by more than `TOLERANCE`.
    """
    expected = _torch_answers(policy, pictures)
    answers = OnnxPolicy(bundle).answers(pictures)
    difference = float(np.abs(answers - expected).max())
    allowed = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    if not difference <= allowed:
        raise ModelError(
            f"Not exported: ONNX Runtime's answers differ from torch's by {difference:.2g}, "
            f"{allowed:.2g} is allowed. Please report this with the checkpoint."
        )
    return difference


def _torch_answers(
    policy: RacingPolicy, pictures: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float32]:
    extractor = cast("RacingCnn", policy.pi_features_extractor)
    reduced, extractor.reduced = extractor.reduced, False
    try:
        policy.set_training_mode(False)
        with torch.inference_mode():
            answers: torch.Tensor = policy.action_net(extractor(torch.as_tensor(pictures)))
    finally:
        extractor.reduced = reduced
    return cast("npt.NDArray[np.float32]", answers.numpy())


def _observations(track: Track) -> npt.NDArray[np.uint8]:
    """What a car sees all round ``track``, here and there across the road and looking aside."""
    rng = np.random.default_rng(0)
    along = np.linspace(0.0, track.length, OBSERVATIONS, endpoint=False)
    poses = np.array([track.pose_at(place) for place in along])
    poses[:, :2] += rng.uniform(-0.3, 0.3, (OBSERVATIONS, 2))
    poses[:, 2] += rng.uniform(-0.5, 0.5, OBSERVATIONS)
    simulator = EmbeddedSimulator(track, OBSERVATIONS)
    simulator.place(np.arange(OBSERVATIONS), poses, np.zeros(OBSERVATIONS))
    return simulator.frames()


def _provenance(model: Model, config: TrainingConfig | None) -> dict[str, Any]:
    """Where the policy comes from, as far as that is known."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "model": model.name,
        "exported": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "opset": OPSET,
        "version": __version__,
        "git": _git_version(),
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
        "training_algorithm": model.metadata.training_algorithm,
    }


def _write_provenance(folder: Path, content: dict[str, Any]) -> None:
    sums = {name: checksum(folder / name) for name in (POLICY, METADATA)}
    text = json.dumps({**content, "sha256": sums}, indent=2)
    (folder / PROVENANCE).write_text(text + "\n", encoding="utf-8")


def _replace(target: Path, new: Path) -> None:
    """Put ``new`` in the place of ``target``."""
    if not target.exists():
        new.rename(target)
        return
    old = target.rename(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


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
