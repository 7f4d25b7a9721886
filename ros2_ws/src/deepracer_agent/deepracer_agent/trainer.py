"""The training loop of one rank: drive, learn, evaluate, save, until a stop condition holds.

`Trainer.run` is the whole story; every rank runs it in step. Rank 0 alone decides and writes.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar, cast

import numpy as np
import torch
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.save_util import load_from_zip_file
from stable_baselines3.common.utils import LinearSchedule

from deepracer_agent import stop_conditions
from deepracer_agent.checkpoints import Checkpoint
from deepracer_agent.config import TrainingConfig
from deepracer_agent.distributed import Ranks
from deepracer_agent.driving import drive_greedily, mean_progress, summary
from deepracer_agent.networks import RacingPolicy, policy_kwargs
from deepracer_agent.ppo import Exploration, RacingPPO
from deepracer_agent.progress import Progress, Show
from deepracer_agent.recorder import Counters, Recorder
from deepracer_agent.runs import RunDirectory
from deepracer_agent.tasks import cars_of_rank, evaluation_tasks, training_task
from deepracer_agent.torch_policy import TorchPolicy
from deepracer_agent.vec_env import RacingVecEnv, Watch
from deepracer_car.action_space import ActionSpace
from deepracer_car.errors import ConfigError, DeepRacerError, RunError, SimulatorError
from deepracer_sim.backends import open_simulator
from deepracer_sim.episode import Episode
from deepracer_sim.reward import RewardFunction
from deepracer_sim.reward_legacy import LegacyScale
from deepracer_sim.simulator import Simulator
from deepracer_sim.track import Track
from deepracer_sim.track_library import load_track

T = TypeVar("T")

SAME_SIGNAL = 1.0
"""A signal that comes again within this time, s, is the same: terminal and launch both send it."""


class Trainer:
    """One rank of a training; see the module.

    Attributes:
        left_the_others: whether a stop ended it while other ranks were still driving.
    """

    def __init__(
        self,
        run: RunDirectory,
        ranks: Ranks,
        checkpoint: Checkpoint | None = None,
        weights: Path | None = None,
        show: Show | None = None,
        watch: Watch | None = None,
    ) -> None:
        """Build cars, network and, on rank 0, the recorder.

        Args:
            run: with its configuration and reward function.
            ranks: the group this process belongs to.
            checkpoint: of this run, to go on from.
            weights: a saved model whose policy the training starts from.
            show: told about the progress after every update (rank 0).
            watch: told about every step of the cars in training (rank 0).
        """
        self.config = TrainingConfig.load(run.config)
        if self.config.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("device: cuda given, but PyTorch sees no GPU; use cpu or auto.")
        self.ranks = ranks
        self.counters = Counters.of(checkpoint) if checkpoint else Counters()
        self._show = show
        self._run_name = run.name
        track = load_track(self.config.track).driven(self.config.direction)
        self._track_length = track.length
        self.action_space: ActionSpace = self.config.model_metadata.action_space
        self._reward = RewardFunction.load(run.reward_function, LegacyScale.of(self.action_space))
        self._stop_asked = ""
        self._signalled = -SAME_SIGNAL
        self._in_simulator = False
        self.left_the_others = False
        self._on_every_rank(lambda: self._open_simulator(track))
        parts = (self.config, ranks, self._simulator, track, self._reward)
        task = training_task(*parts, steps=self.counters.steps)
        self.algorithm = self._build_algorithm(RacingVecEnv(task, self.action_space, watch))
        if checkpoint:
            _load(self.algorithm, checkpoint.model)
        elif weights:
            _load(self.algorithm, weights, policy_only=True)
        self.algorithm.join(ranks)
        self._evaluation_tasks = evaluation_tasks(*parts)
        self._recorder = Recorder(run, self.config, self.counters) if ranks.first else None
        self.algorithm.set_logger(self._recorder.logger if self._recorder else Logger(None, []))
        self._recent: deque[Episode] = deque(maxlen=100)
        self._last_drives: list[Episode] = []
        self._steps_before = self.counters.steps
        self._seconds_before = self.counters.seconds
        self._started = time.monotonic()

    def run(self) -> str:
        """Train until a stop condition holds; returns which, in words."""
        self._listen_for_stop()
        try:
            self._in_the_simulator(self.algorithm.begin)
            return self._train()
        except (KeyboardInterrupt, SimulatorError):
            if self.config.over_ros and self._stop_asked:
                # Nobody waits for a simulator that is slow or gone.
                self.left_the_others = True
                return self._stop_asked
            raise
        finally:
            # Whatever ended the training, what was learnt is kept, unless it is no longer whole.
            if self.algorithm.is_finite():
                self._save()
            if self._recorder:
                self._recorder.close()
            self._simulator.close()

    def _train(self) -> str:
        while True:
            episodes = self._drive()
            self.algorithm.share_rollout()
            self.algorithm.train()
            self._record(episodes)
            if self._evaluation_is_due():
                self._evaluate()
            elif self._recorder and self._recorder.checkpoint_is_due():
                self._save()
            if reason := self.ranks.share(self._stop_reason(episodes)):
                return str(reason)

    def _drive(self) -> list[Episode]:
        """One rollout on every rank; returns the episodes of all of them."""
        algorithm = self.algorithm
        algorithm.go_to(self.counters.steps, self._schedule_steps())

        def drive() -> tuple[int, list[Episode]]:
            episodes = algorithm.drive() or []
            return algorithm.rollout_buffer.pos * algorithm.n_envs, episodes

        try:
            reports = self._in_the_simulator(drive)
        except DeepRacerError:
            self._keep_prints()  # of most use just when the reward function has failed
            raise
        self._keep_prints()
        self.counters.steps += sum(steps for steps, _ in reports)
        algorithm.go_to(self.counters.steps, self._schedule_steps())
        return [episode for _, episodes in reports for episode in episodes]

    def _keep_prints(self) -> None:
        """Write down what the reward functions of all ranks have printed."""
        printed = self.ranks.gather(self._reward.printed.take())
        if self._recorder:
            self._recorder.reward_output("".join(printed))

    def _on_every_rank(self, work: Callable[[], T]) -> list[T]:
        """Do ``work`` on every rank and return all results; an error of one is raised on all."""
        outcome: T | DeepRacerError
        try:
            outcome = work()
        except DeepRacerError as error:
            outcome = error
        if self._in_simulator:
            self.ranks.meet()
        results: list[T] = []
        for result in self.ranks.gather(outcome):
            if isinstance(result, DeepRacerError):
                raise result
            results.append(result)
        return results

    def _in_the_simulator(self, work: Callable[[], T]) -> list[T]:
        """Do ``work`` on every rank; where the simulator is not ours, a stop does not wait for it.

        Raises:
            KeyboardInterrupt: a stop was asked for.
        """
        self._in_simulator = self.config.over_ros
        try:
            if self._in_simulator and self._stop_asked:
                raise KeyboardInterrupt
            return self._on_every_rank(work)
        finally:
            self._in_simulator = False

    def _record(self, episodes: Sequence[Episode]) -> None:
        counters = self.counters
        counters.updates += 1
        counters.episodes += len(episodes)
        counters.seconds = self._seconds_before + time.monotonic() - self._started
        self._recent.extend(episodes)
        if self._recorder:
            self._recorder.update(counters, episodes)
            self._recorder.preview(np.asarray(self.algorithm._last_obs)[0])
        if self._show:
            self._show(self._progress())

    def _evaluation_is_due(self) -> bool:
        every = self.config.evaluation
        if every.every_updates is not None:
            return self.counters.updates % every.every_updates == 0
        return self.counters.steps // every.every_steps > self.counters.evaluations

    def _evaluate(self) -> None:
        """Greedy laps from every start, shared among the ranks."""
        every = self.config.evaluation
        policy, tasks = TorchPolicy(self.algorithm.policy), self._evaluation_tasks

        def drive() -> list[Episode]:
            return [d for task in tasks for d in drive_greedily(policy, task, self.action_space)]

        self._last_drives = [d for part in self._in_the_simulator(drive) for d in part]
        self.counters.evaluations = self.counters.steps // every.every_steps
        if self._recorder:
            is_best = self._recorder.evaluation(self.counters, self._last_drives)
            if is_best or self._recorder.checkpoint_is_due():
                # A slower equal keeps no result, so that it is not taken for the best.
                self._save(mean_progress(self._last_drives, every.laps) if is_best else None)
        if self._show:
            self._show(self._progress())
        if self.config.over_ros:
            self._in_the_simulator(self.algorithm.begin)  # the car is no longer where it was

    def _save(self, metric: float | None = None) -> None:
        if self._recorder:
            self._recorder.save(self.counters, self.algorithm.save, metric)

    def _stop_reason(self, episodes: Sequence[Episode]) -> str:
        return self._stop_asked or stop_conditions.stop_reason(
            self.config, self.counters, episodes, self._last_drives
        )

    def _progress(self) -> Progress:
        counters, drives = self.counters, self._last_drives
        elapsed = max(time.monotonic() - self._started, 1e-6)
        lap_times = [time for drive in drives for time in drive.lap_times]
        return Progress(
            run=self._run_name,
            elapsed_s=counters.seconds,
            steps=counters.steps,
            steps_per_second=(counters.steps - self._steps_before) / elapsed,
            episodes=counters.episodes,
            updates=counters.updates,
            mean_reward=_mean([e.reward for e in self._recent]),
            mean_progress=_mean([e.progress for e in self._recent]),
            mean_speed=_mean_speed(self._recent, self._track_length),
            last_evaluation=summary(drives, self.config.evaluation.laps) if drives else "",
            evaluation_progress=mean_progress(drives, self.config.evaluation.laps)
            if drives
            else None,
            lap_time=min(lap_times, default=None),
            stop=stop_conditions.in_words(self.config),
            fraction_done=stop_conditions.fraction_done(self.config, counters),
        )

    def _build_algorithm(self, env: RacingVecEnv) -> RacingPPO:
        config, hyper, learning = self.config, self.config.hyperparameters, self.config.learning
        ranks = self.ranks
        share, rest = divmod(hyper.num_episodes_between_training, ranks.size)
        final = learning.lr_final_fraction if learning.lr_schedule == "linear" else 1.0
        return RacingPPO(
            RacingPolicy,
            env,
            episodes_per_update=max(1, share + (ranks.rank < rest)),
            value_loss=hyper.loss_type,
            exploration=Exploration(
                hyper.exploration_type, hyper.e_greedy_value, hyper.epsilon_steps
            ),
            scale_rewards=learning.reward_scaling,
            n_steps=max(1, learning.max_steps_between_training // config.cars),
            batch_size=hyper.batch_size,
            n_epochs=hyper.num_epochs,
            learning_rate=LinearSchedule(hyper.lr, hyper.lr * final, 1.0),
            gamma=hyper.discount_factor,
            gae_lambda=learning.gae_lambda,
            clip_range=learning.clip_range,
            ent_coef=hyper.beta_entropy,
            policy_kwargs=policy_kwargs(config.network),
            seed=(config.seed + 7919 * ranks.rank + self.counters.steps) % 2**32,
            device=config.device,
        )

    def _open_simulator(self, track: Track) -> None:
        config, ranks = self.config, self.ranks
        self._simulator: Simulator = open_simulator(
            config.simulator,
            track,
            cars_of_rank(config, ranks),
            rank=ranks.rank,
            namespace=config.namespace,
        )

    def _schedule_steps(self) -> int:
        return self.config.learning.lr_horizon_steps

    def _listen_for_stop(self) -> None:
        """Ctrl-C and a polite kill end the training after the current update.

        At once, if a second one comes, or if the cars drive in a simulator that is not ours.
        """

        def ask(number: int, frame: FrameType | None) -> None:
            if time.monotonic() - self._signalled < SAME_SIGNAL:
                return
            at_once = self._in_simulator or bool(self._stop_asked)
            self._stop_asked = self._stop_asked or "stopped by " + signal.Signals(number).name
            self._signalled = time.monotonic()
            if at_once:
                raise KeyboardInterrupt

        if self.ranks.first:
            try:
                signal.signal(signal.SIGINT, ask)
                signal.signal(signal.SIGTERM, ask)
            except ValueError:  # not in the main thread: whoever runs us there stops us otherwise
                return


def _mean_speed(episodes: Sequence[Episode], track_length: float) -> float | None:
    """Metres of road per second, over all ``episodes`` together."""
    seconds = sum(e.seconds for e in episodes)
    return track_length * sum(e.progress for e in episodes) / 100.0 / seconds if seconds else None


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _load(algorithm: RacingPPO, model: Path, policy_only: bool = False) -> None:
    """Load weights (and the optimiser's state) from a saved model of the same shape."""
    try:
        data, saved, _ = load_from_zip_file(model, device=algorithm.device)
        if policy_only:
            algorithm.policy.load_state_dict(cast("dict[str, Any]", saved["policy"]))
            return
        algorithm.set_parameters(saved, exact_match=True, device=str(algorithm.device))
        if data:
            algorithm.return_statistics = data["return_statistics"]
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise RunError(f"{model} does not fit this training: {error}") from error
