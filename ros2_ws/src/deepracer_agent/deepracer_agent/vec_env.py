"""The racing task as a Stable-Baselines3 vectorised environment: N cars, no subprocesses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from deepracer_car.action_space import ActionSpace, DiscreteActionSpace
from deepracer_sim.episode import Episode
from deepracer_sim.spaces import answer_space, observation_space
from deepracer_sim.task import RacingTask

Watch = Callable[[RacingTask, np.ndarray], None]
"""Told about a step: the task after it, and what the cars see, (N, 1, 120, 160)."""


class RacingVecEnv(VecEnv):
    """N cars of a `RacingTask`; observations (N, 1, 120, 160) uint8.

    Follows SB3's conventions: a car whose episode ended starts anew at once, its last observation
    stands in ``info["terminal_observation"]``, and ``info["TimeLimit.truncated"]`` tells a cut-off
    from an end.
    The `Episode` itself stands in ``info["racing_episode"]``.
    """

    def __init__(
        self, task: RacingTask, action_space: ActionSpace, watch: Watch | None = None
    ) -> None:
        """Wrap ``task``.

        Args:
            task: N cars.
            action_space: decodes what the policy answers.
            watch: told about every step.
        """
        self.task = task
        self._watch = watch
        self._decoder = action_space
        self._actions = np.zeros(0)
        self.render_mode = None
        super().__init__(
            task.n_cars,
            observation_space(),
            answer_space(action_space),
        )

    def reset(self) -> VecEnvObs:
        """Start all cars; seeds given by `seed` apply once."""
        seed = self._seeds[0]
        self._reset_seeds()
        return self.task.reset(seed=seed)

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Move all cars by one control step."""
        labels = self._actions if isinstance(self._decoder, DiscreteActionSpace) else None
        result = self.task.step(self._decoder.decode(self._actions), labels)
        if self._watch is not None:
            self._watch(self.task, result.observations)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ended = np.flatnonzero(result.terminated | result.truncated)
        for car, episode, last in zip(
            ended, result.episodes, result.final_observations, strict=True
        ):
            infos[car] = _ending(episode, last, bool(result.truncated[car]))
        return (
            result.observations,
            result.rewards.astype(np.float32),
            result.terminated | result.truncated,
            infos,
        )

    def close(self) -> None:
        """Nothing to release."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return the attribute of the task, once per car.

        Raises:
            AttributeError: the task has none of that name.
        """
        owner = self if attr_name == "render_mode" else self.task
        return [getattr(owner, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refuse: the cars share one task."""
        raise AttributeError(
            f"Cannot set '{attr_name}' on one car of a RacingVecEnv: they share a RacingTask."
        )

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Refuse: there are no single environments."""
        raise AttributeError(
            f"Cannot call '{method_name}' on one car of a RacingVecEnv: they share a RacingTask."
        )

    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:
        """No car has a wrapper of its own; episodes are measured as SB3's Monitor would."""
        return [wrapper_class is Monitor for _ in self._get_indices(indices)]

    def _get_indices(self, indices: VecEnvIndices) -> Iterable[int]:
        if indices is None:
            return range(self.num_envs)
        return [indices] if isinstance(indices, int) else indices


def _ending(episode: Episode, last: np.ndarray, truncated: bool) -> dict[str, Any]:
    return {
        "terminal_observation": last,
        "TimeLimit.truncated": truncated,
        "racing_episode": episode,
        "episode": {"r": episode.reward, "l": episode.steps, "t": episode.start_time},
    }


def episodes_in(infos: Sequence[dict[str, Any]]) -> list[Episode]:
    """Return the episodes that ended in this step."""
    return [info["racing_episode"] for info in infos if "racing_episode" in info]
