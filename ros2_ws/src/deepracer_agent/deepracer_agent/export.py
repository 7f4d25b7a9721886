"""A trained policy as a model bundle, which drives without torch."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from deepracer_agent.evaluation import Model
from deepracer_agent.export_check import check_answers
from deepracer_agent.export_source import open_source
from deepracer_agent.onnx_graph import OPSET, to_onnx
from deepracer_agent.policy_network import Crop
from deepracer_agent.runs import reported
from deepracer_agent.training import RUNS
from deepracer_car.action_space import DiscreteActionSpace
from deepracer_car.errors import ConfigError
from deepracer_car.model_bundle import FORMAT, METADATA, POLICY, PROVENANCE, ModelBundle, checksum
from deepracer_car.policy import OnnxPolicy

FOLDER = "bundle"
"""Of a run: where its bundle stands unless told otherwise."""


def export_bundle(
    model: str | Model,
    out: Path | None = None,
    *,
    checkpoint: str = "best",
    root: Path = RUNS,
    crop: Crop | None = None,
) -> ModelBundle:
    """Write a model bundle, once ONNX Runtime is seen to answer as torch does.

    Args:
        model: see `deepracer_agent.evaluation.find_model`.
        out: the folder; default: ``bundle`` in the run. A bundle that is there is replaced.
        checkpoint: of a run: ``best``, ``last`` or a number.
        root: folder of all runs.
        crop: the part of the car's picture that the policy was trained on, if not the whole.

    Raises:
        DeepRacerError: there is no such model, it cannot be exported, or the disk refuses; what was
            in ``out`` is left as it was.
    """
    source = open_source(model, checkpoint, root, crop)
    metadata = source.model.metadata
    target = source.target(out, FOLDER)
    if target.exists() and not (target / POLICY).is_file():
        raise ConfigError(f"{target} is there and is no model bundle; give another --out.")
    network = to_onnx(source.network).SerializeToString()
    provenance = {"format": FORMAT, "opset": OPSET, **source.provenance()}
    looks, expected = source.looks()
    with reported("write", target):
        target.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            new.chmod(0o755)
            (new / POLICY).write_bytes(network)
            metadata.save(new / METADATA)
            _write_provenance(new, provenance)
            policy = OnnxPolicy(ModelBundle.open(new), "onnxruntime")
            difference = check_answers(
                policy.answers(looks.pictures, looks.lidar),
                expected,
                runtime="ONNX Runtime",
                discrete=isinstance(metadata.action_space, DiscreteActionSpace),
            )
            parity = {"observations": len(expected), "largest_difference": difference}
            _write_provenance(new, {**provenance, "onnx_against_torch": parity})
            _replace(target, new)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return ModelBundle.open(target)


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
