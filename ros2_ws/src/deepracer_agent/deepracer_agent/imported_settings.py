"""The settings of a training elsewhere, as far as they mean something here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml
from pydantic import ValidationError

from deepracer_agent.archives import MAX_TEXT, ModelFiles
from deepracer_agent.config import NETWORK_OF, RACE_TYPES, TrainingConfig
from deepracer_agent.config_files import explain, read_json, read_yaml
from deepracer_agent.hyperparameters import Hyperparameters
from deepracer_agent.inspection import Contents, read_metadata
from deepracer_agent.runs import RunStatus
from deepracer_car.errors import ConfigError, ModelError, TrackError
from deepracer_car.model_bundle import PROVENANCE
from deepracer_car.model_metadata import ModelMetadata
from deepracer_sim.track_library import find_track

JOB = "training_params.yaml"
"""Where Amazon's simulator was told its track."""
MAX_REWARD = 1 << 20
MAX_YAML = 1 << 18

_MODELS = ("bundle", "car archive")
"""Kinds that tell what to see and do, not how that was learnt."""
_TRACK = re.compile(r"[A-Za-z0-9_-]{1,100}")
_DEFAULT_TRACK = str(TrainingConfig.model_fields["track"].default)


@dataclass(frozen=True)
class Settings:
    """What was read.

    Attributes:
        reward: the reward function.
        metadata: sensors and actions.
        hyperparameters: those that mean something here; the others have their defaults.
        config: all of it together, if a training here could start with it.
        track: name of the track trained on; empty if unknown.
        metrics: file with the course of one of our own trainings.
        status: of one of our own trainings.
        notes: what was left out or changed, in words.
    """

    reward: bytes | None
    metadata: ModelMetadata | None
    hyperparameters: Hyperparameters | None
    config: TrainingConfig | None
    track: str
    metrics: str | None
    status: RunStatus | None
    notes: tuple[str, ...]


def read_settings(files: ModelFiles, contents: Contents) -> Settings:
    """Read what there is; what cannot be used is left out and noted.

    Raises:
        ModelError: a file is too large or cannot be read.
    """
    notes: list[str] = []
    reward = _reward(files, contents, notes)
    metadata, hyperparameters = _metadata(files, contents, notes), None
    if contents.hyperparameters is not None:
        hyperparameters = _hyperparameters(_text(files, contents.hyperparameters), notes)
    config = _config_of_run(files, contents, notes)
    given: dict[str, Any]
    if config is not None:
        given = config.model_dump()
        hyperparameters = hyperparameters or config.hyperparameters
        metadata = metadata or config.model_metadata
        track = config.track
    else:
        given, track = _job(files, notes)
        if contents.bundle is not None:
            track = track or _track_of_bundle(files, contents.bundle)
        if metadata is not None:
            given["model_metadata"] = metadata
        if hyperparameters is not None:
            given["hyperparameters"] = hyperparameters.model_dump()
    known = _known_track(given, track, notes)
    given.update(known or {"track": _DEFAULT_TRACK, "direction": None})
    is_training = contents.kind not in _MODELS or reward is not None
    whole = _config(given, metadata, notes) if metadata is not None and is_training else None
    own = _in_run(contents, "metrics.jsonl")
    return Settings(
        reward,
        metadata,
        hyperparameters,
        whole,
        known.get("track", track[:100]) if whole is None else whole.track,
        own if own in files.sizes else None,
        _status(files, contents),
        tuple(notes),
    )


def _reward(files: ModelFiles, contents: Contents, notes: list[str]) -> bytes | None:
    if contents.reward is None:
        if contents.kind not in _MODELS:
            notes.append("there is no reward function; a default one is put in its place")
        return None
    content = files.read(contents.reward, MAX_REWARD)
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        notes.append(f"{contents.reward} is not UTF-8 text; a default one is put in its place")
        return None
    notes.append(
        "read reward_function.py before you train or evaluate: both run it as it is, and "
        "importing did not"
    )
    return content


def _metadata(files: ModelFiles, contents: Contents, notes: list[str]) -> ModelMetadata | None:
    if contents.metadata is None:
        notes.append("there is no model_metadata.json")
        return None
    try:
        metadata, passed_over = read_metadata(files.read(contents.metadata), contents.metadata)
    except ConfigError as error:
        notes.append(f"left out: {error}")
        return None
    notes.extend(passed_over)
    return metadata


