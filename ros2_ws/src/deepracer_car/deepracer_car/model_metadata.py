"""``model_metadata.json``: the contract between a trained model and whatever drives it.

The file names the sensors a model looks through, the actions it may choose, its network and the
algorithm that trained it. Formats and names are those of the DeepRacer console, so that the file a
racer already has works unchanged, and the file written here works in the racer's other tools.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from math import degrees, isfinite, radians
from pathlib import Path
from typing import Any, Mapping

from deepracer_car.action_space import (
    ActionSpace,
    ContinuousActionSpace,
    DiscreteActionSpace,
    action_space_from_metadata,
)
from deepracer_car.errors import ConfigError, did_you_mean

CAMERA_CHANNELS = {
    "FRONT_FACING_CAMERA": 1,
    "observation": 1,
    "LEFT_CAMERA": 1,
    "STEREO_CAMERAS": 2,
}
"""Cameras and their pictures: the front one by its name of today and that of 2018, the left one of
a pair, and the pair, left first."""
LIDAR_SENSORS = ("LIDAR", "SECTOR_LIDAR")
"""Distances in m, and for each sector whether something is near."""
SIMULATED_SENSORS = ("FRONT_FACING_CAMERA", "observation")
"""With the others a model can be exported and driven, but not be trained by this version."""
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

KEYS = (
    "action_space",
    "action_space_type",
    "sensor",
    "neural_network",
    "training_algorithm",
    "version",
    "lidar_config",
    "preprocess_type",
    "regional_parameters",
)
"""What the file may say. The last two are written by the console; pictures are always grey, and
nothing reads the other one."""
_ANGLES = ("min_angle", "max_angle")
_COUNTS = ("num_values", "num_sectors")
_SIMULATORS_KEYS = ("num_values_per_sector", "clipping_dist")
"""Of a lidar that no car has; accepted and dropped."""


@dataclass(frozen=True)
class LidarConfig:
    """How the car prepares what its lidar measures; by default as an unmodified car does.

    Attributes:
        num_values: directions measured.
        min_angle: of the first, rad, positive to the left.
        max_angle: of the last, rad.
        min_distance: nearest, m.
        max_distance: furthest, m; also stands for "nothing there".
        clipping_distance: larger ones are cut to it, m.
        num_sectors: of a ``SECTOR_LIDAR``; otherwise the car wants the number of values here too.
    """

    num_values: int = 64
    min_angle: float = radians(-150.0)
    max_angle: float = radians(150.0)
    min_distance: float = 0.15
    max_distance: float = 0.5
    clipping_distance: float = 1.0
    num_sectors: int = 64

    def __post_init__(self) -> None:
        for name in _COUNTS:
            count = getattr(self, name)
            if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 1000:
                raise ConfigError(f"lidar_config.{name}: {count!r} given, 1 to 1000 is allowed")

    @classmethod
    def of(cls, sensor: str) -> LidarConfig:
        """Return what an unmodified car uses for ``sensor``."""
        return cls(clipping_distance=0.5, num_sectors=8) if sensor == "SECTOR_LIDAR" else cls()

    @classmethod
    def from_json(cls, content: Any, sensor: str) -> LidarConfig:
        """Read ``lidar_config``; what it does not say is as for ``sensor`` on an unmodified car.

        Raises:
            ConfigError: a key is unknown, or a value cannot be used.
        """
        if not isinstance(content, Mapping):
            raise ConfigError(f"lidar_config: {content!r} given, an object {{...}} is allowed")
        allowed = tuple(f.name for f in fields(cls))
        values = {name: getattr(cls.of(sensor), name) for name in allowed}
        for key, value in content.items():
            if key in _SIMULATORS_KEYS:
                continue
            if key not in allowed:
                raise ConfigError(
                    f"lidar_config: unknown key '{key}'; allowed are {', '.join(allowed)}."
                    + did_you_mean(str(key), allowed)
                )
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not is_number or not isfinite(value):
                raise ConfigError(f"lidar_config.{key}: {value!r} given, a number is allowed")
            values[key] = radians(value) if key in _ANGLES else value
        if sensor == "LIDAR" and "num_sectors" not in content:
            values["num_sectors"] = values["num_values"]
        return cls(**values)

    def to_json(self) -> dict[str, float]:
        """Return all seven keys: a car that finds some of them wants them all."""
        return {
            f.name: round(degrees(getattr(self, f.name)), 9) + 0.0
            if f.name in _ANGLES
            else getattr(self, f.name)
            for f in fields(self)
        }


@dataclass(frozen=True)
class ModelMetadata:
    """What ``model_metadata.json`` says.

    Attributes:
        action_space: what the policy may choose.
        sensor: names of the sensors it looks through: exactly one camera, at most one lidar.
        neural_network: one of `NEURAL_NETWORKS`, None where the file names none.
        training_algorithm: ``clipped_ppo`` or ``sac``.
        version: the original simulator's generation, "1" to "6".
        lidar_config: None where there is no lidar.
    """

    action_space: ActionSpace
    sensor: tuple[str, ...] = ("FRONT_FACING_CAMERA",)
    neural_network: str | None = None
    training_algorithm: str = "clipped_ppo"
    version: str = "5"
    lidar_config: LidarConfig | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "sensor", tuple(self.sensor))
        _check_sensor(self.sensor)
        lidar = self.lidar
        if lidar is None:
            object.__setattr__(self, "lidar_config", None)
        elif self.lidar_config is None:
            object.__setattr__(self, "lidar_config", LidarConfig.of(lidar))
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
    def camera(self) -> str:
        """The camera among the sensors."""
        return next(name for name in self.sensor if name in CAMERA_CHANNELS)

    @property
    def camera_channels(self) -> int:
        """Pictures of one look: 2 of a pair of cameras, else 1."""
        return CAMERA_CHANNELS[self.camera]

    @property
    def lidar(self) -> str | None:
        """The lidar among the sensors, if there is one."""
        return next((name for name in self.sensor if name in LIDAR_SENSORS), None)

    @property
    def lidar_values(self) -> int:
        """How many numbers of the lidar the network sees; 0 without one."""
        if self.lidar_config is None:
            return 0
        sectors = self.lidar == "SECTOR_LIDAR"
        return self.lidar_config.num_sectors if sectors else self.lidar_config.num_values

    @property
    def action_space_type(self) -> str:
        """``discrete`` or ``continuous``."""
        is_discrete = isinstance(self.action_space, DiscreteActionSpace)
        return "discrete" if is_discrete else "continuous"

    @classmethod
    def from_json(cls, content: Any) -> ModelMetadata:
        """Read the parsed content of the file; ``lidar_config`` counts only where there is a lidar.

        Raises:
            ConfigError: a key is unknown or missing, or a value cannot be used.
        """
        if not isinstance(content, Mapping):
            raise ConfigError(f"{type(content).__name__} given, an object {{...}} is allowed")
        for key in content:
            if key not in KEYS:
                raise ConfigError(
                    f"unknown key '{key}'; allowed are {', '.join(KEYS)}."
                    + did_you_mean(str(key), KEYS)
                )
        if "action_space" not in content:
            raise ConfigError("'action_space' is missing: without it the car cannot act")
        if content.get("preprocess_type", "GREY_SCALE") != "GREY_SCALE":
            raise ConfigError(
                f"preprocess_type: {content['preprocess_type']!r} given, GREY_SCALE is allowed"
            )
        space = action_space_from_metadata(content["action_space"])
        _check_type(content.get("action_space_type"), space)
        sensor = _read_sensor(content.get("sensor", ["observation"]))
        lidar = next((name for name in sensor if name in LIDAR_SENSORS), None)
        given = content.get("lidar_config")
        return cls(
            action_space=space,
            sensor=sensor,
            neural_network=content.get("neural_network"),
            training_algorithm=content.get("training_algorithm", "clipped_ppo"),
            version=_read_version(content.get("version", "2" if "sensor" in content else "1")),
            lidar_config=LidarConfig.from_json(given, lidar) if lidar and given else None,
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
        if self.lidar_config is not None:
            content["lidar_config"] = self.lidar_config.to_json()
        return content

    def check_simulated(self) -> None:
        """Raise where a sensor is none that the simulators show.

        Raises:
            ConfigError: naming it.
        """
        for name in self.sensor:
            if name not in SIMULATED_SENSORS:
                raise ConfigError(
                    f"sensor: {name} is not simulated by this version; use FRONT_FACING_CAMERA"
                )

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
        if name == "DISCRETIZED_SECTOR_LIDAR":
            raise ConfigError(f"sensor: {name} is known to no car; use SECTOR_LIDAR")
        _check_choice("sensor", name, (*CAMERA_CHANNELS, *LIDAR_SENSORS))
    for names, kind, allowed in (
        (CAMERA_CHANNELS, "camera", "exactly one is"),
        (LIDAR_SENSORS, "lidar", "at most one is"),
    ):
        given = [name for name in sensor if name in names]
        if len(given) > 1 or (kind == "camera" and not given):
            raise ConfigError(
                f"sensor: {len(given)} of the kind {kind} given ({', '.join(sensor)}), "
                f"{allowed} allowed"
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
