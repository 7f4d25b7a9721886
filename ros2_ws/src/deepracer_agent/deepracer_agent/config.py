"""``TrainingConfig``: every setting of a training, with its limits, default and meaning.

One schema stands behind ``training.yaml``, the command line, the snapshot in a run directory and
the reference in the documentation. Unknown keys and values out of range are refused.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    field_validator,
    model_validator,
)

from deepracer_agent.config_files import (
    explain,
    overridden,
    read_text,
    read_yaml,
    source_of,
    write_yaml,
)
from deepracer_agent.config_sections import (
    CheckpointConfig,
    EvaluationConfig,
    LearningConfig,
    StartConfig,
    StopConfig,
)
from deepracer_agent.hyperparameters import STRICT, Hyperparameters, Whole
from deepracer_car.action_space import DiscreteActionSpace
from deepracer_car.errors import ConfigError
from deepracer_car.model_metadata import ModelMetadata

RACE_TYPES = ("TIME_TRIAL", "OBJECT_AVOIDANCE", "HEAD_TO_BOT", "HEAD_TO_MODEL", "F1")
NETWORK_OF = {"DEEP_CONVOLUTIONAL_NETWORK_SHALLOW": "deepracer", "fast": "fast"}
"""The preset for a network named in ``model_metadata.json``."""


def _read_metadata(value: Any) -> ModelMetadata:
    return value if isinstance(value, ModelMetadata) else ModelMetadata.from_json(value)


Metadata = Annotated[
    ModelMetadata,
    PlainValidator(_read_metadata),
    PlainSerializer(ModelMetadata.to_json, return_type=dict),
]


class TrainingConfig(BaseModel):
    """All settings of one training; also the content of ``config.yaml`` in its run directory."""

    model_config = STRICT

    track: str = Field(
        default="reinvent_base",
        min_length=1,
        description="Name of a track, or path of a track file.",
    )
    direction: Literal["cw", "ccw"] | None = Field(
        default=None, description="Clockwise, counter-clockwise, or null: as the track was drawn."
    )
    race_type: str = Field(
        default="TIME_TRIAL", description="TIME_TRIAL, the only one in this version."
    )
    seed: Whole = Field(
        default=0, ge=0, le=2**32 - 1, description="Of everything random in the run."
    )
    network: Literal["fast", "deepracer"] = Field(
        default="fast",
        description="'fast': small and quick to train; 'deepracer': the layout of "
        "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW, also chosen when model_metadata.json names that.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where the network runs."
    )
    simulator: Literal["embedded", "simulator_node", "gazebo"] = Field(
        default="embedded",
        description="What moves and shows the cars: 'embedded' in the training's own process, or "
        "one reached over ROS 2, which drives one car for each rank.",
    )
    namespace: str = Field(
        default="", description="Over ROS 2 only: namespace of the simulator's topics."
    )
    restarts: Whole = Field(
        default=0,
        ge=0,
        description="Over ROS 2 only: how often the training goes on from its last checkpoint "
        "after the simulator has failed.",
    )
    ranks: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = Field(
        default="auto",
        description="Processes that train together; 'auto': two where there are two cores, one "
        "over ROS 2.",
    )
    cars: Whole = Field(
        default=32,
        ge=1,
        le=4096,
        description="Cars driven at once, over all ranks; over ROS 2 as many as ranks.",
    )
    max_steps_per_episode: Whole = Field(
        default=3_000,
        ge=1,
        le=100_000,
        description="An episode is cut off after so many steps of 1/15 s.",
    )
    start: StartConfig = Field(default=StartConfig(), description="Where episodes begin.")
    learning: LearningConfig = Field(default=LearningConfig(), description="More about PPO.")
    evaluation: EvaluationConfig = Field(
        default=EvaluationConfig(), description="Greedy laps between updates."
    )
    checkpoints: CheckpointConfig = Field(
        default=CheckpointConfig(), description="Which checkpoints are kept."
    )
    stop: StopConfig = Field(default=StopConfig(laps=3), description="When the run ends.")
    video: bool = Field(default=True, description="Write an MP4 of the best lap when the run ends.")
    plot: bool = Field(
        default=True, description="Write a picture of reward and progress when it ends."
    )
    hyperparameters: Hyperparameters = Field(
        default=Hyperparameters(), description="The content of hyperparameters.json."
    )
    model_metadata: Metadata = Field(
        default=ModelMetadata(DiscreteActionSpace.from_granularity(30, 5, 1.0, 2)),
        description="The content of model_metadata.json; by default the console's ten actions.",
    )

    @model_validator(mode="before")
    @classmethod
    def _network_of_metadata(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "model_metadata" not in given:
            return given
        metadata = _read_metadata(given["model_metadata"])
        given = {**given, "model_metadata": metadata}
        if "network" not in given and metadata.neural_network is not None:
            if metadata.neural_network not in NETWORK_OF:
                raise ValueError(
                    f"model_metadata: neural_network {metadata.neural_network} is not trained by "
                    "this version; write 'network: fast' or 'network: deepracer' in training.yaml"
                )
            given["network"] = NETWORK_OF[metadata.neural_network]
        return given

    @model_validator(mode="before")
    @classmethod
    def _one_car_per_simulator(cls, given: Any) -> Any:
        over_ros = isinstance(given, dict) and given.get("simulator", "embedded") != "embedded"
        if not over_ros or "cars" in given:
            return given
        ranks = given.get("ranks")
        return {**given, "cars": ranks if isinstance(ranks, int) else 1}

    @field_validator("race_type")
    @classmethod
    def _only_time_trials(cls, value: str) -> str:
        if value in RACE_TYPES[1:]:
            raise ValueError("only TIME_TRIAL is allowed: this version has no other cars or boxes")
        if value != RACE_TYPES[0]:
            raise ValueError("TIME_TRIAL is allowed")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> TrainingConfig:
        metadata, learning = self.model_metadata, self.hyperparameters
        try:
            metadata.check_simulated()
        except ConfigError as error:
            raise ValueError(f"model_metadata: {error}") from None
        if metadata.training_algorithm == "sac":
            raise ValueError(
                "model_metadata: training_algorithm sac is not trained by this version; "
                "use clipped_ppo"
            )
        is_discrete = isinstance(metadata.action_space, DiscreteActionSpace)
        if learning.exploration_type == "e-greedy" and not is_discrete:
            raise ValueError(
                "hyperparameters: exploration_type e-greedy picks from a list of actions, but "
                "the action_space is continuous; use categorical"
            )
        if self.stop.laps is not None and self.stop.laps > self.evaluation.laps:
            raise ValueError(
                f"stop.laps: {self.stop.laps} given, but an evaluation drives "
                f"{self.evaluation.laps} laps; raise evaluation.laps"
            )
        if self.over_ros:
            self._fits_one_car_per_rank()
        else:
            self._leaves_out_what_ros_needs()
        if isinstance(self.ranks, int) and self.cars % self.ranks:
            raise ValueError(
                f"cars: {self.cars} given, but {self.ranks} ranks need a multiple of {self.ranks}"
            )
        return self

    def _fits_one_car_per_rank(self) -> None:
        ranks = self.rank_count()
        if self.cars != ranks:
            raise ValueError(
                f"cars: {self.cars} given, but with simulator {self.simulator} each rank drives "
                f"one car and ranks is {self.ranks}; leave cars out, or give cars: {ranks}"
            )
        if self.start.max_speed > 0.0:
            raise ValueError(
                f"start.max_speed: {self.start.max_speed:g} given, but simulator {self.simulator} "
                "starts cars at rest; 0 is allowed"
            )

    def _leaves_out_what_ros_needs(self) -> None:
        for key in ("namespace", "restarts"):
            if given := getattr(self, key):
                raise ValueError(
                    f"{key}: {given} given, but the embedded simulator has none; leave it out, or "
                    "choose a simulator over ROS 2"
                )

    @property
    def over_ros(self) -> bool:
        """Whether the simulator is reached over ROS 2; it then drives one car."""
        return self.simulator != "embedded"

    def named_metadata(self) -> ModelMetadata:
        """The content of ``model_metadata.json`` with the network that is trained."""
        name = next(name for name, preset in NETWORK_OF.items() if preset == self.network)
        return dataclasses.replace(self.model_metadata, neural_network=name)

    def rank_count(self) -> int:
        """Number of processes that train together on this machine."""
        if isinstance(self.ranks, int):
            return self.ranks
        if self.over_ros:
            return 1
        cores = len(os.sched_getaffinity(0))
        return 2 if cores >= 2 and self.cars % 2 == 0 else 1

    def to_yaml(self) -> str:
        """Return all settings as YAML; ``from_yaml`` gives an equal object."""
        return write_yaml(self.model_dump(mode="json"))

    def overridden(self, overrides: Mapping[str, Any], source: str) -> TrainingConfig:
        """Return the settings with others put in their place.

        Args:
            overrides: new values by dotted key, such as ``stop.time``.
            source: names the file that the old values are from.

        Raises:
            ConfigError: a key is unknown, or its value cannot be used.
        """
        settings = overridden(self.model_dump(), overrides)
        return self.from_settings(settings, source_of(source, overrides))

    @classmethod
    def from_yaml(cls, text: str, source: str = "config.yaml") -> TrainingConfig:
        """Read settings from YAML.

        Raises:
            ConfigError: naming ``source`` and the key.
        """
        return cls.from_settings(read_yaml(text, source), lambda _: source)

    @classmethod
    def load(cls, path: Path) -> TrainingConfig:
        """Read the snapshot of a run.

        Raises:
            ConfigError: it cannot be read, or is not valid any more.
        """
        return cls.from_yaml(read_text(path), str(path))

    @classmethod
    def from_settings(
        cls, settings: dict[str, Any], source_of: Callable[[str], str]
    ) -> TrainingConfig:
        """Check plain settings.

        Args:
            settings: keys and values as in a YAML file.
            source_of: names the file or option that gave a dotted key, for messages.

        Raises:
            ConfigError: with one line for each setting that cannot be used.
        """
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            raise explain(error, cls, source_of) from None
        except ConfigError as error:  # the car's classes know nothing of pydantic
            raise ConfigError(f"{source_of('model_metadata')}: model_metadata: {error}") from None