def _hyperparameters(text: str, notes: list[str]) -> Hyperparameters | None:
    """Those values that are allowed; each of the others is noted and has its default."""
    try:
        given = read_json(text, "hyperparameters.json")
    except ConfigError as error:
        notes.append(f"left out: {error}")
        return None
    good: dict[str, Any] = {}
    for key, value in given.items():
        try:
            Hyperparameters.model_validate({key: value})
        except ValidationError as error:
            told = explain(error, Hyperparameters, lambda _: "hyperparameters.json")
            default = Hyperparameters.model_fields.get(key)
            use = f"; {default.default} is used" if default else ""
            notes.append(f"left out: {str(told)[:400]}{use}")
        else:
            good[key] = value
    return Hyperparameters.model_validate(good)


def _config_of_run(
    files: ModelFiles, contents: Contents, notes: list[str]
) -> TrainingConfig | None:
    """The settings of a run of our own."""
    name = _in_run(contents, "config.yaml")
    if name is None:
        return None
    try:
        return TrainingConfig.from_yaml(_yaml(files, name), name)
    except ConfigError as error:
        notes.append(f"left out: {error}")
        return None


def _job(files: ModelFiles, notes: list[str]) -> tuple[dict[str, Any], str]:
    """Track and direction out of the parameters of Amazon's simulator."""
    name = next(iter(files.named(JOB)), None)
    if name is None:
        return {}, ""
    try:
        given = read_yaml(_yaml(files, name), JOB)
    except ConfigError as error:
        notes.append(f"left out: {error}")
        return {}, ""
    race = _first(given, "RACE_TYPE")
    if race and race != RACE_TYPES[0]:
        notes.append(f"{JOB}: RACE_TYPE {race[:60]} is not raced here; a training is a time trial")
    settings: dict[str, Any] = {}
    if turned := _first(given, "TRACK_DIRECTION_CLOCKWISE"):
        settings["direction"] = "cw" if turned.lower() == "true" else "ccw"
    return settings, _first(given, "WORLD_NAME")


def _track_of_bundle(files: ModelFiles, folder: str) -> str:
    """The track in the provenance; what else is in it is checked when the bundle is opened."""
    try:
        track = read_json(_text(files, str(PurePosixPath(folder, PROVENANCE))), "").get("track")
    except ConfigError:
        return ""
    return track if isinstance(track, str) else ""


def _first(given: Mapping[str, Any], key: str) -> str:
    """A value as text; the first one where each worker had its own."""
    value = given.get(key)
    value = value[0] if isinstance(value, list) and value else value
    return str(value)[:200] if isinstance(value, (str, bool, int)) else ""


def _known_track(given: Mapping[str, Any], track: str, notes: list[str]) -> dict[str, Any]:
    """The track by its name here, with the direction that some names end with."""
    stem, _, direction = track.rpartition("_")
    for name, way in ((track, None), (stem, direction)):
        if not _TRACK.fullmatch(name) or way not in (None, "cw", "ccw"):
            continue
        try:
            find_track(name)
        except TrackError:
            continue
        return {"track": name, "direction": given.get("direction") or way}
    if track:
        notes.append(
            f"the track {track[:100]!r} is not known here; {_DEFAULT_TRACK} is put in its place "
            "('deepracer track list' shows all)"
        )
    return {}


def _config(
    given: dict[str, Any], metadata: ModelMetadata, notes: list[str]
) -> TrainingConfig | None:
    if "network" not in given and metadata.neural_network not in (None, *NETWORK_OF):
        notes.append(f"neural_network {metadata.neural_network} is not trained here; deepracer is")
        given = {**given, "network": "deepracer"}
    try:
        return TrainingConfig.from_settings(given, lambda key: key.partition(".")[0] or "settings")
    except ConfigError as error:
        notes.append(f"it cannot be trained again here: {error}")
        return None


def _status(files: ModelFiles, contents: Contents) -> RunStatus | None:
    name = _in_run(contents, "status.json")
    try:
        return RunStatus.model_validate_json(files.read(name)) if name else None
    except ValidationError:
        return None


def _in_run(contents: Contents, name: str) -> str | None:
    if contents.run is None:
        return None
    return f"{contents.run}/{name}" if contents.run else name


def _yaml(files: ModelFiles, name: str) -> str:
    """The text of a file in which nothing stands for more than is written there.

    Raises:
        ConfigError: something does: a few such lines can fill all memory.
    """
    text = _text(files, name, MAX_YAML)
    try:
        events = [type(event) for event in yaml.parse(text, Loader=yaml.SafeLoader)]
    except (yaml.YAMLError, ValueError, RecursionError):
        return text  # whoever reads it says what is wrong with it
    if yaml.AliasEvent in events:
        raise ConfigError(f"{name}: has aliases (*name), which such a file does not need")
    return text


def _text(files: ModelFiles, name: str, limit: int = MAX_TEXT) -> str:
    try:
        return files.read(name, limit).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ModelError(f"{name} is not UTF-8 text.") from None
