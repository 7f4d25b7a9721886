"""Evaluation: a trained policy drives laps without exploring, on any track, filmed if wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from deepracer_agent.checkpoints import METADATA, MODEL, CheckpointStore
from deepracer_agent.config import TrainingConfig
from deepracer_agent.driving import drive_greedily
from deepracer_agent.laps import Lap, laps_of
from deepracer_agent.racer_metrics import write_evaluation_metrics
from deepracer_agent.runs import RunDirectory
from deepracer_agent.simtrace import write_evaluation_trace
from deepracer_agent.training import RUNS, split_checkpoint
from deepracer_agent.training_folder import DEFAULT_REWARD
from deepracer_car.errors import ConfigError, RunError
from deepracer_car.model_bundle import POLICY, ModelBundle
from deepracer_car.model_metadata import ModelMetadata
from deepracer_car.policy import OnnxPolicy, Policy
from deepracer_car.spec import CONTROL_HZ, CarSpec
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.episode import TRACE_FIELDS, Episode
from deepracer_sim.film import Drive, record_lap
from deepracer_sim.reward import RewardFunction
from deepracer_sim.reward_legacy import LegacyScale
from deepracer_sim.rules import RaceRules
from deepracer_sim.simulator import Simulator
from deepracer_sim.starts import Starts
from deepracer_sim.task import RacingTask
from deepracer_sim.track import Track
from deepracer_sim.track_library import load_track

Direction = Literal["cw", "ccw"]


@dataclass(frozen=True)
class Model:
    """A saved policy and what is needed to drive with it.

    Attributes:
        path: the SB3 archive, or the folder of a model bundle.
        name: for tables: run and checkpoint, or the path.
        metadata: its action space and sensors.
        run: the run it belongs to, if it does.
    """

    path: Path
    name: str
    metadata: ModelMetadata
    run: RunDirectory | None


@dataclass(frozen=True)
class EvaluationResult:
    """Laps driven by a policy.

    Attributes:
        model: name of the model.
        track: the road, as it was driven.
        laps: in the order driven; the last may be incomplete.
        drive: the whole drive, with its trace.
        observations: (T, 1, 120, 160) uint8, what the network saw before each step.
    """

    model: str
    track: Track
    laps: list[Lap]
    drive: Episode
    observations: npt.NDArray[np.uint8]

    def to_json(self) -> dict[str, Any]:
        """The table of laps as plain values."""
        return {
            "model": self.model,
            "track": self.track.name,
            "direction": self.track.direction,
            "laps": [
                {
                    "lap": number,
                    "seconds": round(lap.seconds, 3),
                    "progress": round(lap.progress, 2),
                    "off_tracks": sum(lap.failures.values()),
                    "result": lap.status,
                }
                for number, lap in enumerate(self.laps, start=1)
            ],
        }


def find_model(text: str, checkpoint: str = "best", root: Path = RUNS) -> Model:
    """Find a run's checkpoint, a bundle, or an SB3 archive with its metadata beside it.

    Args:
        text: name or path of a run, ``:CHECKPOINT`` behind it if wanted, or path of a bundle, a
            checkpoint folder or a ``model.zip``.
        checkpoint: of a run: ``best``, ``last`` or a number.
        root: folder of all runs.

    Raises:
        RunError: there is no such model, or it is damaged.
    """
    path = Path(text)
    if (path / POLICY).is_file():
        bundle = ModelBundle.open(path)
        return Model(path, bundle.name, bundle.metadata, _run_of(bundle, root))
    archive = path / MODEL if path.is_dir() else path
    if archive.is_file():
        metadata = archive.with_name(METADATA)
        if not metadata.is_file():
            raise RunError(
                f"{archive} has no {METADATA} beside it, which tells the action space. Copy it "
                "there, or give the name of the run."
            )
        return Model(archive, str(path), ModelMetadata.load(metadata), None)
    text, which = split_checkpoint(text)
    run = RunDirectory.open(root, text)
    store = CheckpointStore(run)
    if run.status.state == "imported" and not store.all() and run.bundle.is_dir():
        bundle = ModelBundle.open(run.bundle)
        return Model(bundle.path, run.name, bundle.metadata, run)
    found = store.resolve(which or checkpoint)
    name = f"{run.name}:{found.number}"
    return Model(found.model, name, ModelMetadata.load(run.model_metadata), run)


def evaluate(
    model: str | Model,
    *,
    track: str | None = None,
    direction: Direction | None = None,
    laps: int = 3,
    checkpoint: str = "best",
    resets: int = 100,
    off_track_penalty: float = 2.0,
    root: Path = RUNS,
    simulator: Callable[[Track], Simulator] = EmbeddedSimulator,
    policy: Policy | None = None,
) -> EvaluationResult:
    """Drive ``laps`` laps from a standing start and note them in the run.

    A car that leaves the road is put back on it for a penalty, as in the original's evaluations.

    Args:
        model: see `find_model`.
        track: default: the one it was trained on.
        direction: clockwise or counter-clockwise; default: as trained.
        laps: how many.
        checkpoint: of a run: ``best``, ``last`` or a number.
        resets: how often the car may be put back; after that the drive ends.
        off_track_penalty: s.
        root: folder of all runs.
        simulator: makes the world of a track, with one car.
        policy: answers in the place of the model's own network, such as one that runs elsewhere.

    Raises:
        DeepRacerError: something given cannot be used.
    """
    if laps < 1:
        raise ConfigError(f"laps is {laps}; at least 1 lap can be driven.")
    model = find_model(model, checkpoint, root) if isinstance(model, str) else model
    model.metadata.check_simulated()
    has_config = model.run is not None and model.run.config.is_file()
    config = TrainingConfig.load(model.run.config) if model.run and has_config else None
    road = _road(model, config, track, direction)
    steps = config.max_steps_per_episode if config else RaceRules.max_steps
    reward = RewardFunction.load(
        model.run.reward_function if model.run else DEFAULT_REWARD,
        LegacyScale.of(model.metadata.action_space),
    )
    task = RacingTask(
        simulator(road),
        road,
        reward.instances(1),
        rules=RaceRules(laps, steps * laps, resets, off_track_penalty),
        starts=Starts("fixed"),
        restart=False,
    )
    observations: list[npt.NDArray[np.uint8]] = []
    driver = policy or load_policy(model)
    (drive,) = drive_greedily(driver, task, model.metadata.action_space, observations)
    if model.run:
        stamp = model.run.new_evaluation()
        write_evaluation_trace(model.run, stamp, [drive])
        write_evaluation_metrics(model.run, stamp, [drive])
    return EvaluationResult(model.name, road, laps_of(drive), drive, np.stack(observations))


def _road(
    model: Model, config: TrainingConfig | None, track: str | None, direction: Direction | None
) -> Track:
    """The track as it is to be driven; what is not given is as in training."""
    if track is None and config is None:
        raise ConfigError(f"{model.name} does not know its track; give one with --track.")
    trained_direction = config.direction if config and track in (None, config.track) else None
    road = load_track(track or (config.track if config else ""))
    return road.driven(direction or trained_direction)


def load_policy(model: Model) -> Policy:
    """Load the network of ``model``.

    Raises:
        DeepRacerError: it cannot be run here.
    """
    if model.path.is_dir():
        return OnnxPolicy(ModelBundle.open(model.path))
    # Late, because torch takes a second and wrong arguments should be told at once.
    from deepracer_agent.torch_policy import TorchPolicy

    return TorchPolicy.load(model.path, algorithm=model.metadata.training_algorithm)


def _run_of(bundle: ModelBundle, root: Path) -> RunDirectory | None:
    """The run that ``bundle`` was exported from: the folder it lies in, or one below ``root``."""
    name = bundle.provenance.get("run")
    for folder in (bundle.path.resolve().parent, root / str(name)):
        if folder.name == name and (folder / "status.json").is_file():
            return RunDirectory(folder)
    return None


def film(path: Path, result: EvaluationResult, laps: Sequence[int] | None = None) -> None:
    """Write a film of the drive, or of the ``laps`` (counted from 1) of it, to ``path``.

    Raises:
        ConfigError: the file ending is neither ``.mp4`` nor ``.gif``.
    """
    columns = dict(zip(TRACE_FIELDS, result.drive.trace.T, strict=True))
    # Row k of the trace is where the car stood when it saw observation k and chose action k.
    steps = len(result.observations)
    yaw = np.radians(columns["yaw"])
    front = CarSpec().front_point_x
    poses = np.stack([columns["x"] - front * np.cos(yaw), columns["y"] - front * np.sin(yaw), yaw])
    moved = np.hypot(*np.diff(poses[:2], axis=1))
    starts = np.array([lap.start_time for lap in result.laps])
    lap = np.maximum(np.searchsorted(starts, columns["time"][:steps] + 1e-6, side="right"), 1)
    chosen = np.isin(lap, list(laps)) if laps else np.ones(steps, dtype=bool)
    drive = Drive(
        poses=poses.T[:steps][chosen],
        speeds=np.minimum(moved * CONTROL_HZ, CarSpec().max_speed)[chosen],
        steering_angles=np.radians(columns["steering_angle"][1 : steps + 1])[chosen],
        progress=columns["progress"][:steps][chosen],
        times=(columns["time"][:steps] - starts[lap - 1])[chosen],
        laps=lap[chosen],
        observations=result.observations[chosen],
        caption=result.model,
    )
    record_lap(path, result.track, drive)


def best_lap(result: EvaluationResult) -> int:
    """Number of the fastest clean lap, from 1; without one, of the lap that got furthest."""
    ranked = sorted(
        enumerate(result.laps, start=1),
        key=lambda item: (not item[1].is_clean, -item[1].progress, item[1].seconds),
    )
    return ranked[0][0]
