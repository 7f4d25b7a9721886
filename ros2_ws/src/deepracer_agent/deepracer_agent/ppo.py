"""PPO as the racers' files describe it: SB3's algorithm, arranged for many small cars and several ranks.

What differs from `stable_baselines3.PPO`, and why:

* a rollout ends after ``num_episodes_between_training`` episodes (or a cap on steps), as DeepRacer's;
* the value loss is Huber or squared error, exploration may be e-greedy;
* advantages are standardised once per update over all ranks, and returns are scaled to unit variance;
* gradients of all ranks are averaged, so that R ranks with N/R cars learn as one with N cars;
* pixels stay uint8 until they are inside the network.

A saved model loads with plain `stable_baselines3.PPO.load`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

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
from deepracer_agent.rollout_buffer import EpisodicRolloutBuffer
from deepracer_agent.vec_env import episodes_in

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

    rollout_buffer: EpisodicRolloutBuffer
    """``num_timesteps`` counts the steps of all ranks, known exactly after each rollout."""

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
        super().__init__(policy, env, rollout_buffer_class=EpisodicRolloutBuffer, **ppo)

    def join(self, ranks: Ranks) -> None:
        """Learn together with the other ranks: start from rank 0's weights."""
        self._ranks = ranks
        parameters = [p for p in self.policy.parameters() if p.requires_grad]
        with torch.no_grad():
            for tensor in self.policy.state_dict().values():
                tensor.mul_(float(ranks.first))
                ranks.sum(tensor)
        # All gradients are views of one tensor: averaged, clipped and cleared by one call each.
        self._gradient = torch.zeros(sum(p.numel() for p in parameters), device=self.device)
        start = 0
        for parameter in parameters:
            end = start + parameter.numel()
            parameter.grad = self._gradient[start:end].as_strided(
                parameter.shape, parameter.stride()
            )
            start = end

    def collect_rollouts(  # type: ignore[override]
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: EpisodicRolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Drive until enough episodes have ended, at most ``n_rollout_steps`` steps per car."""
        assert self._last_obs is not None
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        callback.on_rollout_start()
        before, episodes, steps = self.num_timesteps, 0, 0
        returns, truncations = [], []
        while steps < n_rollout_steps and (
            episodes < self.episodes_per_update or steps < MIN_STEPS
        ):
            with torch.inference_mode():
                actions, values, log_probs = self._act(torch.as_tensor(self._last_obs))
            raw = actions.numpy()
            clipped = np.clip(raw, -1.0, 1.0) if isinstance(self.action_space, spaces.Box) else raw
            observations, rewards, dones, infos = env.step(clipped)
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            if not callback.on_step():
                return False
            episodes += len(episodes_in(infos))
            self._discounted = self._discounted * self.gamma + rewards
            returns.append(self._discounted)
            self._discounted = np.where(dones, 0.0, self._discounted)
            truncations += [
                (steps, car, info["terminal_observation"])
                for car, info in enumerate(infos)
                if info.get("TimeLimit.truncated")
            ]
            rollout_buffer.add(
                self._last_obs, raw, rewards, self._last_episode_starts, values, log_probs
            )
            self._last_obs, self._last_episode_starts = observations, dones
            steps += 1
        rollout_buffer.cut()
        taken = self._ranks.sum(torch.tensor(float(steps * env.num_envs), dtype=torch.float64))
        self.num_timesteps = before + int(taken.item())
        self._finish(rollout_buffer, np.concatenate(returns), truncations)
        callback.on_rollout_end()
        return True

    def _act(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Choose an action per car; returns actions, values and log-probabilities."""
        if self.exploration.kind == "categorical":
            return self.policy(observations)  # type: ignore[no-any-return]
        distribution = self.policy.get_distribution(observations)
        actions = distribution.mode()
        bold = torch.rand(len(actions)) < self.exploration.random_share(self.num_timesteps)
        choices = int(self.action_space.n)  # type: ignore[attr-defined]
        actions = torch.where(bold, torch.randint(choices, actions.shape), actions)
        values = self.policy.predict_values(observations)
        return actions, values, distribution.log_prob(actions)

    def _finish(
        self,
        buffer: EpisodicRolloutBuffer,
        returns: np.ndarray,
        truncations: list[tuple[int, int, np.ndarray]],
    ) -> None:
        """Scale rewards, add what cut-off episodes could still have earned, compute advantages."""
        if self.scale_rewards:
            moments = torch.tensor(
                [returns.sum(), (returns**2).sum(), float(returns.size)], dtype=torch.float64
            )
            total, square, count = self._ranks.sum(moments).tolist()
            mean = total / count
            self.return_statistics.update_from_moments(mean, square / count - mean**2, int(count))
            buffer.rewards /= float(np.sqrt(self.return_statistics.var + 1e-8))
        with torch.inference_mode():
            if truncations:
                last = torch.as_tensor(np.stack([t[2] for t in truncations]))
                values = self.policy.predict_values(last).flatten().numpy()
                for (step, car, _), value in zip(truncations, values, strict=True):
                    buffer.rewards[step, car] += self.gamma * value
            values = self.policy.predict_values(torch.as_tensor(self._last_obs))
        buffer.compute_returns_and_advantage(
            last_values=values, dones=np.asarray(self._last_episode_starts)
        )

    def train(self) -> None:
        """Update the policy with the rollout: ``n_epochs`` passes in minibatches over all ranks."""
        started = time.perf_counter()
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        data = self._rollout_tensors()
        count = len(data["actions"])
        sizes = torch.tensor([float(count)])
        total = int(self._ranks.sum(sizes).item())
        minibatches = max(1, round(total / self.batch_size))
        statistics = []
        for _ in range(self.n_epochs):
            for chosen in torch.randperm(count).tensor_split(minibatches):
                batch = {name: values[chosen] for name, values in data.items()}
                # Each rank's mean counts by its share of the samples.
                weight = len(chosen) * minibatches / total
                statistics.append(self._update(batch, weight))
        self._n_updates += self.n_epochs
        self._log(torch.stack(statistics).mean(dim=0), time.perf_counter() - started)

    def _rollout_tensors(self) -> dict[str, torch.Tensor]:
        """The rollout as flat tensors (samples, ...), advantages standardised over all ranks."""
        buffer = self.rollout_buffer
        discrete = isinstance(self.action_space, spaces.Discrete)
        data = {
            "observations": torch.from_numpy(buffer.observations).flatten(0, 1),
            "actions": torch.from_numpy(buffer.actions).flatten(0, 1),
            "log_probs": torch.from_numpy(buffer.log_probs).flatten(),
            "advantages": torch.from_numpy(buffer.advantages).flatten(),
            "returns": torch.from_numpy(buffer.returns).flatten(),
        }
        if discrete:
            data["actions"] = data["actions"].long().flatten()
        advantages = data["advantages"].double()
        moments = torch.stack(
            [advantages.sum(), (advantages**2).sum(), torch.tensor(float(len(advantages))).double()]
        )
        total, square, count = self._ranks.sum(moments).tolist()
        mean = total / count
        deviation = max(square / count - mean**2, 0.0) ** 0.5
        data["advantages"] = ((advantages - mean) / (deviation + 1e-8)).float()
        return {name: values.to(self.device) for name, values in data.items()}

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
        (loss * weight).backward()
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

    def _excluded_save_params(self) -> list[str]:
        """Leave out what belongs to this process, not to the model."""
        return [*super()._excluded_save_params(), "_ranks", "_gradient", "_discounted"]
