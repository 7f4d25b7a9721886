"""Start, resume and clone trainings. The loop itself is in ``trainer.py``.

torch is imported late here: the other ranks are started first, so that all import it at once.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import TYPE_CHECKING

from deepracer_agent.checkpoints import Checkpoint, CheckpointStore
from deepracer_agent.config import TrainingConfig
from deepracer_agent.distributed import start_ranks, stop_ranks, under_torchrun
from deepracer_agent.process import prepare_process
from deepracer_agent.progress import Progress, Show
from deepracer_agent.runs import RunDirectory, write_file
from deepracer_agent.training_folder import DEFAULT_REWARD
from deepracer_car.errors import ConfigError, RunError, SimulatorError
from deepracer_car.model_metadata import ModelMetadata
from deepracer_sim.reward import RewardFunction
from deepracer_sim.track_library import load_track

if TYPE_CHECKING:
    from deepracer_agent.vec_env import Watch

RUNS = Path("runs")


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended.

    Attributes:
        run: its directory.
        reason: the stop condition that held, in words.
    """

    run: RunDirectory
    reason: str


def train(
    config: TrainingConfig,
    reward_function: Path = DEFAULT_REWARD,
    *,
    name: str | None = None,
    root: Path = RUNS,
    start_from: str | None = None,
    show: Show | None = None,
    watch: Watch | None = None,
) -> TrainingResult:
    """Train a policy and keep everything in a new run directory.

    Args:
        config: all settings.
        reward_function: a Python file with ``reward_function(params)``.
        name: of the run; default: made of track and time.
        root: folder of all runs.
        start_from: ``RUN`` or ``RUN:CHECKPOINT`` (``best``, ``last`` or a number; default ``best``)
            whose policy the training starts from.
        show: told about the progress after every update.
        watch: told about every step of the cars.

    Raises:
        DeepRacerError: something given cannot be used; nothing is left behind. A failure in the
            middle of training leaves the run with its last checkpoint.
    """
    track = load_track(config.track)
    RewardFunction.load(reward_function)
    origin = find_checkpoint(start_from, root) if start_from else None
    if origin:
        _check_clone(config, origin)
    run = RunDirectory.create(
        root, name, track=track.name, write=lambda new: _fill(new, config, reward_function, origin)
    )
    try:
        return _run(run, show, watch, weights=origin.model if origin else None)
    except (ConfigError, SimulatorError):
        # Nothing that could have been trained with. What has been trained is never removed.
        if run.status.steps == 0 and not CheckpointStore(run).all():
            shutil.rmtree(run.path)
        raise


def resume(
    name: str,
    *,
    root: Path = RUNS,
    config: TrainingConfig | None = None,
    show: Show | None = None,
    watch: Watch | None = None,
) -> TrainingResult:
    """Go on with a training that was stopped, interrupted or killed, from its last checkpoint.

    Args:
        name: of the run, or its path; ``:CHECKPOINT`` behind it goes back to that one.
        root: folder of all runs.
        config: new settings, such as those of the run with other stop conditions, say.
        show: told about the progress after every update.
        watch: told about every step of the cars.

    Raises:
        RunError: no such run, it is being trained, or its last checkpoint is damaged.
    """
    name, which = split_checkpoint(name)
    run = RunDirectory.open(root, name)
    old = TrainingConfig.load(run.config)
    if config is not None and config != old:
        _check_same_shape(config, old, f"resume '{run.name}'")
        with run.lock():
            write_file(run.config, config.to_yaml())
    store = CheckpointStore(run)
    is_new = not store.all() and run.status.state != "imported"
    checkpoint = None if is_new else store.resolve(which or "last")
    return _run(run, show, watch, checkpoint=checkpoint)


def find_checkpoint(text: str, root: Path = RUNS) -> Checkpoint:
    """Find ``RUN`` or ``RUN:CHECKPOINT``; without a checkpoint: the best one.

    Raises:
        RunError: no such run or checkpoint, or it is damaged.
    """
    name, which = split_checkpoint(text)
    return CheckpointStore(RunDirectory.open(root, name)).resolve(which or "best")


def split_checkpoint(text: str) -> tuple[str, str]:
    """Split ``RUN:CHECKPOINT`` into the run and ``best``, ``last``, a number, or nothing."""
    name, _, which = text.rpartition(":")
    is_checkpoint = which in ("best", "last") or which.isdigit()
    return (name, which) if name and is_checkpoint else (text, "")


def _fill(
    run: RunDirectory, config: TrainingConfig, reward: Path, origin: Checkpoint | None
) -> None:
    """Put into a new run what it is made of."""
    shutil.copyfile(reward, run.reward_function)
    config.named_metadata().save(run.model_metadata)
    write_file(run.hyperparameters, config.hyperparameters.model_dump_json(indent=2) + "\n")
    write_file(run.config, config.to_yaml())
    if origin:
        status = run.status
        status.origin = f"{origin.path.parents[1].name}:{origin.number}"
        run.write_status(status)


