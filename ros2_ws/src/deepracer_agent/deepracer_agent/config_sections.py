"""The blocks of ``TrainingConfig``: starts, learning, evaluation, checkpoints and stopping."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from deepracer_agent.hyperparameters import STRICT, Whole
from deepracer_sim.starts import Starts

_UNITS = {"": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}


def seconds(value: Any) -> Any:
    """Read a duration: seconds, or text such as ``90 s``, ``10 min``, ``1 h 30 min``."""
    if not isinstance(value, str):
        return value
    parts = re.findall(r"([\d.]+)\s*([a-z]*)\s*", value.strip().lower())
    whole = "".join(f"{number}{unit}" for number, unit in parts)
    try:
        if parts and whole == re.sub(r"\s+", "", value.lower()):
            return sum(float(number) * _UNITS[unit] for number, unit in parts)
    except (KeyError, ValueError):
        pass
    raise ValueError("seconds, or a duration such as '90 s', '10 min' or '1 h' is allowed")


Seconds = Annotated[float, BeforeValidator(seconds)]


class StartConfig(BaseModel):
    """Where episodes begin."""

    model_config = STRICT

    mode: Literal["round_robin", "random", "fixed"] = Field(
        default="round_robin",
        description="'round_robin': each episode of a car starts a little further round the lap; "
        "'random': anywhere; 'fixed': always at 'offset'.",
    )
    advance: float = Field(
        default=0.05, ge=0.0, le=1.0, description="round_robin only: how much further, of the lap."
    )
    offset: float = Field(
        default=0.0, ge=0.0, le=1.0, description="Where the first start is, of the lap."
    )
    alternate_direction: bool = Field(
        default=False, description="Drive every other episode the other way round."
    )
    lateral_jitter: float = Field(
        default=0.5,
        ge=0.0,
        le=1.0,
        description="random only: up to how far off the centre, of half a road.",
    )
    heading_jitter: float = Field(
        default=8.0,
        ge=0.0,
        le=45.0,
        description="random only: standard deviation of the heading, degrees.",
    )
    max_speed: float = Field(
        default=0.0, ge=0.0, le=4.0, description="random only: highest speed at the start, m/s."
    )

    def starts(self) -> Starts:
        """Return the same settings as the simulator wants them."""
        return Starts(**self.model_dump())


class LearningConfig(BaseModel):
    """What PPO needs and ``hyperparameters.json`` has no key for."""

    model_config = STRICT

    lr_schedule: Literal["constant", "linear"] = Field(
        default="constant",
        description="'linear' lowers the learning rate to 'lr_final_fraction' of lr.",
    )
    lr_final_fraction: float = Field(
        default=0.1, ge=0.0, le=1.0, description="linear only: last learning rate, of lr."
    )
    lr_horizon_steps: Whole = Field(
        default=60_000, ge=1, description="linear only: steps until it is reached; it stays there."
    )
    gae_lambda: float = Field(
        default=0.95,
        ge=0.0,
        le=1.0,
        description="Generalised advantage estimation: 1 trusts rewards alone.",
    )
    clip_range: float = Field(
        default=0.2, gt=0.0, le=1.0, description="How far one update may move a probability ratio."
    )
    max_steps_between_training: Whole = Field(
        default=10_000,
        ge=32,
        description="An update follows after so many steps, even if fewer than "
        "num_episodes_between_training episodes have ended.",
    )
    reward_scaling: bool = Field(
        default=False, description="Divide rewards by the running spread of their discounted sum."
    )


class EvaluationConfig(BaseModel):
    """Greedy laps between updates."""

    model_config = STRICT

    every_steps: Whole = Field(
        default=4096, ge=1, description="Evaluate after so many steps of training."
    )
    every_updates: Whole | None = Field(
        default=None, ge=1, description="Evaluate after so many updates, in place of every_steps."
    )
    starts: Whole = Field(
        default=4, ge=1, le=64, description="Start points, spread evenly round the lap."
    )
    laps: Whole = Field(default=3, ge=1, le=100, description="Laps driven from each of them.")


class CheckpointConfig(BaseModel):
    """Which checkpoints stay on the disk; the best and the last always do."""

    model_config = STRICT

    keep: Annotated[int, Field(ge=1)] | Literal["all"] = Field(
        default=5, description="How many of the newest are kept beside the best one, or 'all'."
    )
    min_seconds_between: Seconds = Field(
        default=10.0,
        ge=0.0,
        description="Least time between two checkpoints, unless one is the best yet.",
    )


class TargetConfig(BaseModel):
    """What an evaluation must reach."""

    model_config = STRICT

    reward: float | None = Field(
        default=None, description="Mean reward of the evaluation's episodes."
    )
    progress: float | None = Field(
        default=None,
        gt=0.0,
        le=100.0,
        description="Mean progress of them, percent of the laps asked for.",
    )

    @model_validator(mode="after")
    def _not_empty(self) -> TargetConfig:
        if self.reward is None and self.progress is None:
            raise ValueError("empty; give reward, progress or both")
        return self


class StopConfig(BaseModel):
    """When the run ends: at the first of these. With none given: 3 clean laps from each start."""

    model_config = STRICT

    time: Seconds | None = Field(
        default=None, gt=0.0, description="Wall-clock time: seconds, or text such as '10 min'."
    )
    steps: Whole | None = Field(default=None, ge=1, description="Steps of training, over all cars.")
    episodes: Whole | None = Field(
        default=None, ge=1, description="Episodes of training, over all cars."
    )
    laps: Whole | None = Field(
        default=None, ge=1, description="Clean laps from every start of one evaluation."
    )
    target: TargetConfig | None = Field(
        default=None, description="A mean reached in one evaluation."
    )

    @model_validator(mode="before")
    @classmethod
    def _some_condition(cls, given: Any) -> Any:
        if isinstance(given, dict) and all(value is None for value in given.values()):
            return {**given, "laps": 3}
        return given
