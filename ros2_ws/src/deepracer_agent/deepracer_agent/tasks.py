"""What one rank drives: its cars while training, and its share of the evaluation's starts."""

from __future__ import annotations

import numpy as np

from deepracer_agent.config import TrainingConfig
from deepracer_agent.distributed import Ranks
from deepracer_car.errors import ConfigError
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.reward import RewardFunction
from deepracer_sim.rules import RaceRules
from deepracer_sim.simulator import Simulator
from deepracer_sim.starts import Starts
from deepracer_sim.task import RacingTask
from deepracer_sim.track import Track


def cars_of_rank(config: TrainingConfig, ranks: Ranks) -> int:
    """Number of cars that each rank drives.

    Raises:
        ConfigError: they cannot be shared evenly.
    """
    if config.cars % ranks.size:
        raise ConfigError(
            f"cars: {config.cars} given, but {ranks.size} ranks need a multiple of that."
        )
    return config.cars // ranks.size


def training_task(
    config: TrainingConfig,
    ranks: Ranks,
    simulator: Simulator,
    track: Track,
    reward: RewardFunction,
    steps: int,
) -> RacingTask:
    """Return the task of this rank's cars; ``steps``: driven before, by all ranks."""
    cars = simulator.n_cars
    return RacingTask(
        simulator,
        track,
        reward.instances(cars),
        rules=RaceRules(max_steps=config.max_steps_per_episode),
        starts=config.start.starts(),
        seed=config.seed + steps,  # a resumed run starts elsewhere
        first_car=ranks.rank * cars,
        total_cars=config.cars,
    )


def evaluation_tasks(
    config: TrainingConfig,
    ranks: Ranks,
    simulator: Simulator,
    track: Track,
    reward: RewardFunction,
) -> list[RacingTask]:
    """Return what this rank drives in an evaluation, to be driven one after another.

    In process all starts are driven at once, by cars of their own. Elsewhere there is only the one
    car of ``simulator``, which drives from each start in turn.
    """
    every = config.evaluation
    mine = np.array_split(np.arange(every.starts), ranks.size)[ranks.rank]
    rules = RaceRules(laps=every.laps, max_steps=config.max_steps_per_episode * every.laps)

    def task(simulator: Simulator, first: int, restart: bool) -> RacingTask:
        return RacingTask(
            simulator,
            track,
            reward.instances(simulator.n_cars),
            rules=rules,
            starts=Starts("round_robin", advance=1.0 / every.starts),
            first_car=first,
            total_cars=every.starts,
            restart=restart,
        )

    if config.over_ros:
        return [task(simulator, int(start), restart=False) for start in mine]
    if not len(mine):
        return []
    return [task(EmbeddedSimulator(track, len(mine)), int(mine[0]), restart=True)]
