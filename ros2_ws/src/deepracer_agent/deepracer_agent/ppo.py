"""PPO as the racers' files describe it: SB3's, arranged for many cars and several ranks.

What differs from `stable_baselines3.PPO`:

* a rollout ends after ``num_episodes_between_training`` episodes (or a cap on steps), as DeepRacer
  does it;
* the value loss is Huber or squared error, exploration may be e-greedy;
* advantages are standardised once per update over all ranks, and rewards can be scaled so that
  returns have unit variance;
* gradients of all ranks are averaged: R ranks with N/R cars learn as one with N cars;
* pixels stay uint8 until they are inside the network.

A saved model loads with plain `stable_baselines3.PPO.load`.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.utils import explained_variance
from stable_baselines3.common.vec_env import VecEnv
from torch.nn import functional

from deepracer_agent.distributed import Ranks
from deepracer_agent.networks import RacingPolicy
from deepracer_agent.rollout_buffer import EpisodicRolloutBuffer
from deepracer_agent.shared_sum import SharedSum
from deepracer_agent.vec_env import episodes_in
from deepracer_car.errors import RunError
from deepracer_sim.episode import Episode

MIN_STEPS = 8
"""Steps per car below which a rollout is not worth an update, however short the episodes are."""


@dataclass(frozen=True)
class Exploration:
    """How the sampled action is made bolder.

    Attributes:
        kind: ``categorical`` samples the policy; ``e-greedy`` takes the best action but, with a
            probability that falls from 1 to ``epsilon`` over ``steps`` steps, a random one.
    """

    kind: Literal["categorical", "e-greedy"] = "categorical"
    epsilon: float = 0.05
    steps: int = 10_000

    def random_share(self, step: int) -> float:
        """Probability of a random action after ``step`` steps."""
        return 1.0 + (self.epsilon - 1.0) * min(step / self.steps, 1.0)


class RacingPPO(PPO):
    """Clipped PPO for `RacingVecEnv`; see the module."""

    policy: RacingPolicy
    rollout_buffer: EpisodicRolloutBuffer

    def __init__(
        self,
        policy: Any,
        env: VecEnv,
        *,
        episodes_per_update: int = 20,
        value_loss: Literal["huber", "mean squared error"] = "huber",
        exploration: Exploration | None = None,
        scale_rewards: bool = True,
        **ppo: Any,
    ) -> None:
        """Set up.

        Args:
            policy: policy class.
            env: this rank's cars.
            episodes_per_update: this rank's episodes in one rollout; ``n_steps`` is the cap.
            value_loss: ``huber`` or ``mean squared error``.
            exploration: default: sample the policy.
            scale_rewards: divide rewards by the running deviation of the discounted return.
            ppo: everything else that `stable_baselines3.PPO` takes; ``batch_size`` counts the
                samples of all ranks together.
        """
        self.episodes_per_update = episodes_per_update
        self.value_loss = value_loss
        self.exploration = exploration or Exploration()
        self.scale_rewards = scale_rewards
        self.return_statistics = RunningMeanStd(shape=())
        self._discounted = np.zeros(env.num_envs)
        self._returns: list[np.ndarray] = []
        self._condensed: list[torch.Tensor] = []
        self._truncations: list[tuple[int, int, np.ndarray]] = []
        with warnings.catch_warnings():
            # SB3 expects a rollout to be a whole number of minibatches; here they share it evenly.
            warnings.filterwarnings("ignore", "You have specified a mini-batch size")
            super().__init__(policy, env, rollout_buffer_class=EpisodicRolloutBuffer, **ppo)

    def _setup_model(self) -> None:
        """Build networks and buffer; alone until `join`."""
        super()._setup_model()
        self.policy.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.join(Ranks())

    def join(self, ranks: Ranks) -> None:
        """Learn together with the other ranks, from rank 0's weights on."""
        self._ranks = ranks
        if ranks.size > 1:
            with torch.no_grad():
                for tensor in self.policy.state_dict().values():
                    tensor.mul_(float(ranks.first))
                    ranks.sum(tensor)
        # All gradients are views of one tensor: averaged, clipped and cleared by one call each.
        parameters = [p for p in self.policy.parameters() if p.requires_grad]
        self._gradient = torch.zeros(sum(p.numel() for p in parameters), device=self.device)
        start = 0
        for parameter in parameters:
            end = start + parameter.numel()
            parameter.grad = self._gradient[start:end].as_strided(
                parameter.shape, parameter.stride()
            )
            start = end
        self._shared_sum = None
        if ranks.size > 1 and SharedSum.possible(ranks, self.device):
            self._shared_sum = SharedSum(ranks, self._gradient.numel())

    def begin(self) -> None:
        """Put the cars at their starts and make ready for `drive`; `learn` does so by itself.

        Called again, it begins new episodes in place of those that are under way.
        """
        self._last_obs = None
        self._discounted = np.zeros(self.n_envs)
        self._setup_learn(0, None, reset_num_timesteps=False)

    def go_to(self, steps: int, schedule_steps: int) -> None:
        """Set the steps of all ranks together; schedules end after ``schedule_steps``."""
        self.num_timesteps = steps
        self._current_progress_remaining = max(0.0, 1.0 - steps / schedule_steps)

    def collect_rollouts(  # type: ignore[override]
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: EpisodicRolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Drive one rollout and share it, as SB3's `learn` asks for."""
        callback.on_rollout_start()
        going_on = self.drive(callback) is not None
        if going_on:
            self.share_rollout()
            callback.on_rollout_end()
        return going_on

    def drive(self, callback: BaseCallback | None = None) -> list[Episode] | None:
        """Drive this rank's cars until enough episodes have ended, at most ``n_steps`` steps.

        Returns:
            the episodes that ended, or None if ``callback`` stopped the training.
        """
        buffer, env = self.rollout_buffer, self.env
        assert env is not None
        observations = cast("np.ndarray", self._last_obs)
        starts = cast("np.ndarray", self._last_episode_starts)
        self.policy.set_training_mode(False)
        buffer.reset()
        self._truncations.clear()
        self._returns.clear()
        self._condensed.clear()
        episodes: list[Episode] = []
        while buffer.pos < self.n_steps and (
            len(episodes) < self.episodes_per_update or buffer.pos < MIN_STEPS
        ):
            with torch.no_grad():
                condensed = self.policy.condense(self._tensor(observations))
                actions, values, log_probs = self._act(condensed)
            self._condensed.append(condensed)
            raw = actions.cpu().numpy()
            answer = np.clip(raw, -1.0, 1.0) if isinstance(self.action_space, spaces.Box) else raw
            after, rewards, dones, infos = env.step(answer)
            if callback is not None:
                self.num_timesteps += env.num_envs
                callback.update_locals(locals())
                if not callback.on_step():
                    return None
            episodes += episodes_in(infos)
            self._discounted = self._discounted * self.gamma + rewards
            self._returns.append(self._discounted)
            self._discounted = np.where(dones, 0.0, self._discounted)
            self._truncations += [
                (buffer.pos, car, info["terminal_observation"])
                for car, info in enumerate(infos)
                if info.get("TimeLimit.truncated")
            ]
            buffer.add(observations, raw, rewards, starts, values, log_probs)
            observations, starts = cast("np.ndarray", after), dones
            self._last_obs, self._last_episode_starts = observations, starts
        buffer.cut()
        if callback is None:
            self.num_timesteps += buffer.pos * env.num_envs
        return episodes

    def _act(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Choose an action per car; returns actions, values and log-probabilities."""
        if self.exploration.kind == "categorical":
            return self.policy(observations)  # type: ignore[no-any-return]
        distribution = self.policy.get_distribution(observations)
        actions = distribution.mode()
        bold = torch.rand(actions.shape, device=self.device)
        choices = int(self.action_space.n)  # type: ignore[attr-defined]
        anything = torch.randint(choices, actions.shape, device=self.device)
        share = self.exploration.random_share(self.num_timesteps)
        actions = torch.where(bold < share, anything, actions)
        values = self.policy.predict_values(observations)
        return actions, values, distribution.log_prob(actions)

    def share_rollout(self) -> None:
        """Scale rewards as all ranks saw them, value cut-off episodes, compute advantages."""
        buffer = self.rollout_buffer
        if self.scale_rewards:
            returns = np.concatenate(self._returns)
            total, square, count = self._sums([returns.sum(), (returns**2).sum(), returns.size])
            mean = total / count
            variance = square / count - mean**2
            self.return_statistics.update_from_moments(
                np.array(mean), np.array(variance), int(count)
            )
            buffer.rewards /= float(np.sqrt(self.return_statistics.var + 1e-8))
        with torch.inference_mode():
            if self._truncations:
                last = self._tensor(np.stack([frame for _, _, frame in self._truncations]))
                values = self.policy.predict_values(last).flatten().cpu().numpy()
                for (step, car, _), value in zip(self._truncations, values, strict=True):
                    buffer.rewards[step, car] += self.gamma * value
            last_values = self.policy.predict_values(self._tensor(self._last_obs))
        buffer.compute_returns_and_advantage(
            last_values=last_values, dones=np.asarray(self._last_episode_starts)
        )

    def _sums(self, values: list[float]) -> list[float]:
        """Each value added up over all ranks."""
        return self._ranks.sum(torch.tensor(values, dtype=torch.float64)).tolist()

    def _tensor(self, observations: Any) -> torch.Tensor:
        return torch.as_tensor(observations, device=self.device)

    def train(self) -> None:
        """Update the policy with the rollout: ``n_epochs`` passes in minibatches over all ranks."""
        started = time.perf_counter()
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        data = self._rollout_tensors()
        count = len(data["actions"])
        total = self._sums([count])[0]
        minibatches = max(1, round(total / self.batch_size))
        statistics = []
        for _ in range(self.n_epochs):
            for chosen in torch.randperm(count, device=self.device).tensor_split(minibatches):
                batch = {name: values[chosen] for name, values in data.items()}
                # Each rank's mean counts by its share of the samples.
                weight = len(chosen) * minibatches / total
                statistics.append(self._update(batch, weight))
        self._n_updates += self.n_epochs
        means = torch.stack(statistics).mean(dim=0)
        if not torch.isfinite(means).all():
            raise RunError(
                "The training diverged: its loss is not a number any more. Go on from an earlier "
                "checkpoint with a lower lr, or with rewards of smaller size."
            )
        self._log(means, time.perf_counter() - started)

    def _rollout_tensors(self) -> dict[str, torch.Tensor]:
        """The rollout as flat tensors (samples, ...), advantages standardised over all ranks."""
        buffer = self.rollout_buffer
        discrete = isinstance(self.action_space, spaces.Discrete)
        data = {
            "actions": torch.from_numpy(buffer.actions).flatten(0, 1),
            "log_probs": torch.from_numpy(buffer.log_probs).flatten(),
            "advantages": torch.from_numpy(buffer.advantages).flatten(),
            "returns": torch.from_numpy(buffer.returns).flatten(),
        }
        if discrete:
            data["actions"] = data["actions"].long().flatten()
        advantages = data["advantages"].double()
        total, square, count = self._sums(
            [float(advantages.sum()), float((advantages**2).sum()), len(advantages)]
        )
        mean = total / count
        deviation = max(square / count - mean**2, 0.0) ** 0.5
        data["advantages"] = ((advantages - mean) / (deviation + 1e-8)).float()
        data = {name: values.to(self.device) for name, values in data.items()}
        # What the network made of them before its first weight, kept from driving.
        data["observations"] = torch.cat(self._condensed)
        return data

    def _update(self, batch: dict[str, torch.Tensor], weight: float) -> torch.Tensor:
        """One gradient step; returns policy loss, value loss, entropy, KL and clip fraction."""
        clip = self.clip_range(self._current_progress_remaining)  # type: ignore[operator]
        values, log_probs, entropy = self.policy.evaluate_actions(
            batch["observations"], batch["actions"]
        )
        log_ratio = log_probs - batch["log_probs"]
        ratio = log_ratio.exp()
        advantages = batch["advantages"]
        policy_loss = -torch.min(
            advantages * ratio, advantages * ratio.clamp(1.0 - clip, 1.0 + clip)
        ).mean()
        error = functional.huber_loss if self.value_loss == "huber" else functional.mse_loss
        value_loss = error(values.flatten(), batch["returns"])
        entropy_mean = -log_probs.mean() if entropy is None else entropy.mean()
        loss = policy_loss - self.ent_coef * entropy_mean + self.vf_coef * value_loss
        self._gradient.zero_()
        (loss * weight).backward()  # type: ignore[no-untyped-call]
        if self._shared_sum:
            self._shared_sum.add_up(self._gradient)
        else:
            self._ranks.sum(self._gradient)
        norm = self._gradient.norm()
        self._gradient.mul_((self.max_grad_norm / (norm + 1e-6)).clamp(max=1.0))
        self.policy.optimizer.step()
        with torch.no_grad():
            kl = ((ratio - 1.0) - log_ratio).mean()
            clipped = ((ratio - 1.0).abs() > clip).float().mean()
        return torch.stack([policy_loss, value_loss, entropy_mean, kl, clipped]).detach()

    def _log(self, statistics: torch.Tensor, seconds: float) -> None:
        names = ("policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction")
        for name, value in zip(names, statistics.tolist(), strict=True):
            self.logger.record(f"train/{name}", value)
        buffer = self.rollout_buffer
        self.logger.record(
            "train/explained_variance",
            float(explained_variance(buffer.values.flatten(), buffer.returns.flatten())),
        )
        self.logger.record("train/learning_rate", self.policy.optimizer.param_groups[0]["lr"])
        self.logger.record("time/update_seconds", seconds)

    def is_finite(self) -> bool:
        """Whether all weights are numbers."""
        return all(bool(torch.isfinite(p).all()) for p in self.policy.parameters())

    def _excluded_save_params(self) -> list[str]:
        """Leave out what belongs to this process, not to the model."""
        own = [
            "_ranks",
            "_gradient",
            "_shared_sum",
            "_discounted",
            "_returns",
            "_truncations",
            "_condensed",
        ]
        return [*super()._excluded_save_params(), *own]
