"""One simulated car somewhere on ROS, driven in lockstep."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Image

from deepracer_car.errors import SimulatorError
from deepracer_car.observation import preprocess
from deepracer_car.ros import topics
from deepracer_car.ros.images import to_array
from deepracer_sim.ros.link import Link, Stream
from deepracer_sim.ros.messages import NANOSECONDS, motion_of
from deepracer_sim.ros.world_control import NodeWorld, WorldControl
from deepracer_sim.simulator import Floats, Frames

CONNECT_ATTEMPTS, CONNECT_TIMEOUT = 2, 2.0
"""How often and how long, s, a first answer is waited for before it must come."""

World = Literal["simulator_node", "gazebo"]


class RosSimulator:
    """A `Simulator` of one car: commands go out, the frame and odometry of their end come back.

    The first call that needs the simulator waits for it to show up.
    """

    n_cars = 1

    def __init__(
        self,
        world: World = "simulator_node",
        *,
        namespace: str = "",
        domain_id: int | None = None,
        timeout: float = 10.0,
        startup_timeout: float = 60.0,
    ) -> None:
        """Join a ROS domain.

        Args:
            world: what simulates the car.
            namespace: of the car's topics.
            domain_id: None: ``ROS_DOMAIN_ID``, or 0.
            timeout: longest wait for the end of a control step, s.
            startup_timeout: longest wait for the simulator to show up, s.
        """
        self._link = Link(
            "ros_simulator",
            namespace=namespace,
            domain_id=domain_id,
            timeout=timeout,
            startup_timeout=startup_timeout,
        )
        self._kind = world
        self._connected = False
        # Gazebo's bridge does not latch, and a latched subscriber does not hear it.
        qos = topics.latched() if world == "simulator_node" else topics.every_message()
        self._odometry = self._link.stream(Odometry, topics.ODOMETRY, qos)
        self._images = self._link.stream(Image, topics.IMAGE, qos)

    @property
    def poses(self) -> Floats:
        """(1, 3): x, y in metres, yaw in radians."""
        return motion_of(self._placed(self._odometry))[0][np.newaxis]

    @property
    def speeds(self) -> Floats:
        """(1,) forward speed, m/s."""
        return np.array([motion_of(self._placed(self._odometry))[1]])

    @property
    def stamp(self) -> int:
        """Simulated time of `frames`, ns."""
        self._placed(self._images)
        return self._images.stamp

    def place(self, cars: npt.NDArray[np.int64], poses: Floats, speeds: Floats) -> None:
        """Put the car at ``poses`` (1, 3), at rest, wheels straight; ``cars`` may be empty.

        Raises:
            SimulatorError: ``speeds`` are not zero, or the simulator does not answer.
        """
        if np.any(speeds):
            raise SimulatorError(
                f"A car on ROS cannot be placed at {np.max(speeds):g} m/s; place it at rest, or "
                "use the embedded simulator."
            )
        for x, y, yaw in np.asarray(poses)[: len(cars)].tolist():
            if not self._connected:
                self._connect(x, y, yaw)
            self._wait_for(self._world.place(x, y, yaw))

    def step(self, commands: Floats) -> None:
        """Hold ``commands`` (1, 2), steering angle, rad, and speed, m/s, for one control step.

        Raises:
            SimulatorError: the simulator does not answer, or is moved by somebody else too.
        """
        steering_angle, speed = commands[0].tolist()
        self._wait_for(self._world.step(steering_angle, speed))

    def frames(self, cars: npt.NDArray[np.int64] | None = None) -> Frames:
        """Return a new picture of what the car sees, (1, 1, 120, 160); without cars, none."""
        frame = preprocess(to_array(self._placed(self._images)))[np.newaxis]
        return frame.copy() if cars is None else frame[cars]

    def close(self) -> None:
        """Leave the ROS domain."""
        self._link.close()

    @cached_property
    def _world(self) -> WorldControl:
        if self._kind == "simulator_node":
            return NodeWorld(self._link, self._odometry)
        from deepracer_sim.ros.gazebo_world import GazeboWorld

        world: WorldControl = GazeboWorld(self._link, self._odometry, self._images)
        return world

    def _connect(self, x: float, y: float, yaw: float) -> None:
        """Place the car a few times until something comes back, or not.

        Who shows up first may be a simulator that is just ending, or one that does not hear every
        topic yet; both pass.
        """
        self._connected = True
        for _ in range(CONNECT_ATTEMPTS):
            stamp = self._world.place(x, y, yaw)
            with suppress(SimulatorError):
                self._wait_for(stamp, CONNECT_TIMEOUT)
                break

    def _wait_for(self, stamp: int, timeout: float | None = None) -> None:
        """Wait for odometry and frame of exactly this stamp, ns; an older one is never used."""
        self._wait_for_one(self._odometry, stamp, timeout)
        self._wait_for_one(self._images, stamp, timeout)

    def _wait_for_one(self, stream: Stream, stamp: int, timeout: float | None) -> None:
        wanted = f"{stamp / NANOSECONDS:.9f} s of simulated time"
        self._link.wait_for(
            lambda: stream.stamp >= stamp,
            f"nothing of {wanted} came on topic {stream.topic}",
            timeout,
        )
        if stream.stamp > stamp:
            raise SimulatorError(
                f"{stream.stamp / NANOSECONDS:.9f} s came on topic {stream.topic} instead of "
                f"{wanted}. Does the simulator run with lockstep:=true, and does nobody else drive "
                "or place its car?"
            )

    def _placed(self, stream: Stream) -> object:
        if stream.message is None:
            raise SimulatorError(f"Nothing came on topic {stream.topic} yet; place the car first.")
        return stream.message
