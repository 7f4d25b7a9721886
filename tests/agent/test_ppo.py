"""What a rollout holds, what an update changes, and that SB3 can load what we save."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env as check_gymnasium_env
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.logger import Logger

from deepracer_agent.distributed import Ranks
from deepracer_agent.networks import RacingPolicy, policy_kwargs
from deepracer_agent.ppo import Exploration, RacingPPO
from deepracer_agent.vec_env import RacingVecEnv
from deepracer_car.action_space import ContinuousActionSpace, DiscreteActionSpace
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.rules import RaceRules
from deepracer_sim.starts import Starts
from deepracer_sim.task import RacingTask
from deepracer_sim.track_library import load_track

TRACK = load_track("reinvent_base")
DISCRETE = DiscreteActionSpace.from_granularity(30.0, 5, 1.0, 2)
CONTINUOUS = ContinuousActionSpace(-0.5, 0.5, 0.5, 2.0)


def reward(params: dict[str, Any]) -> float:
    return float(params["speed"]) if params["all_wheels_on_track"] else 1e-3


def make(
    cars: int = 4, space: Any = DISCRETE, seed: int = 0, max_steps: int = 3000, **ppo: Any
) -> RacingPPO:
    task = RacingTask(
        EmbeddedSimulator(TRACK, cars),
        TRACK,
        [reward] * cars,
        rules=RaceRules(max_steps=max_steps),
        starts=Starts("random"),
        seed=seed,
    )
    settings: dict[str, Any] = {"n_steps": 40, "batch_size": 64, "n_epochs": 2, **ppo}
    algorithm = RacingPPO(
        RacingPolicy,
        RacingVecEnv(task, space),
        policy_kwargs=policy_kwargs("fast"),
        seed=seed,
        device="cpu",
        **settings,
    )
    algorithm.set_logger(Logger(None, []))
    algorithm.begin()
    return algorithm


def update(algorithm: RacingPPO) -> list[float]:
    """One rollout and one update; returns the weights."""
    algorithm.drive()
    algorithm.share_rollout()
    algorithm.train()
    return torch.cat([p.detach().flatten() for p in algorithm.policy.parameters()]).tolist()


@pytest.mark.parametrize("episodes", [3, 9])
def test_a_rollout_ends_with_the_episode_that_completes_it(episodes: int) -> None:
    algorithm = make(episodes_per_update=episodes, n_steps=1000)
    ended = algorithm.drive() or []
    assert len(ended) >= episodes
    buffer = algorithm.rollout_buffer
    assert buffer.observations.shape[0] == buffer.pos == buffer.buffer_size < 1000
    # One step earlier there were too few.
    last = max(e.start_time + e.seconds for e in ended)
    at_last_step = sum(abs(e.start_time + e.seconds - last) < 1e-6 for e in ended)
    assert len(ended) - at_last_step < episodes
    assert algorithm.num_timesteps == buffer.pos * 4


def test_a_rollout_is_capped() -> None:
    algorithm = make(episodes_per_update=100, n_steps=11)
    algorithm.drive()
    assert algorithm.rollout_buffer.pos == 11


def test_steps_are_stored_in_order() -> None:
    algorithm = make(cars=2, episodes_per_update=2, n_steps=30)
    algorithm.drive()
    buffer = algorithm.rollout_buffer
    assert buffer.observations.dtype == np.uint8
    assert buffer.episode_starts[0].all()
    assert not np.array_equal(buffer.observations[0], buffer.observations[1])
    with torch.inference_mode():
        frame = torch.as_tensor(buffer.observations[3])
        values, log_probs, _ = algorithm.policy.evaluate_actions(
            frame, torch.as_tensor(buffer.actions[3]).flatten()
        )
    assert values.flatten().numpy() == pytest.approx(buffer.values[3], abs=2e-2)
    assert log_probs.numpy() == pytest.approx(buffer.log_probs[3], abs=2e-2)


def test_only_cut_off_episodes_are_bootstrapped() -> None:
    short = make(cars=2, max_steps=4, n_steps=12, scale_rewards=False, episodes_per_update=99)
    short.drive()
    earned = short.rollout_buffer.rewards.copy()
    short.share_rollout()
    added = short.rollout_buffer.rewards - earned
    cut_off = np.zeros_like(earned, dtype=bool)
    cut_off[3::4] = True
    assert (added[cut_off] != 0.0).all()
    assert (added[~cut_off] == 0.0).all()


def test_rewards_are_scaled_to_unit_returns() -> None:
    algorithm = make(scale_rewards=True, n_steps=200, episodes_per_update=30)
    algorithm.drive()
    earned = algorithm.rollout_buffer.rewards.copy()
    algorithm.share_rollout()
    ratio = algorithm.rollout_buffer.rewards[earned > 0.1] / earned[earned > 0.1]
    assert ratio == pytest.approx(ratio[0])
    assert ratio[0] == pytest.approx(algorithm.return_statistics.var**-0.5)


@pytest.mark.parametrize(
    "change",
    [
        {"value_loss": "mean squared error"},
        {"exploration": Exploration("e-greedy", 0.5, 10)},
        {"scale_rewards": False},
        {"n_epochs": 3},
        {"batch_size": 32},
        {"learning_rate": 1e-4},
        {"ent_coef": 0.3},
        {"gamma": 0.8},
        {"gae_lambda": 0.5},
        {"episodes_per_update": 2},
        {"seed": 1},
    ],
    ids=str,
)
def test_every_setting_changes_what_is_learnt(change: dict[str, Any]) -> None:
    base = {"episodes_per_update": 10, "ent_coef": 0.01, "value_loss": "huber"}
    assert update(make(**base)) == update(make(**base))
    assert update(make(**{**base, **change})) != update(make(**base))


def test_e_greedy_becomes_greedier() -> None:
    exploration = Exploration("e-greedy", epsilon=0.2, steps=100)
    assert [exploration.random_share(s) for s in (0, 50, 100, 500)] == pytest.approx(
        [1.0, 0.6, 0.2, 0.2]
    )
    algorithm = make(exploration=Exploration("e-greedy", 0.0, 1), n_steps=12)
    algorithm.num_timesteps = 10
    algorithm.drive()
    buffer = algorithm.rollout_buffer
    with torch.inference_mode():
        greedy = algorithm.policy._predict(
            torch.as_tensor(buffer.observations[5]), deterministic=True
        )
    assert np.array_equal(greedy.numpy(), buffer.actions[5].flatten())


def test_deterministic_answers_are_the_likeliest() -> None:
    """SB3 takes another way through the policy when it predicts than when it trains."""
    algorithm = make()
    frames = np.concatenate([algorithm.env.reset() for _ in range(4)])
    predicted, _ = algorithm.predict(frames, deterministic=True)
    with torch.inference_mode():
        features = algorithm.policy.extract_features(torch.as_tensor(frames))
        likeliest = algorithm.policy.action_net(features).argmax(dim=1)
    assert np.array_equal(predicted, likeliest.numpy())


@pytest.mark.parametrize("preset", ["fast", "deepracer"])
@pytest.mark.parametrize("space", [DISCRETE, CONTINUOUS], ids=["discrete", "continuous"])
def test_sb3_loads_what_we_save(preset: Any, space: Any, tmp_path: Path) -> None:
    task = RacingTask(EmbeddedSimulator(TRACK, 2), TRACK, [reward] * 2, starts=Starts("random"))
    env = RacingVecEnv(task, space)
    ours = RacingPPO(
        RacingPolicy, env, n_steps=4, policy_kwargs=policy_kwargs(preset), device="cpu"
    )
    ours.learn(8)
    ours.save(tmp_path / "model.zip")
    theirs = PPO.load(tmp_path / "model.zip", device="cpu")
    frames = env.reset()
    a, _ = ours.predict(frames, deterministic=True)
    b, _ = theirs.predict(frames, deterministic=True)
    assert np.array_equal(a, b)


def test_the_deepracer_preset_is_two_stock_networks() -> None:
    env = RacingVecEnv(RacingTask(EmbeddedSimulator(TRACK, 1), TRACK, None), DISCRETE)
    policy = RacingPPO(
        RacingPolicy, env, policy_kwargs=policy_kwargs("deepracer"), device="cpu"
    ).policy
    one = sum(p.numel() for p in policy.pi_features_extractor.parameters())
    # (32, 8, 4), (64, 4, 2), (64, 3, 1) on 160x120 leaves 11,264 numbers before the dense 512.
    assert one == (32 * 64 + 32) + (64 * 32 * 16 + 64) + (64 * 64 * 9 + 64) + (11264 * 512 + 512)
    pairs = zip(
        policy.pi_features_extractor.parameters(),
        policy.vf_features_extractor.parameters(),
        strict=True,
    )
    assert not any(a is b for a, b in pairs)


def test_sb3_learns_with_its_own_loop() -> None:
    env = RacingVecEnv(
        RacingTask(EmbeddedSimulator(TRACK, 2), TRACK, [reward] * 2, starts=Starts("random")),
        DISCRETE,
    )
    PPO("CnnPolicy", env, n_steps=8, batch_size=8, n_epochs=1, device="cpu").learn(32)


class _Half(Ranks):
    """A rank whose partner does and sees exactly the same."""

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.mul_(2.0)


def test_two_equal_ranks_learn_as_one() -> None:
    settings: dict[str, Any] = {
        "episodes_per_update": 99, "n_steps": 16, "n_epochs": 1, "max_grad_norm": 1e9
    }  # fmt: skip
    alone = make(batch_size=64, **settings)
    update(alone)
    shared = make(batch_size=128, **settings)
    shared._ranks = _Half(0, 2)
    update(shared)
    norms = [float(a._gradient.norm()) for a in (alone, shared)]
    assert norms[1] == pytest.approx(norms[0], rel=1e-3)
    assert torch.cosine_similarity(shared._gradient, alone._gradient, dim=0) > 0.9999


@pytest.mark.parametrize("space", [DISCRETE, CONTINUOUS], ids=["discrete", "continuous"])
def test_environment_passes_the_checkers(space: Any) -> None:
    env = gymnasium.make(
        "deepracer_sim:DeepRacer-v0",
        reward_function=reward,
        action_space=space,
        render_mode="rgb_array",
    ).unwrapped
    check_gymnasium_env(env, skip_render_check=False)
    check_env(env)


def test_the_vectorised_environment_tells_what_it_has() -> None:
    env = RacingVecEnv(RacingTask(EmbeddedSimulator(TRACK, 3), TRACK, None), DISCRETE)
    assert env.get_attr("n_cars") == [3, 3, 3]
    assert env.get_attr("n_cars", indices=[0, 2]) == [3, 3]
    assert not env.has_attr("no_such_attribute")
    with pytest.raises(AttributeError, match="share a RacingTask"):
        env.set_attr("n_cars", 4)
