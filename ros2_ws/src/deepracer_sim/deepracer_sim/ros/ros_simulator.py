"""One simulated car somewhere on ROS, driven in lockstep."""

from __future__ import annotations

from functools import cached_property
from math import remainder, tau
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
PLACE_TOLERANCE = 0.05
"""A car that was put somewhere is there within so many m and rad, and slower than this, m/s."""

World = Literal["simulator_node", "gazebo"]


class RosSimulator:
    """A `Simulator` of one car: commands go out, the frame and odometry of their end come back.

    The first call that needs the simulator waits for it to show up.

    Attributes:
        link: to the car's topics, for those who listen to more of them.
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
        self.link = Link(
            "ros_simulator",
            namespace=namespace,
            domain_id=domain_id,
            timeout=timeout,
            startup_timeout=startup_timeout,
        )
        self._kind = world
        self._in_step = False
        # Gazebo's bridge does not latch, and a latched subscriber does not hear it.
        qos = topics.latched() if world == "simulator_node" else topics.every_message()
        self._odometry = self.link.stream(Odometry, topics.ODOMETRY, qos)
        self._images = self.link.stream(Image, topics.IMAGE, qos)

    @property
    def poses(self) -> Floats:
        """(1, 3): x, y in metres, yaw in radians."""
        self._require_place()
        return motion_of(self._odometry.message)[0][np.newaxis]

    @property
    def speeds(self) -> Floats:
        """(1,) forward speed, m/s."""
        self._require_place()
        return np.array([motion_of(self._odometry.message)[1]])

    @property
    def stamp(self) -> int:
        """Simulated time of `frames`, ns."""
        self._require_place()
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
        for pose in np.asarray(poses)[: len(cars)]:
            if not self._in_step:
                self._connect(pose)
            self._in_step = False
            self._arrive(self._world.place(*pose.tolist()), pose)
            self._in_step = True

    def step(self, commands: Floats) -> None:
        """Hold ``commands`` (1, 2), steering angle, rad, and speed, m/s, for one control step.

        Raises:
            SimulatorError: the simulator does not answer, or is moved by somebody else too.
        """
        self._require_place()
        self._in_step = False
        self._wait_for(self._world.step(*commands[0].tolist()))
        self._in_step = True

    def frames(self, cars: npt.NDArray[np.int64] | None = None) -> Frames:
        """Return a new picture of what the car sees, (1, 1, 120, 160); without cars, none."""
        self._require_place()
        frame = preprocess(to_array(self._images.message))[np.newaxis]
        return frame.copy() if cars is None else frame[cars]

    def close(self) -> None:
        """Leave the ROS domain."""
        self.link.close()

    @cached_property
    def _world(self) -> WorldControl:
        if self._kind == "simulator_node":
            return NodeWorld(self.link, self._odometry)
        from deepracer_sim.ros.gazebo_world import GazeboWorld

        world: WorldControl = GazeboWorld(self.link, self._odometry, self._images)
        return world

    def _connect(self, pose: Floats) -> None:
        """Place the car a few times until it is there, or not.

        Who answers first may be a simulator that is just ending, one that does not hear every topic
        yet, or one that was busy with earlier commands; all of that passes.
        """
        for _ in range(CONNECT_ATTEMPTS):
            stamp = self._world.place(*pose.tolist())
            try:
                return self._arrive(stamp, pose, CONNECT_TIMEOUT)
            except SimulatorError:
                # What is still on its way must not be taken for the next answer.
                self.link.serve(CONNECT_TIMEOUT)
        return None

    def _arrive(self, stamp: int, asked: Floats, timeout: float | None = None) -> None:
        """Wait until the car is seen at rest at the pose that was asked for."""
        self._wait_for(stamp, timeout)
        pose, speed = motion_of(self._odometry.message)
        off = pose - asked
        off[2] = remainder(off[2], tau)
        if max(*abs(off), abs(speed)) > PLACE_TOLERANCE:
            x, y, yaw = pose
            raise SimulatorError(
                f"The car was put at ({asked[0]:.2f}, {asked[1]:.2f}) m, {asked[2]:.2f} rad, but "
                f"topic {self._odometry.topic} tells of ({x:.2f}, {y:.2f}) m, {yaw:.2f} rad at "
                f"{speed:.2f} m/s. Does somebody else drive or place it?"
            )

    def _wait_for(self, stamp: int, timeout: float | None = None) -> None:
        """Wait for odometry and frame of exactly this stamp, ns; an older one is never used."""
        self._wait_for_one(self._odometry, stamp, timeout)
        self._wait_for_one(self._images, stamp, timeout)

    def _wait_for_one(self, stream: Stream, stamp: int, timeout: float | None) -> None:
        wanted = f"{stamp / NANOSECONDS:.9f} s of simulated time"
        self.link.wait_for(
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

    def _require_place(self) -> None:
        """Refuse to go on, or to show what was seen last, before the car was placed."""
        if not self._in_step:
            raise SimulatorError(
                "Nothing is known of the car; place it first, and again after an error."
            )
