"""The training loop of one rank: drive, learn, evaluate, save, until a stop condition holds.

`Trainer.run` is the whole story; every rank runs it in step. Rank 0 alone decides and writes.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, cast

import numpy as np
import torch
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.save_util import load_from_zip_file
from stable_baselines3.common.utils import LinearSchedule

from deepracer_agent.checkpoints import Checkpoint
from deepracer_agent.config import TrainingConfig
from deepracer_agent.distributed import Ranks
from deepracer_agent.driving import clean_laps, drive_greedily, mean_progress, summary
from deepracer_agent.networks import RacingPolicy, policy_kwargs
from deepracer_agent.ppo import Exploration, RacingPPO
from deepracer_agent.progress import Progress, Show
from deepracer_agent.recorder import MODEL, Counters, Recorder
from deepracer_agent.runs import RunDirectory
from deepracer_agent.vec_env import RacingVecEnv
from deepracer_car.action_space import ActionSpace
from deepracer_car.errors import ConfigError, DeepRacerError, RunError
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.episode import Episode
from deepracer_sim.reward import RewardFunction
from deepracer_sim.reward_legacy import LegacyScale
from deepracer_sim.rules import RaceRules
from deepracer_sim.starts import Starts
from deepracer_sim.task import RacingTask
from deepracer_sim.track_library import load_track


@dataclass
class _Report:
    """What a rank tells the others after driving."""

    steps: int
    episodes: list[Episode]
    printed: str
    failure: DeepRacerError | None


class Trainer:
    """One rank of a training; see the module."""

    def __init__(
        self,
        run: RunDirectory,
        ranks: Ranks,
        checkpoint: Checkpoint | None = None,
        weights: Path | None = None,
        show: Show | None = None,
    ) -> None:
        """Build cars, network and, on rank 0, the recorder.

        Args:
            run: with its configuration and reward function.
            ranks: the group this process belongs to.
            checkpoint: of this run, to go on from.
            weights: a saved model whose policy the training starts from.
            show: told about the progress after every update (rank 0).
        """
        self.config = TrainingConfig.load(run.config)
        if self.config.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("device: cuda given, but PyTorch sees no GPU; use cpu or auto.")
        self.ranks = ranks
        self.run_directory = run
        self.counters = Counters.of(checkpoint) if checkpoint else Counters()
        self._show = show
        self._track = load_track(self.config.track).driven(self.config.direction)
        self.action_space: ActionSpace = self.config.model_metadata.action_space
        self._reward = RewardFunction.load(run.reward_function, LegacyScale.of(self.action_space))
        self.algorithm = self._build_algorithm(self._build_env())
        if checkpoint:
            _load(self.algorithm, checkpoint.path / MODEL)
        elif weights:
            _load(self.algorithm, weights, policy_only=True)
        self.algorithm.join(ranks)
        self._evaluation_task = self._build_evaluation()
        self._recorder = Recorder(run, self.config, self.counters) if ranks.first else None
        self.algorithm.set_logger(self._recorder.logger if self._recorder else Logger(None, []))
        self._recent: deque[Episode] = deque(maxlen=100)
        self._last_drives: list[Episode] = []
        self._stop_asked = ""
        self._steps_before = self.counters.steps
        self._seconds_before = self.counters.seconds
        self._started = time.monotonic()

    def run(self) -> str:
        """Train until a stop condition holds; returns which, in words."""
        self.algorithm.begin()
        self._listen_for_stop()
        try:
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
        finally:
            # Whatever ended the training, the last state that was whole is kept.
            self._save()
            if self._recorder:
                self._recorder.close()

    def _drive(self) -> list[Episode]:
        """One rollout on every rank; returns the episodes of all of them.

        A reward function that fails on one rank ends the training on all.
        """
        algorithm, failure, episodes = self.algorithm, None, []
        algorithm.go_to(self.counters.steps, self._schedule_steps())
        try:
            episodes = algorithm.drive() or []
        except DeepRacerError as error:
            failure = error
        steps = algorithm.rollout_buffer.pos * algorithm.n_envs
        report = _Report(steps, episodes, self._reward.printed.take(), failure)
        reports: list[_Report] = self.ranks.gather(report)
        if self._recorder:
            self._recorder.reward_output("".join(r.printed for r in reports))
        for report in reports:
            if report.failure:
                raise report.failure
        self.counters.steps += sum(r.steps for r in reports)
        algorithm.go_to(self.counters.steps, self._schedule_steps())
        return [episode for r in reports for episode in r.episodes]

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
        task, drives = self._evaluation_task, []
        if task is not None:
            drives = drive_greedily(self.algorithm.policy, task, self.action_space)
        self._last_drives = [d for part in self.ranks.gather(drives) for d in part]
        self.counters.evaluations = self.counters.steps // every.every_steps
        if self._recorder:
            is_best = self._recorder.evaluation(self.counters, self._last_drives)
            if is_best or self._recorder.checkpoint_is_due():
                # A slower equal keeps no result, so that it is not taken for the best.
                self._save(mean_progress(self._last_drives, every.laps) if is_best else None)
        if self._show:
            self._show(self._progress())

    def _save(self, metric: float | None = None) -> None:
        if self._recorder:
            self._recorder.save(self.counters, self.algorithm.save, metric)

    def _stop_reason(self, episodes: Sequence[Episode]) -> str:
        """Which stop condition holds, in words; empty if none does."""
        stop, counters, drives = self.config.stop, self.counters, self._last_drives
        hyper = self.config.hyperparameters
        rewards = [e.reward for e in episodes]
        reached = {
            self._stop_asked: bool(self._stop_asked),
            f"{stop.time} s of training": stop.time and counters.seconds >= stop.time,
            f"{stop.steps} steps": stop.steps and counters.steps >= stop.steps,
            f"{stop.episodes} episodes": stop.episodes and counters.episodes >= stop.episodes,
            f"{hyper.term_cond_max_episodes} episodes (term_cond_max_episodes)": (
                counters.episodes >= hyper.term_cond_max_episodes
            ),
            f"mean reward {hyper.term_cond_avg_score} (term_cond_avg_score)": (
                rewards and float(np.mean(rewards)) >= hyper.term_cond_avg_score
            ),
            f"{stop.laps} clean laps from each of {self.config.evaluation.starts} starts": (
                stop.laps and drives and all(clean_laps(d) >= stop.laps for d in drives)
            ),
            f"the target {stop.target}": self._target_is_reached(),
        }
        return next((reason for reason, holds in reached.items() if holds), "")

    def _target_is_reached(self) -> bool:
        target, drives = self.config.stop.target, self._last_drives
        if target is None or not drives:
            return False
        reward = float(np.mean([d.reward for d in drives]))
        progress = mean_progress(drives, self.config.evaluation.laps)
        return (target.reward is None or reward >= target.reward) and (
            target.progress is None or progress >= target.progress
        )

    def _progress(self) -> Progress:
        counters, stop = self.counters, self.config.stop
        elapsed = max(time.monotonic() - self._started, 1e-6)
        limits = [
            (counters.seconds, stop.time),
            (counters.steps, stop.steps),
            (counters.episodes, stop.episodes),
        ]
        fractions = [min(done / limit, 1.0) for done, limit in limits if limit]
        drives = self._last_drives
        return Progress(
            elapsed_s=counters.seconds,
            steps=counters.steps,
            steps_per_second=(counters.steps - self._steps_before) / elapsed,
            episodes=counters.episodes,
            updates=counters.updates,
            mean_reward=_mean([e.reward for e in self._recent]),
            mean_progress=_mean([e.progress for e in self._recent]),
            last_evaluation=summary(drives, self.config.evaluation.laps) if drives else "",
            stop=_stop_in_words(self.config),
            fraction_done=max(fractions, default=None),
        )

    def _build_env(self) -> RacingVecEnv:
        config, ranks = self.config, self.ranks
        if config.cars % ranks.size:
            raise ConfigError(
                f"cars: {config.cars} given, but {ranks.size} ranks need a multiple of that."
            )
        cars = config.cars // ranks.size
        task = RacingTask(
            EmbeddedSimulator(self._track, cars),
            self._track,
            self._reward.instances(cars),
            rules=RaceRules(max_steps=config.max_steps_per_episode),
            starts=config.start.starts(),
            seed=config.seed + self.counters.steps,  # a resumed run starts elsewhere
            first_car=ranks.rank * cars,
            total_cars=config.cars,
        )
        return RacingVecEnv(task, self.action_space)

    def _build_evaluation(self) -> RacingTask | None:
        """This rank's share of the evaluation starts; None if there are fewer starts than ranks."""
        every = self.config.evaluation
        mine = np.array_split(np.arange(every.starts), self.ranks.size)[self.ranks.rank]
        if not len(mine):
            return None
        return RacingTask(
            EmbeddedSimulator(self._track, len(mine)),
            self._track,
            self._reward.instances(len(mine)),
            rules=RaceRules(
                laps=every.laps, max_steps=self.config.max_steps_per_episode * every.laps
            ),
            starts=Starts("round_robin", advance=1.0 / every.starts),
            first_car=int(mine[0]),
            total_cars=every.starts,
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

    def _schedule_steps(self) -> int:
        return self.config.learning.lr_horizon_steps

    def _listen_for_stop(self) -> None:
        """Ctrl-C and a polite kill end the training after the current update."""

        def ask(number: int, frame: FrameType | None) -> None:
            if self._stop_asked:
                raise KeyboardInterrupt
            self._stop_asked = "stopped by " + signal.Signals(number).name

        if self.ranks.first:
            try:
                signal.signal(signal.SIGINT, ask)
                signal.signal(signal.SIGTERM, ask)
            except ValueError:  # not in the main thread: whoever runs us there stops us otherwise
                return


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _stop_in_words(config: TrainingConfig) -> str:
    stop = config.stop
    parts = [
        f"{stop.laps} clean laps from each of {config.evaluation.starts} starts"
        if stop.laps
        else "",
        f"{stop.time:g} s" if stop.time else "",
        f"{stop.steps} steps" if stop.steps else "",
        f"{stop.episodes} episodes" if stop.episodes else "",
        str(stop.target) if stop.target else "",
    ]
    return " or ".join(part for part in parts if part)


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
