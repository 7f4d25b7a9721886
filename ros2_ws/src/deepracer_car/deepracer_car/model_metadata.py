"""``model_metadata.json``: the contract between a trained model and whatever drives it.

The file names the sensors a model looks through, the actions it may choose, its network and the
algorithm that trained it. Formats and names are those of the DeepRacer console, so that the file a
racer already has works unchanged, and the file written here works in the racer's other tools.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from deepracer_car.action_space import (
    ActionSpace,
    ContinuousActionSpace,
    DiscreteActionSpace,
    action_space_from_metadata,
)
from deepracer_car.errors import ConfigError, did_you_mean

CAMERA_SENSORS = ("FRONT_FACING_CAMERA", "observation")
"""Sensors that are simulated: the front camera, by its name of today and that of 2018."""
OTHER_SENSORS = (
    "LEFT_CAMERA",
    "STEREO_CAMERAS",
    "LIDAR",
    "SECTOR_LIDAR",
    "DISCRETIZED_SECTOR_LIDAR",
)
"""Sensors the format knows and this version does not simulate."""
NEURAL_NETWORKS = (
    "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW",
    "DEEP_CONVOLUTIONAL_NETWORK",
    "DEEP_CONVOLUTIONAL_NETWORK_DEEP",
    "fast",
)
"""The original's three, and our small one."""
TRAINING_ALGORITHMS = ("clipped_ppo", "sac")
ACTION_SPACE_TYPES = ("discrete", "continuous")
VERSIONS = ("1", "2", "3", "4", "5", "6")

_KEYS = (
    "action_space",
    "action_space_type",
    "sensor",
    "neural_network",
    "training_algorithm",
    "version",
    "lidar_config",
)


@dataclass(frozen=True)
class ModelMetadata:
    """What ``model_metadata.json`` says.

    Attributes:
        action_space: what the policy may choose.
        sensor: names of the sensors it looks through, exactly one camera.
        neural_network: one of `NEURAL_NETWORKS`, None where the file names none.
        training_algorithm: ``clipped_ppo`` or ``sac``.
        version: the original simulator's generation, "1" to "6".
    """

    action_space: ActionSpace
    sensor: tuple[str, ...] = ("FRONT_FACING_CAMERA",)
    neural_network: str | None = None
    training_algorithm: str = "clipped_ppo"
    version: str = "5"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sensor", tuple(self.sensor))
        _check_sensor(self.sensor)
        if self.neural_network is not None:
            _check_choice("neural_network", self.neural_network, NEURAL_NETWORKS)
        _check_choice("training_algorithm", self.training_algorithm, TRAINING_ALGORITHMS)
        _check_choice("version", self.version, VERSIONS)
        if self.training_algorithm == "sac" and isinstance(self.action_space, DiscreteActionSpace):
            raise ConfigError(
                "training_algorithm: sac given with a discrete action_space; sac needs a "
                "continuous one, or choose clipped_ppo"
            )

    @property
    def action_space_type(self) -> str:
        """``discrete`` or ``continuous``."""
        is_discrete = isinstance(self.action_space, DiscreteActionSpace)
        return "discrete" if is_discrete else "continuous"

    @classmethod
    def from_json(cls, content: Any) -> ModelMetadata:
        """Read the parsed content of the file.

        ``lidar_config`` is accepted and dropped: it says nothing about a camera.

        Raises:
            ConfigError: a key is unknown or missing, or a value cannot be used.
        """
        if not isinstance(content, Mapping):
            raise ConfigError(f"{type(content).__name__} given, an object {{...}} is allowed")
        for key in content:
            if key not in _KEYS:
                raise ConfigError(
                    f"unknown key '{key}'; allowed are {', '.join(_KEYS)}."
                    + did_you_mean(str(key), _KEYS)
                )
        if "action_space" not in content:
            raise ConfigError("'action_space' is missing: without it the car cannot act")
        space = action_space_from_metadata(content["action_space"])
        _check_type(content.get("action_space_type"), space)
        return cls(
            action_space=space,
            sensor=_read_sensor(content.get("sensor", ["observation"])),
            neural_network=content.get("neural_network"),
            training_algorithm=content.get("training_algorithm", "clipped_ppo"),
            version=_read_version(content.get("version", "2" if "sensor" in content else "1")),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the content of the file; reading it gives an equal object."""
        content: dict[str, Any] = {
            "action_space": self.action_space.to_metadata(),
            "sensor": list(self.sensor),
            "training_algorithm": self.training_algorithm,
            "action_space_type": self.action_space_type,
            "version": self.version,
        }
        if self.neural_network is not None:
            content["neural_network"] = self.neural_network
        return content

    @classmethod
    def load(cls, path: Path | str) -> ModelMetadata:
        """Read a ``model_metadata.json``.

        Raises:
            ConfigError: the file cannot be read, is no JSON, or says something that cannot be used.
        """
        try:
            return cls.from_json(json.loads(Path(path).read_text(encoding="utf-8-sig")))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path}: is not valid JSON: {error}") from None
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    def save(self, path: Path | str) -> None:
        """Write the file, whole or not at all."""
        part = Path(f"{path}.part")
        part.write_text(json.dumps(self.to_json(), indent=4) + "\n", encoding="utf-8")
        part.replace(path)


def _read_sensor(value: Any) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)) and value and all(isinstance(n, str) for n in value):
        return tuple(value)
    raise ConfigError(
        f'sensor: {value!r} given, a list of names such as ["FRONT_FACING_CAMERA"] is allowed'
    )


def _read_version(value: Any) -> str:
    # The car's own tools write a number where the simulator writes a string.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _check_sensor(sensor: tuple[str, ...]) -> None:
    for name in sensor:
        if name in OTHER_SENSORS:
            raise ConfigError(
                f"sensor: {name} is not simulated by this version; use FRONT_FACING_CAMERA"
            )
        _check_choice("sensor", name, CAMERA_SENSORS)
    if len(sensor) != 1:
        raise ConfigError(
            f"sensor: {len(sensor)} names given ({', '.join(sensor)}), exactly one camera is "
            "allowed"
        )


def _check_type(value: Any, space: ActionSpace) -> None:
    if value is None:
        return
    _check_choice("action_space_type", value, ACTION_SPACE_TYPES)
    if (value == "continuous") != isinstance(space, ContinuousActionSpace):
        form = "a list of actions" if value == "continuous" else "ranges with low and high"
        raise ConfigError(f"action_space_type: {value} given, but action_space holds {form}")


def _check_choice(where: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(
            f"{where}: {value!r} given, one of {', '.join(allowed)} is allowed."
            + did_you_mean(str(value), allowed)
        )
