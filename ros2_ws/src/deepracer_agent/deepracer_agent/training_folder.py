"""A racer's folder: up to four files, each optional, that together say what to train."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deepracer_agent.config import TrainingConfig
from deepracer_agent.config_files import (
    COMMAND_LINE,
    explain,
    overridden,
    read_json,
    read_text,
    read_yaml,
    source_of,
)
from deepracer_agent.hyperparameters import Hyperparameters
from deepracer_agent.runs import RunDirectory
from deepracer_car.errors import ConfigError, did_you_mean
from deepracer_car.model_metadata import ModelMetadata

REWARD_FILE = "reward_function.py"
METADATA_FILE = "model_metadata.json"
HYPERPARAMETERS_FILE = "hyperparameters.json"
SETTINGS_FILE = "training.yaml"
FILES = (REWARD_FILE, METADATA_FILE, HYPERPARAMETERS_FILE, SETTINGS_FILE)
DEFAULT_REWARD = Path(__file__).with_name("default_reward_function.py")


def load_training_folder(
    folder: Path | str | None, overrides: Mapping[str, Any] | None = None
) -> tuple[TrainingConfig, Path]:
    """Read a training folder.

    Args:
        folder: holds any of ``reward_function.py``, ``model_metadata.json``,
            ``hyperparameters.json`` and ``training.yaml``; or a run, whose settings and reward
            function are taken. None: nothing but defaults.
        overrides: settings from the command line, by dotted key, such as ``stop.time``; they win.

    Returns:
        All settings, and the file of the reward function: the folder's, or the default one.

    Raises:
        ConfigError: naming the file and the key that cannot be used.
    """
    overrides = overrides or {}
    if folder is None:
        settings = overridden({}, overrides)
        return TrainingConfig.from_settings(settings, lambda _: COMMAND_LINE), DEFAULT_REWARD
    folder = Path(folder)
    if (folder / "status.json").is_file() and (folder / "config.yaml").is_file():
        run = RunDirectory(folder)
        config = TrainingConfig.load(run.config).overridden(overrides, str(run.config))
        return config, run.reward_function
    _check_folder(folder)
    settings = overridden(_read_settings(folder), overrides)
    return (
        TrainingConfig.from_settings(settings, source_of(str(folder / SETTINGS_FILE), overrides)),
        folder / REWARD_FILE if (folder / REWARD_FILE).exists() else DEFAULT_REWARD,
    )


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        # Where the path goes wrong: the first part of it that does not exist.
        wrong = next(p for p in (*reversed(folder.parents), folder) if not p.exists())
        near = [path.name for path in wrong.parent.glob("*/")]
        raise ConfigError(f"{folder}: there is no such folder.{did_you_mean(wrong.name, near)}")
    if not folder.is_dir():
        raise ConfigError(
            f"{folder}: is a file; give the folder that holds it, with any of {', '.join(FILES)}"
        )
    present = {path.name for path in folder.iterdir()}
    missing = [name for name in FILES if name not in present]
    for name in sorted(present.difference(FILES)):
        kind = Path(name).suffix.replace(".yml", ".yaml")
        meant = did_you_mean(name, [file for file in missing if Path(file).suffix == kind])
        if meant:
            raise ConfigError(
                f"{folder / name}: is not one of the files of a training folder, "
                f"{', '.join(FILES)}.{meant} Rename it, or move it elsewhere"
            )
    if present and not present.intersection(FILES):
        raise ConfigError(
            f"{folder}: holds none of {', '.join(FILES)}; give the folder that does, such as "
            "examples/quickstart"
        )


def _read_settings(folder: Path) -> dict[str, Any]:
    path = folder / SETTINGS_FILE
    settings = read_yaml(read_text(path), str(path)) if path.exists() else {}
    for file, key in ((HYPERPARAMETERS_FILE, "hyperparameters"), (METADATA_FILE, "model_metadata")):
        if (folder / file).exists() and key in settings:
            raise ConfigError(
                f"{path}: {key} is given, but {file} is there too; remove one of them"
            )
    if (folder / HYPERPARAMETERS_FILE).exists():
        settings["hyperparameters"] = _read_hyperparameters(folder / HYPERPARAMETERS_FILE)
    if (folder / METADATA_FILE).exists():
        settings["model_metadata"] = ModelMetadata.load(folder / METADATA_FILE)
    track = settings.get("track")
    if isinstance(track, str) and track.endswith((".npy", ".yaml")):
        settings["track"] = str(folder / track)  # as written from where the file is
    return settings


def _read_hyperparameters(path: Path) -> dict[str, Any]:
    content = read_json(read_text(path), str(path))
    try:
        Hyperparameters.model_validate(content)
    except ValidationError as error:
        raise explain(error, Hyperparameters, lambda _: str(path)) from None
    return content