def _run(
    run: RunDirectory,
    show: Show | None,
    watch: Watch | None,
    checkpoint: Checkpoint | None = None,
    weights: Path | None = None,
) -> TrainingResult:
    """Train in ``run``, after a failure of the simulator anew as often as is configured."""
    config = TrainingConfig.load(run.config)
    if config.restarts and under_torchrun():
        raise ConfigError(
            f"restarts: {config.restarts} given, but torchrun starts the ranks, so only it can "
            "start them anew; leave it out, and go on by hand with --resume."
        )
    with run.lock():
        for left in range(config.restarts, -1, -1):
            try:
                reason = _train(run, config, show, watch, checkpoint, weights)
                break
            except SimulatorError as error:
                if not left:
                    raise
                if CheckpointStore(run).all():
                    checkpoint, weights = CheckpointStore(run).resolve("last"), None
                if show:
                    show(Progress(run.name, steps=run.status.steps, trouble=str(error)))
    return TrainingResult(run, reason)


def _train(
    run: RunDirectory,
    config: TrainingConfig,
    show: Show | None,
    watch: Watch | None,
    checkpoint: Checkpoint | None,
    weights: Path | None,
) -> str:
    """Train with all ranks, and leave the status of ``run`` telling how it ended."""
    others = []
    if not under_torchrun():
        ranks = ["-m", "deepracer_agent.rank"]
        others = start_ranks(config.rank_count(), ranks, run.path / "ranks.log")
    try:
        reason = _train_rank_0(run, others, checkpoint, weights, show, watch)
    except KeyboardInterrupt:
        _finish(run, "stopped", reason="stopped at once")
        raise
    except BaseException as error:
        _finish(run, "failed", error=str(error) or type(error).__name__)
        raise
    _finish(run, "stopped" if reason.startswith("stopped") else "finished", reason=reason)
    return reason


def _train_rank_0(
    run: RunDirectory,
    others: Sequence[Popen[bytes]],
    checkpoint: Checkpoint | None,
    weights: Path | None,
    show: Show | None,
    watch: Watch | None,
) -> str:
    from deepracer_agent.distributed import Ranks
    from deepracer_agent.trainer import Trainer

    patience = 0.5
    ranks = Ranks()
    try:
        prepare_process()
        ranks = Ranks.join()
        ranks.share((str(run.path.resolve()), checkpoint.number if checkpoint else None))
        trainer = Trainer(run, ranks, checkpoint, weights, show, watch)
        reason = trainer.run()
        patience = 0.5 if trainer.left_the_others else 5.0
        return reason
    except RuntimeError as error:
        if ranks.size > 1 and "gloo" in str(error):
            raise RunError(
                f"Another process of this training died; {run.path / 'ranks.log'} tells why. "
                f"What was learnt is kept: go on with --resume {run.name}."
            ) from error
        raise
    finally:
        # In this order: one that is still at work would be waited for.
        stop_ranks(others, patience)
        ranks.leave()


def _finish(run: RunDirectory, state: str, reason: str = "", error: str = "") -> None:
    status = run.status.model_copy(update={"state": state, "stop_reason": reason, "error": error})
    run.write_status(status)


def _check_clone(config: TrainingConfig, origin: Checkpoint) -> None:
    run = RunDirectory(origin.path.parents[1])
    _check_same_shape(config, TrainingConfig.load(run.config), f"start from '{run.name}'")


def _actions(metadata: ModelMetadata) -> str:
    """The action space in degrees and m/s, as short as it can be told."""
    space = metadata.action_space.to_metadata()
    if isinstance(space, dict):
        return ", ".join(
            f"{key} {value['low']:g} to {value['high']:g}" for key, value in space.items()
        )
    return f"{len(space)} actions: " + ", ".join(
        f"{action['steering_angle']:g} deg {action['speed']:g} m/s" for action in space
    )


def _check_same_shape(new: TrainingConfig, old: TrainingConfig, doing: str) -> None:
    """Refuse weights that were learnt for other actions, another sensor or another network."""
    pairs = {
        "action_space": tuple(_actions(config.model_metadata) for config in (new, old)),
        "sensor": (new.model_metadata.sensor, old.model_metadata.sensor),
        "network": (new.network, old.network),
    }
    for key, (given, learnt) in pairs.items():
        if given != learnt:
            raise ConfigError(
                f"Cannot {doing}: its policy was learnt with another {key}. Given: {given}. "
                f"Learnt: {learnt}. Use the model_metadata.json and network of that run, or train "
                "a new one without it."
            )
