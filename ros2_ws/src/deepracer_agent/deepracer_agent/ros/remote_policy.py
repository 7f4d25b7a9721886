"""A policy that runs in another process: a car node that sees the same frames."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import TwistStamped

from deepracer_car.action_space import ActionSpace
from deepracer_car.errors import SimulatorError
from deepracer_car.ros import topics
from deepracer_sim.ros.messages import NANOSECONDS
from deepracer_sim.ros.ros_simulator import RosSimulator

PATIENCE = 0.5
"""Wait for the first decision before the car is shown another frame, s."""


class RemotePolicy:
    """A `deepracer_car.policy.Policy`: the decisions of a ``car_node``.

    Each is taken for the very frame it was made on, which its stamp tells.
    """

    def __init__(self, simulator: RosSimulator, action_space: ActionSpace) -> None:
        """Listen for decisions, over the simulator's link and as patiently as it.

        Args:
            simulator: whose frames the car node sees.
            action_space: of the model that it drives with.
        """
        self._simulator, self._link = simulator, simulator.link
        self._action_space = action_space
        self._decisions = self._link.stream(TwistStamped, topics.DECISION, topics.every_message())

    def wait_for_car_node(self, pose: tuple[float, float, float]) -> None:
        """Put the car at ``pose``, again and again, until the node has decided on what it saw.

        However reliable a topic is, what is sent before the two have found each other is lost.

        Raises:
            SimulatorError: it never did.
        """
        limit = self._link.startup_timeout
        deadline = time.monotonic() + limit
        while True:
            self._simulator.place(np.zeros(1, dtype=np.int64), np.array([pose]), np.zeros(1))
            try:
                return self._wait(PATIENCE)
            except SimulatorError:
                if time.monotonic() > deadline:
                    raise SimulatorError(
                        f"Nothing came on topic {self._decisions.topic} for any frame; waited "
                        f"{limit:g} s. Does car_node run, with reliable_camera:=true?"
                    ) from None

    def predict(self, observations: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Return the decision on the frame that the simulator shows, as the action space codes it.

        Raises:
            SimulatorError: none came in time.
        """
        self._wait(self._link.timeout)
        twist = self._decisions.message.twist
        return self._action_space.encode(np.array([[twist.angular.z, twist.linear.x]]))

    def _wait(self, timeout: float) -> None:
        decisions, stamp = self._decisions, self._simulator.stamp
        wanted = f"{stamp / NANOSECONDS:.9f} s of simulated time"
        self._link.wait_for(
            lambda: decisions.stamp == stamp,
            f"no decision on the frame of {wanted} came on topic {decisions.topic} (does car_node "
            "run, with reliable_camera:=true?)",
            timeout,
        )
