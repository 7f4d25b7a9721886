"""``hyperparameters.json``: the learning settings every racer knows, by DeepRacer's own names.

Each key does what it says or is refused by name. Limits are those of the DeepRacer console,
defaults those of its form; keys the form does not show have the original trainer's defaults.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
"""An integer, also when it is written as 20.0 or 1e6."""


class Hyperparameters(BaseModel):
    """The content of ``hyperparameters.json``."""

    model_config = STRICT

    batch_size: Annotated[Literal[32, 64, 128, 256, 512], BeforeValidator(_whole)] = Field(
        default=64, description="Steps per gradient step, over all ranks together."
    )
    num_epochs: Whole = Field(
        default=10,
        ge=3,
        le=10,
        description="How often an update passes over the steps it has collected.",
    )
    lr: float = Field(
        default=3e-4,
        ge=1e-8,
        le=1e-3,
        description="Learning rate of Adam, at the start of its schedule.",
    )
    beta_entropy: float = Field(
        default=0.01,
        ge=0.0,
        le=1.0,
        description="Weight of the entropy bonus: higher explores more.",
    )
    discount_factor: float = Field(
        default=0.99, ge=0.0, le=1.0, description="Weight of a reward one step later (gamma)."
    )
    loss_type: Literal["huber", "mean squared error"] = Field(
        default="huber",
        description="Loss of the value network; 'mean_squared_error' is read as well.",
    )
    num_episodes_between_training: Whole = Field(
        default=20,
        ge=1,
        le=100,
        description="Episodes collected, over all cars, before each update.",
    )
    exploration_type: Literal["categorical", "e-greedy"] = Field(
        default="categorical",
        description="'categorical' samples the policy; 'e-greedy' takes its best action or, with "
        "a falling probability, any.",
    )
    e_greedy_value: float = Field(
        default=0.05,
        ge=0.0,
        le=1.0,
        description="e-greedy only: last probability of a random action.",
    )
    epsilon_steps: Whole = Field(
        default=10_000,
        ge=1,
        description="e-greedy only: steps over which it falls from 1 to that value.",
    )
    stack_size: Whole = Field(
        default=1, description="Frames seen at once: 1, as in the original whatever the file said."
    )
    term_cond_max_episodes: Whole = Field(
        default=100_000, ge=1, description="The run ends after so many episodes."
    )
    term_cond_avg_score: float = Field(
        default=100_000.0,
        description="The run ends when the mean reward of the episodes of one update reaches this.",
    )
    sac_alpha: float = Field(
        default=0.2,
        description="Entropy weight of SAC, which this version does not train: only 0.2.",
    )

    @field_validator("loss_type", mode="before")
    @classmethod
    def _console_spelling(cls, value: Any) -> Any:
        return value.replace("_", " ") if isinstance(value, str) else value

    @field_validator("stack_size")
    @classmethod
    def _one_frame(cls, value: int) -> int:
        if value != 1:
            raise ValueError("only 1 is allowed: the network sees one frame at a time")
        return value

    @field_validator("sac_alpha")
    @classmethod
    def _no_sac(cls, value: float) -> float:
        if value != 0.2:
            raise ValueError("only 0.2 is allowed: sac is not trained by this version")
        return value
